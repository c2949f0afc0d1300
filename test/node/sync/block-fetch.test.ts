import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../../src/chain/block.ts';
import type { Offence, SyncPeer } from '../../../src/node/peers/sync-peer.ts';
import { BlockFetch, type BlockFetchOptions } from '../../../src/node/sync/block-fetch.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type PeerScript, ScriptedPeer } from '../../support/sync-peers.ts';

const FULL_NODE = 1;
const HEDGE_MS = 5000;

class FetchRig {
  readonly clock = new FakeClock();
  readonly builder: ChainBuilder;
  readonly fetch: BlockFetch;
  readonly offences: string[] = [];
  readonly silent: string[] = [];
  readonly #peers: ScriptedPeer[] = [];

  constructor(count: number, options: Partial<BlockFetchOptions> = {}) {
    this.builder = new ChainBuilder().extend(count);
    this.fetch = new BlockFetch(
      { maxBytes: 2 ** 20, hedgeMs: HEDGE_MS, ...options },
      {
        peers: () => this.#peers,
        clock: this.clock,
        changed: () => {},
        offended: (peer: SyncPeer, { kind }: Offence) => this.offences.push(`${peer.id} ${kind}`),
        silent: ({ id }: SyncPeer) => this.silent.push(id),
      },
    );
  }

  get blocks(): readonly Block[] {
    return this.builder.blocks.slice(1);
  }

  peer(script?: PeerScript, blocks: readonly Block[] = this.builder.blocks): ScriptedPeer {
    const peer = new ScriptedPeer(`p${this.#peers.length}`, blocks, { clock: this.clock }, script);
    this.#peers.push(peer);
    return peer;
  }

  want(): this {
    for (const block of this.blocks) this.fetch.want(block);
    this.fetch.pump();
    return this;
  }

  /** Heights of the blocks that are here. */
  get here(): readonly number[] {
    const got = this.blocks.filter(({ hash }) => this.fetch.block(hash) !== undefined);
    return got.map(({ header }) => header.height);
  }

