/** Our node as the pool sees it: in this process, and over its HTTP interface. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { solvedRawBlock } from '../../pool/blocks/solved-block.ts';
import type { NodeAccess, NodeListener, SolvedBlock } from '../../pool/chain-access.ts';
import { HttpNode } from '../../pool/nodes/http-node.ts';
import { Upstreams } from '../../pool/nodes/upstreams.ts';
import type { PoolTemplate } from '../../pool/template.ts';
import { decodeAddress, encodeAddress, p2wpkhProgram } from '../../src/chain/address.ts';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { headerHash } from '../../src/chain/header.ts';
import { EmbeddedNode, type EmbeddedNodeParts } from '../../src/cli/embedded-node.ts';
import type { BlockTemplate } from '../../src/node/mining/templates.ts';
import { WorkError } from '../../src/node/mining/work-error.ts';
import { PowError } from '../../src/pow/pow-error.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ApiRig } from '../node/http/api-rig.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { settle } from '../support/fake-clock.ts';
import { StandInHasher } from '../support/stand-in-hasher.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const { signal } = new AbortController();

class Listener implements NodeListener {
  readonly templates: PoolTemplate[] = [];
  readonly states: (string | undefined)[] = [];
  #waiting: (() => void)[] = [];

  get last(): PoolTemplate {
    return this.templates.at(-1)!;
  }

  onTemplate(template: PoolTemplate): void {
    this.templates.push(template);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  onState(down: string | undefined): void {
    this.states.push(down);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** With any nonce: the hasher finds every one good, unless a test says otherwise. */
function solve(template: PoolTemplate, node: string, isWhole: boolean, nonce = 5n): SolvedBlock {
  const header = { ...template.header, nonce };
  const rawBlock = solvedRawBlock(template.rawBlock!, header)!;
  return { header, hash: headerHash(header), node, ...(isWhole ? { rawBlock } : {}) };
}

