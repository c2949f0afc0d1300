/** One node over HTTP, against a server on loopback that vanishes, lies, is slow and pushes. */
import { createServer, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeAccessError, type NodeListener } from '../../../pool/chain-access.ts';
import { HttpNode, type HttpNodeOptions } from '../../../pool/nodes/http-node.ts';
import type { PoolTemplate } from '../../../pool/template.ts';
import { encodeBlock } from '../../../src/chain/block.ts';
import { type BlockHeader, encodeHeader, headerHash } from '../../../src/chain/header.ts';
import { createTx } from '../../../src/chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../../../src/chain/tx-entries.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { type Answer, json, TestNode } from '../../miner/test-node.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { hash32, headerAt, solved } from './scripted-node.ts';

const SEED = bytesToHex(hash32('seed'));

/** Keeps what it is told; a test waits for what it expects. */
class Listener implements NodeListener {
  readonly templates: PoolTemplate[] = [];
  readonly states: (string | undefined)[] = [];
  #waiting: (() => void)[] = [];

  onTemplate(template: PoolTemplate): void {
    this.templates.push(template);
    this.#news();
  }

  onState(down: string | undefined): void {
    this.states.push(down);
    this.#news();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #news(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const work =
  (height: number, changes: Partial<BlockHeader> = {}, seed: string = SEED): Answer =>
  (response, received) => {
    const block_header = bytesToHex(encodeHeader(headerAt(height, changes)));
    json({ status: 'success', data: { block_header, seed } })(response, received);
  };
const refusal = (error_detail: string): Answer =>
  json({ status: 'fail', code: 'BTM000', error_detail });
const success = (data: unknown): Answer => json({ status: 'success', data });
const PAYEE = Uint8Array.of(0, 20, ...hash32('payee').subarray(0, 20));
/** Of a header and a coinbase. */
const rawOf = (header: BlockHeader): Uint8Array => {
  const coinbase = createTx({
    version: 1n,
    timeRange: 0n,
    inputs: [{ type: 'coinbase', arbitrary: Uint8Array.of(0) }],
    outputs: [{ assetId: BTM_ASSET_ID, amount: 1n, controlProgram: PAYEE }],
  });
  return encodeBlock({ header, transactions: [coinbase] });
};

describe('a node over HTTP', () => {
  let server: TestNode;
  let node: HttpNode;
  let log: RecordingLog;
  let listener: Listener;
  let stop: AbortController;
  let following: Promise<void> | undefined;
  const { signal } = new AbortController();

  beforeEach(async () => {
    server = new TestNode();
    await server.start();
    log = new RecordingLog('pool');
    listener = new Listener();
    stop = new AbortController();
    following = undefined;
  });
  afterEach(async () => {
    stop.abort();
    await following;
    await node.close();
    await server.stop();
  });

  function open(options: Partial<HttpNodeOptions> = {}): void {
    const retryMs = { baseMs: 1, maxMs: 3 };
    node = new HttpNode(
      { url: server.url, pollMs: 2, timeoutMs: 2000, retryMs, ...options },
      { clock: systemClock, log },
    );
  }
  function follow(options: Partial<HttpNodeOptions> = {}): void {
    open(options);
    following = node.follow(listener, stop.signal);
  }

  /** Resolves once so many requests for `path` have been answered, in all. */
  async function calls(path: string, count: number): Promise<void> {
    while (server.calls(path).length < count) await server.served(path, 1);
  }

  describe('that is polled', () => {
    it('tells each template that differs in more than its time, with nonce 0', async () => {
      server.on('get-work', work(7, { nonce: 99n }));
      follow({ refreshMs: 50 });
      const start = systemClock.now();
      await listener.until(() => listener.templates.length === 1);
      expect(listener.templates[0]).toMatchObject({
        node: server.host,
        header: { height: 7, nonce: 0n, previousBlockHash: hash32('block 6') },
        seed: hash32('seed'),
      });
      expect(listener.templates[0]?.rawBlock).toBeUndefined();
      await server.served('get-work', 3);
      expect(listener.templates).toHaveLength(1);
      // However far its time jumps: not before it is old.
      server.on('get-work', work(7, { timestamp: 1_700_009_000 }));
      await listener.until(() => listener.templates.length === 2);
      expect(systemClock.now() - start).toBeGreaterThanOrEqual(50);
      server.on('get-work', work(7, { transactionsMerkleRoot: hash32('more') }));
      await listener.until(() => listener.templates.length === 3);
      server.on('get-work', work(8));
      await listener.until(() => listener.templates.length === 4);
      expect(listener.states).toEqual([undefined]);
      expect(node.latencyMs).toBeGreaterThan(0);
      expect(log.of('form of work')).toEqual([
        `pool: node ${server.host} gives headers, which only it takes (no call get-block-template)`,
      ]);
      // Calls that it does not have are not asked for each time.
      expect(server.calls('get-block-template')).toHaveLength(1);
      expect(server.calls('events?types=tip,template')).toHaveLength(1);
    });

    it.each([
      ['a redirection', json('', 301)],
      ['not found', json({ code: 'BTM000', detail: 'not Found' }, 500)],
      ['404', json('', 404)],
    ])('has no whole blocks where that call is %s', async (_, answer) => {
      server.on('get-block-template', answer);
      server.on('get-work', work(7));
      follow();
      await listener.until(() => listener.templates.length === 1);
      await server.served('get-work', 2);
      expect(server.calls('get-block-template')).toHaveLength(1);
    });

    it('is asked for whole blocks again after a while, as it may have the call by now', async () => {
      server.on('get-work', work(7));
      follow({ formMs: 20 });
      await listener.until(() => listener.templates.length === 1);
      const raw_block = bytesToHex(rawOf(headerAt(7)));
      server.on('get-block-template', success({ raw_block, seed: SEED }));
      await listener.until(() => listener.templates.length === 2);
      expect(listener.templates[1]).toMatchObject({ rawBlock: rawOf(headerAt(7)), payee: PAYEE });
      expect(log.of('form of work')[1]).toContain('gives whole blocks');
      expect(listener.states).toEqual([undefined]);
    });

    it('is believed no whole block without a coinbase', async () => {
      const raw_block = bytesToHex(encodeBlock({ header: headerAt(7), transactions: [] }));
      server.on('get-block-template', success({ raw_block, seed: SEED }));
      follow();
      await listener.until(() => listener.states.length === 1);
      expect(listener.states).toEqual([expect.stringMatching(/raw_block: expected a coinbase/)]);
    });

    it('is believed no lie; each is one line that names it', async () => {
      server.on('get-work', work(7));
      follow();
      await listener.until(() => listener.templates.length === 1);
      const lies: readonly (readonly [string, Answer, RegExp])[] = [
        ['garbage', json('<html>'), /not a JSON object/],
        ['an empty 200', json(''), /empty answer/],
        [
          'a header that does not decode',
          success({ block_header: '0101', seed: SEED }),
          /block_header/,
        ],
        ['a seed of 31 bytes', work(8, {}, SEED.slice(2)), /seed: expected 64 hex digits/],
        ['a negative target', work(8, { bits: 0x1d80_0000_00ff_ffffn }), /bits: expected a target/],
        ['an absurd target', work(8, { bits: 0x2200_0000_00ff_ffffn }), /bits: expected a target/],
        ['a lower height', work(6), /height: expected 7 or more, as before, got 6/],
      ];
      for (const [name, lie, words] of lies) {
        const states = listener.states.length;
        server.on('get-work', lie);
        await listener.until(() => listener.states.length === states + 1);
        expect(listener.states.at(-1), name).toMatch(words);
        await server.served('get-work', 2);
        expect(listener.states, name).toHaveLength(states + 1);
        server.on('get-work', work(7));
        await listener.until(() => listener.states.length === states + 2);
        expect(listener.states.at(-1), name).toBeUndefined();
      }
      expect(listener.templates).toHaveLength(1);
      const lines = log.entries.filter(({ level }) => level === 'warn');
      for (const { text } of lines) expect(text).toContain(`no work from node ${server.host}: `);
      // Two of the lies are of one kind.
      expect(lines).toHaveLength(5);
    });

    it('may go back to a lower height for good', async () => {
      server.on('get-work', work(7));
      follow({ setbackMs: 20 });
      await listener.until(() => listener.templates.length === 1);
      server.on('get-work', work(5));
      await listener.until(() => listener.templates.length === 2);
      expect(listener.templates[1]?.header.height).toBe(5);
    });

    it('is asked at once when it has taken a block', async () => {
      server.on('get-work', work(7));
      server.on('submit-work', success(true));
      server.on('submit-block', success(true));
      follow({ pollMs: 60_000 });
      await listener.until(() => listener.states.length === 1);
      const { name } = node;
      server.on('get-work', work(8));
      await node.submit(solved(name, 7), signal);
      await listener.until(() => listener.templates.length === 2);
      server.on('get-work', work(9));
      await node.submit({ ...solved('elsewhere', 8), rawBlock: rawOf(headerAt(8)) }, signal);
      await listener.until(() => listener.templates.length === 3);
    });

    it('may hiccup once', async () => {
      server.on('get-work', work(7));
      follow();
      await listener.until(() => listener.templates.length === 1);
      server.on('get-work', (response, received) => {
        server.on('get-work', work(8));
        json('<html>')(response, received);
      });
      await listener.until(() => listener.templates.length === 2);
      expect(listener.states).toEqual([undefined]);
    });

    it('that is slow is down after its time is up, told once', async () => {
      const held: ServerResponse[] = [];
      server.on('get-work', (response) => void held.push(response));
      follow({ timeoutMs: 10 });
      await listener.until(() => listener.states.length === 1);
      expect(listener.states).toEqual(['no answer for 10 ms']);
      await server.served('get-work', 3);
      expect(listener.states).toHaveLength(1);
      expect(log.of('no work from node')).toHaveLength(1);
      for (const response of held) response.destroy();
    });

    it('that vanishes is asked again with growing pauses, and may come back with less', async () => {
      server.on('get-work', work(7));
      follow({ retryMs: { baseMs: 5, maxMs: 20 } });
      await listener.until(() => listener.templates.length === 1);
      const { host } = server;
      await server.stop();
      await listener.until(() => listener.states.length === 2);
      expect(listener.states[1]).toMatch(/^no connection: /);
      await systemClock.sleep(50);
      expect(listener.states).toHaveLength(2);
      expect(log.of('no work from node')).toHaveLength(1);
      const paths: string[] = [];
      const other = createServer((request, response) => {
        const path = (request.url ?? '').slice(1);
        paths.push(path);
        const received = { path, authorization: undefined, body: '' };
        (path === 'get-work' ? work(5) : json('', 404))(response, received);
      });
      const port = Number(host.split(':')[1]);
      await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
      await listener.until(() => listener.states.length === 3);
      stop.abort();
      await following;
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
      await server.start();
      expect(listener.templates.map(({ header }) => header.height)).toEqual([7, 5]);
      expect(log.of('node works again')).toEqual([`pool: node ${host} gives work again`]);
      // Another program may answer there now.
      expect(paths.filter((path) => path === 'get-block-template')).toHaveLength(1);
    });
  });

  describe('that pushes', () => {
    const streams: ServerResponse[] = [];
    const say = (text: string): void => {
      for (const stream of streams) stream.write(text);
    };
    beforeEach(() => {
      streams.length = 0;
      server.on('events?types=tip,template', (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        response.write('retry: 2000\n\nevent: tip\ndata: {"height":6}\n\n');
        streams.push(response);
      });
    });
    afterEach(() => {
      for (const stream of streams) stream.destroy();
    });
    const template = (header: BlockHeader): Answer =>
      success({ raw_block: bytesToHex(rawOf(header)), seed: SEED });

    it('is asked when there is news, for whole blocks, and polled no more', async () => {
      server.on('get-block-template', template(headerAt(7)));
      follow({ pollMs: 60_000, pushedPollMs: 60_000 });
      await listener.until(() => listener.templates.length === 1);
      expect(listener.templates[0]?.rawBlock).toEqual(rawOf(headerAt(7)));
      // The first event makes it ask once more.
      await calls('get-block-template', 2);
      server.on('get-block-template', template(headerAt(8)));
      say('event: tip\nda');
      say('ta: {"height":7}\n\n');
      await listener.until(() => listener.templates.length === 2);
      expect(server.calls('get-block-template')).toHaveLength(3);
      expect(server.calls('get-work')).toHaveLength(0);
    });

    it('is asked no more than 100 times a second however much it says', async () => {
      server.on('get-block-template', template(headerAt(7)));
      follow({ pushedPollMs: 60_000 });
      await listener.until(() => listener.templates.length === 1);
      const asked = server.calls('get-block-template').length;
      const start = systemClock.now();
      while (systemClock.now() - start < 100) {
        say('event: template\ndata: {}\n\n'.repeat(20));
        await systemClock.sleep(1);
      }
      const more = server.calls('get-block-template').length - asked;
      expect(more).toBeGreaterThan(1);
      expect(more).toBeLessThan(13 + (systemClock.now() - start - 100) / 10);
    });

    it('is polled again when the events end', async () => {
      server.on('get-block-template', template(headerAt(7)));
      follow({ pushedPollMs: 60_000 });
      await calls('get-block-template', 2);
      await calls('events?types=tip,template', 1);
      for (const stream of streams) stream.end();
      await server.served('get-block-template', 3);
      expect(listener.states).toEqual([undefined]);
    });
  });

  describe('given a block', () => {
    const block = (name: string, rawBlock?: Uint8Array): Parameters<HttpNode['submit']>[0] => {
      const one = solved(name, 7);
      return { ...one, ...(rawBlock === undefined ? {} : { rawBlock }) };
    };
    const raw = rawOf(solved('', 7).header);

    it('gets the header of its own work, the whole of any other', async () => {
      open();
      server.on('submit-work', success(true));
      server.on('submit-block', success(true));
      expect(await node.submit(block(node.name), signal)).toBe('accepted');
      const header = bytesToHex(encodeHeader(block('').header));
      expect(server.received.map(({ path, body }) => [path, JSON.parse(body)])).toEqual([
        ['submit-work', { block_header: header }],
      ]);
      expect(await node.submit(block('elsewhere', raw), signal)).toBe('accepted');
      expect(JSON.parse(server.received[1]!.body)).toEqual({ raw_block: bytesToHex(raw) });
      await expect(node.submit(block('elsewhere'), signal)).rejects.toMatchObject({
        detail: { code: 'unfit' },
      });
    });

    it('gets the whole of its own work too where the header is not enough', async () => {
      open();
      server.on('submit-work', refusal('invalid difficulty proof of work: invalid block'));
      server.on('submit-block', success(true));
      expect(await node.submit(block(node.name, raw), signal)).toBe('accepted');
      server.on('submit-block', refusal('pending mining block has been changed'));
      await expect(node.submit(block(node.name, raw), signal)).rejects.toMatchObject({
        detail: { code: 'stale' },
      });
    });

    it.each([
      ['stale', refusal('pending mining block has been changed')],
      ['refused', refusal('invalid difficulty proof of work: invalid block')],
      ['refused', refusal("can't submit empty block")],
      ['unreachable', refusal('accept tcp: too many open files')],
      ['unreachable', refusal('verifier: overloaded')],
      ['unreachable', refusal('no work: the node is closing')],
      ['unreachable', json({ code: 'BTM002', detail: 'value out of range' }, 400)],
      ['unreachable', json({ code: 'BTM000', detail: 'not Found' }, 500)],
      ['unreachable', json('', 200)],
      ['unreachable', json('', 503)],
      ['unreachable', json({ detail: 'no token' }, 401)],
      ['unreachable', success(false)],
    ] as const)('that it does not take says %s', async (code, answer) => {
      open();
      server.on('submit-work', answer);
      const error: unknown = await node.submit(block(node.name), signal).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(NodeAccessError);
      expect(error).toMatchObject({
        detail: { code },
        message: expect.stringContaining(node.name),
      });
    });

    it('whose parent it does not know keeps it', async () => {
      open();
      server.on('submit-work', refusal('submit result is orphan'));
      server.on('submit-block', refusal('block submitted is orphan'));
      expect(await node.submit(block(node.name), signal)).toBe('orphan');
      expect(await node.submit(block('elsewhere', raw), signal)).toBe('orphan');
    });
  });

  describe('asked', () => {
    const header = headerAt(7);

    it('for the block at a height gives its hash, or nothing above the tip', async () => {
      open();
      server.on(
        'get-block-header',
        success({ block_header: bytesToHex(encodeHeader(header)), reward: 1 }),
      );
      expect(await node.blockHashAt(7, signal)).toEqual(headerHash(header));
      expect(JSON.parse(server.received[0]!.body)).toEqual({ block_height: 7 });
      await expect(node.blockHashAt(8, signal)).rejects.toMatchObject({
        detail: { code: 'unreachable' },
      });
      server.on('get-block-header', refusal("can't find block in given height"));
      expect(await node.blockHashAt(9, signal)).toBeUndefined();
      server.on('get-block-header', refusal('the disk is gone'));
      await expect(node.blockHashAt(9, signal)).rejects.toThrow(
        `node ${node.name}: the disk is gone`,
      );
    });

    it('for a whole block gives that one, or nothing', async () => {
      open();
      const hash = headerHash(header);
      server.on('get-raw-block', success({ raw_block: bytesToHex(rawOf(header)) }));
      expect(await node.rawBlock(hash, signal)).toEqual(rawOf(header));
      expect(JSON.parse(server.received[0]!.body)).toEqual({ block_hash: bytesToHex(hash) });
      await expect(node.rawBlock(hash32('other'), signal)).rejects.toMatchObject({
        detail: { code: 'unreachable' },
      });
      server.on('get-raw-block', refusal(`There are no block with given hash ${bytesToHex(hash)}`));
      expect(await node.rawBlock(hash, signal)).toBeUndefined();
    });

    it('for its mining address gives it if it has one and the call', async () => {
      open();
      server.on('get-mining-address', success({ mining_address: 'bm1one' }));
      server.on('set-mining-address', success({ mining_address: 'bm1two' }));
      expect(await node.miningAddress(signal)).toBe('bm1one');
      await node.setMiningAddress('bm1two', signal);
      expect(JSON.parse(server.received[1]!.body)).toEqual({ mining_address: 'bm1two' });
      server.on('get-mining-address', refusal('Mining address does not exist'));
      expect(await node.miningAddress(signal)).toBeUndefined();
      for (const path of ['get-mining-address', 'set-mining-address'])
        server.on(path, json('', 301));
      expect(await node.miningAddress(signal)).toBeUndefined();
      await expect(node.setMiningAddress('bm1two', signal)).rejects.toMatchObject({
        detail: { code: 'refused', reason: expect.stringContaining('no such call') },
      });
    });

    it('while it is not there says so', async () => {
      open();
      await server.stop();
      const failure = { detail: { code: 'unreachable' } };
      await expect(node.blockHashAt(7, signal)).rejects.toMatchObject(failure);
      await expect(node.miningAddress(signal)).rejects.toMatchObject(failure);
      await expect(node.setMiningAddress('x', signal)).rejects.toMatchObject(failure);
      await expect(node.rawBlock(hash32('x'), AbortSignal.abort())).rejects.toMatchObject(failure);
      server = new TestNode();
      await server.start();
    });
  });
});