  /** Lets time pass, looking again every second, as a run does. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      await this.clock.advance(Math.min(left, 1000));
      this.fetch.pump();
    }
    await this.clock.advance(0);
  }
}

describe('BlockFetch', () => {
  it('asks for a few blocks first, then for ranges, two at a time', async () => {
    const rig = new FetchRig(400);
    const peer = rig.peer();
    rig.want();
    await rig.pass(3000);
    expect(rig.here.length).toBe(400);
    expect(peer.requests.map(({ from, count }) => [from, count])).toEqual([
      [1, 16],
      [17, 128],
      [145, 128],
      [273, 128],
    ]);
    expect(peer.mostOutstanding).toBe(2);
    await rig.fetch.close();
  });

  it('gives what it was sent, and forgets what is stored', async () => {
    const rig = new FetchRig(5);
    const peer = rig.peer();
    rig.want();
    await rig.pass(1000);
    const [first] = rig.blocks;
    expect(rig.fetch.block(first!.hash)).toEqual({ bytes: encodeBlock(first!), peer });
    const { bytes } = rig.fetch;
    rig.fetch.remove(first!.hash);
    expect(rig.fetch.bytes).toBe(bytes - encodeBlock(first!).length);
    expect(rig.here).toEqual([2, 3, 4, 5]);
    await rig.fetch.close();
  });

  it('asks others for one block by hash, a few at a time', async () => {
    const rig = new FetchRig(30);
    const peer = rig.peer({ services: FULL_NODE });
    rig.want();
    await rig.pass(2000);
    expect(rig.here.length).toBe(30);
    expect(peer.requests.every(({ kind }) => kind === 'get-block')).toBe(true);
    expect(peer.mostOutstanding).toBe(8);
    await rig.fetch.close();
  });

  it('asks nobody for what is above the height that it claims', async () => {
    const rig = new FetchRig(40);
    const low = rig.peer({}, rig.builder.blocks.slice(0, 11));
    rig.want();
    await rig.pass(40_000);
    expect(rig.here.length).toBe(10);
    expect(low.requests.length).toBe(1);
    rig.peer();
    await rig.pass(2000);
    expect(rig.here.length).toBe(40);
    await rig.fetch.close();
  });

  it('keeps within its bytes, and always asks for the lowest block', async () => {
    const rig = new FetchRig(200, { maxBytes: 12_000 });
    const size = encodeBlock(rig.builder.tip).length;
    rig.peer({ block: encodeBlock });
    rig.want();
    await rig.pass(5000);
    expect(rig.fetch.bytes).toBeLessThanOrEqual(12_000);
    expect(rig.here.length).toBeGreaterThan((12_000 / size) * 0.5);
    for (let stored = 0; stored < 200; stored++) {
      await rig.pass(1000);
      expect(rig.fetch.block(rig.blocks[stored]!.hash), `${stored}`).toBeDefined();
      rig.fetch.remove(rig.blocks[stored]!.hash);
      rig.fetch.pump();
    }
    await rig.fetch.close();
    const tiny = new FetchRig(3, { maxBytes: 1 });
    tiny.peer();
    tiny.want();
    await tiny.pass(1000);
    expect(tiny.here).toEqual([1]);
    await tiny.fetch.close();
  });

  it('drops the highest blocks where they are larger than it could know', async () => {
    const rig = new FetchRig(16, { maxBytes: 100_000 });
    const pad = (block: Block): Uint8Array =>
      new Uint8Array([...encodeBlock(block), ...new Uint8Array(30_000)]);
    rig.peer({ block: pad });
    rig.want();
    await rig.pass(1000);
    expect(rig.fetch.bytes).toBeLessThanOrEqual(100_000);
    expect(rig.here).toEqual([1, 2, 3]);
    await rig.fetch.close();
  });

  it('does not keep a buffer alive for a part of it', async () => {
    const rig = new FetchRig(1);
    const whole = new Uint8Array(100_000);
    const block = (honest: Block): Uint8Array => {
      const bytes = encodeBlock(honest);
      whole.set(bytes);
      return whole.subarray(0, bytes.length);
    };
    rig.peer({ block });
    rig.want();
    await rig.pass(1000);
    const kept = rig.fetch.block(rig.blocks[0]!.hash)!.bytes;
    expect(kept.buffer.byteLength).toBe(kept.length);
    await rig.fetch.close();
  });

  it('asks a second peer for what the first one is slow with', async () => {
    const rig = new FetchRig(16);
    rig.peer({ delayMs: 20_000 });
    rig.want();
    const second = rig.peer();
    await rig.pass(HEDGE_MS - 1000);
    expect(second.requests).toEqual([]);
    await rig.pass(2000);
    expect(rig.here.length).toBe(16);
    await rig.pass(20_000);
    expect(rig.offences).toEqual([]);
    await rig.fetch.close();
  });

  it('asks one by one whoever gives no ranges, and then no more', async () => {
    const rig = new FetchRig(4);
    const peer = rig.peer({ silentOn: ['get-blocks', 'get-block'] });
    rig.want();
    await rig.pass(31_000);
    expect(rig.fetch.isStuck).toBe(false);
    await rig.pass(31_000);
    expect(rig.silent).toEqual([peer.id]);
    expect(rig.fetch.isStuck).toBe(true);
    expect(peer.requests.map(({ kind }) => kind)).toEqual(['get-blocks', 'get-block']);
    await rig.fetch.close();
  });

  it('forgives a peer that has delivered one timeout, not two in a row', async () => {
    const rig = new FetchRig(200);
    const peer = rig.peer();
    for (const block of rig.blocks.slice(0, 50)) rig.fetch.want(block);
    rig.fetch.pump();
    await rig.pass(1000);
    expect(rig.here.length).toBe(50);
    peer.isMute = true;
    for (const block of rig.blocks.slice(50, 100)) rig.fetch.want(block);
    rig.fetch.pump();
    peer.isMute = false;
    await rig.pass(31_000);
    expect(rig.silent).toEqual([]);
    expect(rig.here.length).toBe(100);
    peer.isMute = true;
    for (const block of rig.blocks.slice(100)) rig.fetch.want(block);
    rig.fetch.pump();
    await rig.pass(70_000);
    expect(rig.silent).toEqual([peer.id]);
    await rig.fetch.close();
  });

  it('has a spoilt block sent by another peer', async () => {
    const rig = new FetchRig(3);
    const first = rig.peer();
    rig.want();
    await rig.pass(1000);
    const { hash } = rig.blocks[1]!;
    expect(rig.fetch.block(hash)!.peer).toBe(first);
    rig.fetch.spoilt(hash);
    rig.fetch.pump();
    expect(rig.fetch.block(hash)).toBeUndefined();
    expect(rig.fetch.isStuck).toBe(false);
    rig.fetch.remove(rig.blocks[0]!.hash);
    expect(rig.fetch.isStuck).toBe(true);
    const second = rig.peer();
    rig.fetch.pump();
    await rig.pass(1000);
    expect(rig.fetch.block(hash)!.peer).toBe(second);
    await rig.fetch.close();
  });

  it('blames garbage, and blocks other than those asked for', async () => {
    const rig = new FetchRig(3);
    rig.peer({ block: () => Uint8Array.of(1, 2) });
    rig.want();
    await rig.pass(1000);
    const other = rig.builder.fork(0).extend(3);
    rig.peer({ block: ({ header }) => encodeBlock(other.blocks[header.height]!) });
    rig.fetch.pump();
    await rig.pass(1000);
    expect(rig.offences).toEqual(['p0 illegal', 'p1 fault']);
    expect(rig.here).toEqual([]);
    expect(rig.fetch.isStuck).toBe(true);
    await rig.fetch.close();
  });

  it('asks others once a peer is gone', async () => {
    const rig = new FetchRig(100);
    rig.peer({ answers: 1 });
    rig.peer({ delayMs: 100 });
    rig.want();
    await rig.pass(2000);
    expect(rig.here.length).toBe(100);
    expect(rig.offences).toEqual([]);
    await rig.fetch.close();
  });

  it('takes blocks that came with their headers', async () => {
    const rig = new FetchRig(2);
    const peer = rig.peer();
    for (const block of rig.blocks) rig.fetch.want(block);
    rig.fetch.put(rig.blocks[0]!.hash, encodeBlock(rig.blocks[0]!), peer);
    rig.fetch.put(new Uint8Array(32), new Uint8Array(9), peer);
    rig.fetch.pump();
    expect(peer.requests.map(({ from, count }) => [from, count])).toEqual([[2, 1]]);
    await rig.fetch.close();
  });

  it('ends its requests when it is closed', async () => {
    const rig = new FetchRig(50);
    rig.peer({ delayMs: 10_000 });
    rig.want();
    expect(rig.fetch.outstanding).toBe(1);
    await rig.fetch.close();
    expect(rig.fetch.outstanding).toBe(0);
    expect(rig.clock.sleeping).toBe(0);
    expect(rig.offences).toEqual([]);
    rig.fetch.pump();
    expect(rig.fetch.outstanding).toBe(0);
  });
});