describe('our node', () => {
  let isGood = true;
  let rig: ApiRig;
  let listener: Listener;
  let stop: AbortController;
  const running: { readonly node: NodeAccess; readonly following: Promise<void> }[] = [];

  beforeEach(async () => {
    isGood = true;
    const hash = (): Uint8Array => new Uint8Array(32).fill(isGood ? 0 : 0xff);
    rig = await ApiRig.open({ hasher: new StandInHasher({ hash }), address: ADDRESS });
    listener = new Listener();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    for (const { node, following } of running.splice(0)) {
      await following;
      await node.close();
    }
    await rig.close();
    expect(rig.chainRig.clock.sleeping).toBe(0);
  });

  function embedded(more: Partial<EmbeddedNodeParts> = {}): EmbeddedNode {
    const { chainRig, templates, settings, log } = rig;
    const { chain, clock } = chainRig;
    return new EmbeddedNode({}, { node: { chain, templates, settings }, clock, log, ...more });
  }
  function follow<N extends NodeAccess>(node: N): N {
    running.push({ node, following: node.follow(listener, stop.signal) });
    return node;
  }

  describe('in this process', () => {
    it('tells the present template at once, and each new one as it is made', async () => {
      const node = follow(embedded());
      expect(node.name).toBe('embedded');
      await listener.until(() => listener.states.length === 1);
      expect(listener.states).toEqual([undefined]);
      expect(listener.templates).toHaveLength(1);
      const { header, rawBlock } = listener.last;
      expect(header).toMatchObject({ height: 1, nonce: 0n });
      expect(decodeBlock(rawBlock!).header).toEqual(header);
      const payee = decodeAddress(ADDRESS, 'sm');
      expect(listener.last.payee).toEqual(payee);
      expect(decodeBlock(rawBlock!).transactions[0]!.outputs[0]!.controlProgram).toEqual(payee);
      expect(await node.submit(solve(listener.last, 'embedded', false))).toBe('accepted');
      await rig.chainRig.clock.advance(50);
      expect(listener.templates.map((each) => each.header.height)).toEqual([1, 2]);
      expect(rig.chainRig.chain.tip.hash).toEqual(listener.last.header.previousBlockHash);
    });

    it('tells a template with a fresh time once a minute', async () => {
      const { chainRig, settings, templates: made } = rig;
      const { chain, clock } = chainRig;
      const start = clock.now();
      // The wall clock of the rig stands still.
      const templates: EmbeddedNodeParts['node']['templates'] = {
        current: async () => {
          const template = await made.current();
          const timestamp = template.header.timestamp + (clock.now() - start) / 1000;
          return { ...template, header: { ...template.header, timestamp } };
        },
        submit: (header) => made.submit(header),
        onTemplate: (tell) => made.onTemplate(tell),
      };
      follow(embedded({ node: { chain, templates, settings } }));
      await settle();
      await clock.advance(59_000);
      expect(listener.templates).toHaveLength(1);
      await clock.advance(1000);
      expect(listener.templates).toHaveLength(2);
      const [first, second] = listener.templates;
      expect(second!.header).toEqual({
        ...first!.header,
        timestamp: first!.header.timestamp + 60,
      });
      await clock.advance(59_000);
      expect(listener.templates).toHaveLength(2);
      expect(listener.states).toEqual([undefined]);
    });

    it('tells no more of them when its clock jumps about', async () => {
      const { chainRig, settings, templates: made } = rig;
      const { chain, clock } = chainRig;
      let jumps = 0;
      let tell: (template: BlockTemplate) => void = () => {};
      const jumped = async (): Promise<BlockTemplate> => {
        const template = await made.current();
        const timestamp = template.header.timestamp + 1000 * (jumps++ % 2);
        return { ...template, header: { ...template.header, timestamp } };
      };
      const templates: EmbeddedNodeParts['node']['templates'] = {
        current: jumped,
        submit: (header) => made.submit(header),
        onTemplate: (listen) => {
          tell = (template) => listen(template, 'refreshed');
          return () => {};
        },
      };
      follow(embedded({ node: { chain, templates, settings } }));
      await settle();
      for (let i = 0; i < 50; i++) {
        await clock.advance(1000);
        tell(await jumped());
      }
      expect(listener.templates).toHaveLength(1);
    });

    it('gives work again as soon as it is not held back any more', async () => {
      const { clock } = rig.chainRig;
      let reason: string | undefined;
      const node = follow(embedded({ heldBack: () => reason }));
      await settle();
      reason = 'it is syncing';
      // A block of a short sync: seen as it comes, not at the next look.
      await node.submit(solve(listener.last, 'embedded', false));
      await clock.advance(50);
      expect(listener.states).toEqual([undefined, 'it is syncing']);
      reason = undefined;
      await clock.advance(100);
      expect(listener.states).toEqual([undefined, 'it is syncing', undefined]);
      expect(listener.last.header.height).toBe(2);
    });

    it('takes a block that it could not look at when it is handed in again', async () => {
      const { chainRig, settings, templates: made } = rig;
      const { chain, clock } = chainRig;
      let failure: Error | undefined;
      const templates: EmbeddedNodeParts['node']['templates'] = {
        current: () => made.current(),
        submit: (header) => (failure === undefined ? made.submit(header) : Promise.reject(failure)),
        onTemplate: (listen) => made.onTemplate(listen),
      };
      const node = follow(embedded({ node: { chain, templates, settings } }));
      await listener.until(() => listener.templates.length === 1);
      const block = solve(listener.last, 'embedded', false);
      for (const [code, error] of [
        ['unreachable', new WorkError({ code: 'closed' })],
        ['unreachable', new WorkError({ code: 'clock', aheadSeconds: 9000 })],
        ['unreachable', new PowError({ code: 'unavailable', reason: 'no device' })],
        ['unreachable', new Error('EMFILE: too many open files')],
        ['refused', new WorkError({ code: 'timestamp', timestamp: -1 })],
        ['stale', new WorkError({ code: 'changed' })],
      ] as const) {
        failure = error;
        await expect(node.submit(block), error.message).rejects.toMatchObject({ detail: { code } });
      }
      failure = undefined;
      expect(await node.submit(block)).toBe('accepted');
      await clock.advance(50);
    });

    it('gives no work without an address, or while it is held back', async () => {
      await rig.close();
      const hasher = new StandInHasher({ hash: () => new Uint8Array(32) });
      rig = await ApiRig.open({ hasher });
      let reason: string | undefined = 'it is syncing';
      const node = follow(embedded({ heldBack: () => reason }));
      await settle();
      expect(listener.states).toEqual(['Mining address does not exist']);
      expect(await node.miningAddress()).toBeUndefined();
      await expect(node.setMiningAddress('nobody')).rejects.toMatchObject({
        detail: { code: 'refused', reason: 'unknown address type' },
      });
      await node.setMiningAddress(ADDRESS);
      await rig.chainRig.clock.advance(1000);
      expect(await node.miningAddress()).toBe(ADDRESS);
      expect(listener.states.slice(1)).toEqual(['it is syncing']);
      reason = undefined;
      await rig.chainRig.clock.advance(1000);
      expect(listener.states.slice(2)).toEqual([undefined]);
      expect(listener.templates).toHaveLength(1);
      expect(rig.log.of('no work from node')).toHaveLength(2);
    });

    it('takes whole blocks of other nodes, and its own at any time', async () => {
      const node = follow(embedded());
      await listener.until(() => listener.templates.length === 1);
      const mine = solve(listener.last, 'embedded', true, 1n);
      const other = solve(listener.last, 'other', true, 2n);
      await expect(node.submit(solve(listener.last, 'other', false))).rejects.toMatchObject({
        detail: { code: 'unfit' },
      });
      expect(await node.submit(other)).toBe('accepted');
      // Its header alone comes too late now: the whole of it is stored beside the other.
      await expect(
        node.submit(solve(listener.templates[0]!, 'embedded', false)),
      ).rejects.toMatchObject({
        detail: { code: 'stale', reason: 'pending mining block has been changed' },
      });
      expect(await node.submit(mine)).toBe('accepted');
      expect(await node.blockHashAt(1)).toEqual(other.hash);
      expect(await node.blockHashAt(2)).toBeUndefined();
      expect(await node.rawBlock(mine.hash)).toEqual(mine.rawBlock);
      expect(await node.rawBlock(headerHash({ ...mine.header, nonce: 9n }))).toBeUndefined();
    });

    it('refuses what is no work, and keeps what has no parent yet', async () => {
      const node = follow(embedded());
      await listener.until(() => listener.templates.length === 1);
      isGood = false;
      await expect(node.submit(solve(listener.last, 'embedded', true))).rejects.toMatchObject({
        detail: { code: 'refused' },
      });
      isGood = true;
      const bad = { ...solve(listener.last, 'other', true), rawBlock: Uint8Array.of(3, 1) };
      await expect(node.submit(bad)).rejects.toMatchObject({ detail: { code: 'refused' } });
      const far = new ChainBuilder().extend(3);
      const header = far.tip.header;
      const orphan = { header, hash: far.tip.hash, node: 'other', rawBlock: encodeBlock(far.tip) };
      expect(await node.submit(orphan)).toBe('orphan');
    });
  });

  describe('over HTTP', () => {
    function connect(): HttpNode {
      const url = `http://127.0.0.1:${rig.port}`;
      // Nothing is polled here: what is told is told by events.
      const options = { url, pollMs: 60_000, pushedPollMs: 60_000 };
      return follow(new HttpNode(options, { clock: systemClock, log: rig.log }));
    }

    it('is used by a pool only for work that pays it, which comes at once', async () => {
      const program = p2wpkhProgram(new Uint8Array(20).fill(7));
      const url = `http://127.0.0.1:${rig.port}`;
      const options = { url, pollMs: 60_000, pushedPollMs: 60_000 };
      const node = new HttpNode(options, { clock: systemClock, log: rig.log });
      const parts = { nodes: [node], clock: systemClock, now: Date.now, log: rig.log };
      const upstreams = new Upstreams({}, parts);
      const payees: (Uint8Array | undefined)[] = [];
      const used = new Promise<void>((resolve) => {
        upstreams.onTemplate(({ payee }) => {
          payees.push(payee);
          resolve();
        });
      });
      upstreams.start();
      // Its first template pays whom it was set up for.
      await node.miningAddress(signal);
      await upstreams.ensureMiningAddress(encodeAddress('sm', program));
      await rig.chainRig.clock.advance(50);
      await used;
      expect(payees).toEqual([program]);
      await upstreams.close();
    });

    it('pushes its templates, whole, and takes what was found', async () => {
      const node = connect();
      await listener.until(() => listener.templates.length === 1);
      expect(decodeBlock(listener.last.rawBlock!).header).toEqual(listener.last.header);
      const first = listener.last;
      const mine = solve(first, node.name, false, 1n);
      const beside = solve(first, 'other', true, 2n);
      expect(await node.submit(mine, signal)).toBe('accepted');
      await listener.until(() => listener.templates.length === 2);
      expect(listener.last.header).toMatchObject({ height: 2, previousBlockHash: mine.hash });
      expect(await node.submit(beside, signal)).toBe('accepted');
      expect(await node.blockHashAt(1, signal)).toEqual(mine.hash);
      expect(await node.blockHashAt(2, signal)).toBeUndefined();
      expect(await node.rawBlock(beside.hash, signal)).toEqual(beside.rawBlock);
      expect(await node.rawBlock(headerHash(listener.last.header), signal)).toBeUndefined();
      expect(await node.miningAddress(signal)).toBe(ADDRESS);
      await node.setMiningAddress(ADDRESS, signal);
      await expect(node.setMiningAddress('nobody', signal)).rejects.toMatchObject({
        detail: { code: 'refused' },
      });
      await expect(node.submit(solve(first, node.name, false), signal)).rejects.toMatchObject({
        detail: { code: 'stale' },
      });
      expect(listener.states).toEqual([undefined]);
    });
  });
});
