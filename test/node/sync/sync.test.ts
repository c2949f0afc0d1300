import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../../src/chain/block.ts';
import { createTx } from '../../../src/chain/tx-codec.ts';
import { SOLONET } from '../../../src/consensus/network.ts';
import type { Change } from '../../../src/store/kv.ts';
import { MemoryKv } from '../../../src/store/memory-kv.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder, KnownPow } from '../../support/chain-builder.ts';
import { ANYONE, FEE, keyOwner, transaction } from '../../support/spending.ts';
import { SyncRig } from '../../support/sync-rig.ts';

const FULL_NODE = 1;

/** Builds other blocks than any other builder, which count as mined for nobody else. */
function unmined(start?: readonly Block[]): ChainBuilder {
  const pow = new KnownPow();
  pow.branches = 1000;
  return new ChainBuilder(start === undefined ? { pow } : { pow, start });
}

/** A chain whose last block spends a coin with a signature, and a copy of it with a wrong one. */
function spendingChain(): {
  readonly builder: ChainBuilder;
  readonly spoil: (block: Block) => Block;
} {
  const owner = keyOwner(1);
  const builder = new ChainBuilder();
  builder.block({ miner: owner });
  builder.extend(102);
  const coin = builder.coinbase(1, owner);
  const spend = transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] });
  const { height } = builder.block({ transactions: [spend] }).header;
  builder.extend(20);
  const spoil = (block: Block): Block => {
    if (block.header.height !== height) return block;
    const [coinbase, tx] = block.transactions;
    const [input] = tx!.inputs;
    const wrong = { ...input!, arguments: [new Uint8Array(64).fill(7)] } as typeof input;
    const spoilt = createTx({ ...tx!, inputs: [wrong!] });
    return { ...block, transactions: [coinbase!, spoilt] };
  };
  return { builder, spoil };
}

describe('Sync: catching up', () => {
  it('brings the chain to the tip of a peer, and leaves nothing behind', async () => {
    const builder = new ChainBuilder().extend(300);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks);
    expect(rig.sync.highestKnown).toBe(300);
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    expect(peer.blamed).toEqual([]);
    expect(rig.sync.syncing).toBe(false);
    await rig.close();
    expect(rig.rig.clock.sleeping).toBe(0);
    expect(rig.peers.listeners).toBe(0);
  });

  it('does nothing where no peer is higher', async () => {
    const builder = new ChainBuilder().extend(5);
    const other = builder.fork(2).extend(3);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1));
    const peer = rig.peer(other.blocks);
    rig.start();
    await rig.rig.clock.advance(60_000);
    expect(peer.requests).toEqual([]);
    await rig.close();
  });

  it('shares the blocks among the peers that have them', async () => {
    const builder = new ChainBuilder().extend(500);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peers = [1, 2, 3].map(() => rig.peer(builder.blocks));
    const plain = rig.peer(builder.blocks, { services: FULL_NODE });
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    for (const peer of [...peers, plain]) {
      const blocks = peer.requests.filter(({ kind }) => kind !== 'get-headers');
      expect(blocks.length, peer.id).toBeGreaterThan(0);
      expect(peer.mostOutstanding, peer.id).toBeLessThanOrEqual(8);
      expect(peer.blamed, peer.id).toEqual([]);
    }
    expect(plain.requests.every(({ kind }) => kind === 'get-block')).toBe(true);
    const asked = [...peers, plain].flatMap(({ requests }) => requests);
    const blocks = asked.filter(({ kind }) => kind !== 'get-headers');
    expect(blocks.reduce((sum, { count }) => sum + count, 0)).toBe(500);
    await rig.close();
  });

  it('goes on from answers that are shorter than was asked for', async () => {
    const builder = new ChainBuilder().extend(200);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks, { maxBlocks: 7, maxHeaders: 60 });
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('takes the blocks one by one from a peer that serves no headers', async () => {
    const builder = new ChainBuilder().extend(40);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks, { services: FULL_NODE });
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    expect(peer.blamed).toEqual([]);
    expect(peer.mostOutstanding).toBeLessThanOrEqual(8);
    await rig.close();
  });

  it('takes them so, too, from one that promises headers and does not answer', async () => {
    const builder = new ChainBuilder().extend(40);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks, { silentOn: ['get-headers', 'get-blocks'] });
    rig.start();
    await rig.untilTip(builder.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('asks for blocks one by one where ranges are not answered', async () => {
    const builder = new ChainBuilder().extend(40);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks, { silentOn: ['get-blocks'] });
    rig.start();
    await rig.untilTip(builder.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('asks for the status first where the best hash of the last one is known', async () => {
    const builder = new ChainBuilder().extend(20);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1, 11));
    const peer = rig.peer(builder.blocks, {
      bestHash: builder.blocks[10]!.hash,
      onRefresh: (refreshed) => refreshed.switchTo(builder.blocks),
    });
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    expect(peer.refreshes).toBe(1);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('goes on where it was after a restart in the middle', async () => {
    const builder = new ChainBuilder().extend(300);
    const kv = new MemoryKv();
    const first = new SyncRig({ hasher: builder.pow.hasher(), kv, sync: { maxSubmitted: 4 } });
    first.peer(builder.blocks);
    first.start();
    await first.until('half', () => first.height > 100, 20_000);
    const reached = first.height;
    await first.sync.close();
    await first.rig.chain.close();
    const second = new SyncRig({ hasher: builder.pow.hasher(), kv });
    expect(second.height).toBeGreaterThanOrEqual(reached);
    const peer = second.peer(builder.blocks);
    second.start();
    await second.untilTip(builder.tip, 20_000);
    const blocks = peer.requests.filter(({ kind }) => kind === 'get-blocks');
    expect(Math.min(...blocks.map(({ from }) => from))).toBeGreaterThan(100);
    await second.close();
  });

  it('keeps no more than it may', async () => {
    const builder = new ChainBuilder().extend(250);
    const size = encodeBlock(builder.tip).length;
    const limits = { window: 64, maxBytes: 40 * size, maxSubmitted: 8 };
    const rig = new SyncRig({ hasher: builder.pow.hasher(), sync: limits });
    for (let i = 0; i < 4; i++) rig.peer(builder.blocks);
    rig.start();
    const most = { headers: 0, bytes: 0, submitted: 0 };
    await rig.untilTip(builder.tip, 60_000, () => {
      const { headers, bytes, submitted } = rig.sync.kept;
      most.headers = Math.max(most.headers, headers);
      most.bytes = Math.max(most.bytes, bytes);
      most.submitted = Math.max(most.submitted, submitted);
    });
    expect(most.headers).toBeGreaterThan(16);
    expect(most.headers).toBeLessThanOrEqual(64);
    expect(most.bytes).toBeLessThanOrEqual(limits.maxBytes);
    expect(most.submitted).toBeLessThanOrEqual(8);
    await rig.close();
  });

  it('tells how far it is', async () => {
    const builder = new ChainBuilder().extend(400);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    rig.peer(builder.blocks, { delayMs: 3000, maxBlocks: 32 });
    const told: { height: number; target: number; secondsLeft: number | undefined }[] = [];
    const end = rig.sync.onProgress((progress) => told.push(progress));
    rig.start();
    await rig.untilTip(builder.tip, 120_000);
    end();
    expect(told.length).toBeGreaterThan(3);
    expect(told.every(({ target }) => target === 400)).toBe(true);
    expect(told.at(-1)!.height).toBeGreaterThan(told[0]!.height);
    expect(told[0]!.secondsLeft).toBeGreaterThan(0);
    expect(rig.rig.log.of('syncing').length).toBeGreaterThan(0);
    await rig.close();
  });
});

describe('Sync: branches', () => {
  for (const depth of [1, 3, 40, 300]) {
    it(`changes to a longer branch that forks ${depth} blocks below`, async () => {
      const builder = new ChainBuilder().extend(320);
      const other = builder.fork(320 - depth).extend(depth + 2);
      const rig = new SyncRig({ hasher: builder.pow.hasher() });
      await rig.rig.submitAll(builder.blocks.slice(1));
      const peer = rig.peer(other.blocks);
      rig.start();
      await rig.untilTip(other.tip, 60_000);
      expect(peer.blamed).toEqual([]);
      await rig.close();
    });
  }

  it('finds the fork without headers, too', async () => {
    const builder = new ChainBuilder().extend(60);
    const other = builder.fork(27).extend(36);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1));
    const peer = rig.peer(other.blocks, { services: FULL_NODE });
    rig.start();
    await rig.untilTip(other.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    // Steps of 1, 2, 4 … go back at most twice as far as need be.
    expect(peer.requests.length).toBeLessThan(80);
    await rig.close();
  });

  it('knows the difficulty and the seeds of the branch that it syncs', async () => {
    const builder = new ChainBuilder().extend(2010);
    const other = builder.fork(2000);
    // Faster than the main chain: its retarget at 2017 asks for other bits.
    for (let at = 2001; at <= 2330; at++) {
      const { timestamp } = other.tip.header;
      other.block({ timestamp: timestamp + 10 });
    }
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1));
    expect(other.tip.header.bits).not.toBe(builder.tip.header.bits);
    const peer = rig.peer(other.blocks);
    rig.start();
    await rig.untilTip(other.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('ends at the higher of two branches, whichever comes first', async () => {
    for (const order of [0, 1]) {
      const builder = new ChainBuilder().extend(30);
      const low = builder.fork(20).extend(20);
      const high = builder.fork(10).extend(40);
      const rig = new SyncRig({ hasher: builder.pow.hasher() });
      const branches = order === 0 ? [low, high] : [high, low];
      const peers = branches.map((branch) => rig.peer(branch.blocks));
      rig.start();
      await rig.untilTip(high.tip, 120_000);
      for (const peer of peers) expect(peer.blames, `order ${order}`).toEqual([]);
      await rig.close();
    }
  });

  it('does not fetch a branch again that is stored and is not the best one', async () => {
    // Higher, but of less work: only that of the first blocks counts for so much.
    const builder = new ChainBuilder().extend(2020);
    const slow = builder.fork(0);
    for (let i = 0; i < 2021; i++) slow.block({ timestamp: slow.tip.header.timestamp + 9000 });
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1));
    const peer = rig.peer(slow.blocks);
    rig.start();
    await rig.until('stored', () => rig.rig.chain.has(slow.tip.hash), 120_000);
    const asked = peer.requests.length;
    await rig.rig.clock.advance(60_000);
    expect(rig.tipHash).toBe(bytesToHex(builder.tip.hash));
    expect(peer.requests.length).toBe(asked);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('follows a peer that reorganises meanwhile', async () => {
    const builder = new ChainBuilder().extend(300);
    const other = builder.fork(150).extend(200);
    const rig = new SyncRig({ hasher: builder.pow.hasher(), sync: { window: 64 } });
    const peer = rig.peer(builder.blocks, { maxHeaders: 64, maxBlocks: 16 });
    rig.start();
    await rig.until('under way', () => rig.height > 60, 60_000);
    peer.switchTo(other.blocks);
    rig.peers.changed();
    await rig.untilTip(other.tip, 600_000);
    expect(peer.blamed).not.toContain('illegal');
    await rig.close();
  });

  it('refuses a branch that spends a coin twice once, and does not come back to it', async () => {
    const builder = new ChainBuilder().extend(110);
    const bad = builder.fork(105);
    const coin = builder.coinbase(1);
    const spend = (amount: bigint) =>
      transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - amount }] });
    bad.block({ transactions: [spend(FEE)] });
    bad.block({ transactions: [spend(FEE + 1n)] });
    bad.extend(10);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const liar = rig.peer(bad.blocks);
    rig.start();
    await rig.until('refused', () => liar.blames.length > 0, 60_000);
    expect(liar.blames[0]).toMatchObject({ kind: 'illegal' });
    expect(liar.blames[0]!.reason).toContain('utxo-missing');
    const honest = rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 120_000);
    const stored = rig.rig.chain.counters.stored;
    await rig.rig.clock.advance(60_000);
    expect(rig.rig.chain.counters.stored).toBe(stored);
    expect(honest.blamed).toEqual([]);
    await rig.close();
  });

  it('refuses headers that contradict a checkpoint before it asks for a block', async () => {
    const builder = new ChainBuilder().extend(30);
    const other = builder.fork(5).extend(40);
    const checkpoints = new Map([[20, bytesToHex(builder.blocks[20]!.hash)]]);
    const network = { ...SOLONET, checkpoints };
    const rig = new SyncRig({ hasher: builder.pow.hasher(), network });
    const liar = rig.peer(other.blocks);
    rig.start();
    await rig.until('refused', () => liar.blames.length > 0, 60_000);
    expect(liar.blames[0]!.reason).toContain('checkpoint');
    expect(liar.requests.filter(({ kind, from }) => kind !== 'get-headers' && from > 20)).toEqual(
      [],
    );
    rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 60_000);
    await rig.close();
  });
});

describe('Sync: peers that fail', () => {
  it('asks others in seconds where the highest peer is silent', async () => {
    const builder = new ChainBuilder().extend(50);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const unknown = new Uint8Array(32).fill(9);
    for (let i = 0; i < 3; i++) {
      const silentOn = ['get-headers', 'get-blocks', 'get-block'] as const;
      rig.peer(builder.blocks, { height: 9000 + i, bestHash: unknown, silentOn });
    }
    rig.peer(builder.blocks);
    rig.start();
    await rig.untilTip(builder.tip, 20_000);
    await rig.close();
  });

  it('asks one that comes while a silent one is waited for', async () => {
    const builder = new ChainBuilder().extend(50);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const silentOn = ['get-headers', 'get-blocks', 'get-block'] as const;
    rig.peer(builder.blocks, { height: 9000, bestHash: new Uint8Array(32).fill(9), silentOn });
    rig.start();
    await rig.rig.clock.advance(2000);
    rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 15_000);
    await rig.close();
  });

  it('lays a claim that comes to nothing at the peer, and asks it less and less', async () => {
    const builder = new ChainBuilder().extend(10);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const liar = rig.peer(builder.blocks, { height: 9000, bestHash: new Uint8Array(32).fill(9) });
    const known = rig.peer(builder.blocks, { height: 9000, bestHash: builder.blocks[0]!.hash });
    rig.start();
    await rig.rig.clock.advance(30 * 60_000);
    // Whatever it did send is taken.
    expect(rig.height).toBe(10);
    for (const peer of [liar, known]) {
      expect(peer.blamed.slice(0, 4), peer.id).toEqual(['fault', 'fault', 'fault', 'illegal']);
      expect(peer.requests.length + peer.refreshes, peer.id).toBeLessThan(60);
    }
    // And is no reason to believe in the height.
    expect(rig.sync.highestKnown).toBe(10);
    await rig.close();
  });

  it('goes on with others when a peer vanishes midway', async () => {
    const builder = new ChainBuilder().extend(400);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    for (let answers = 1; answers < 4; answers++) rig.peer(builder.blocks, { answers });
    const honest = rig.peer(builder.blocks, { delayMs: 200 });
    rig.start();
    await rig.untilTip(builder.tip, 60_000);
    expect(honest.blamed).toEqual([]);
    await rig.close();
  });

  it('gives the part of a slow peer to another', async () => {
    const builder = new ChainBuilder().extend(300);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    rig.peer(builder.blocks);
    const slow = rig.peer(builder.blocks, { delayMs: 29_000 });
    rig.start();
    await rig.untilTip(builder.tip, 15_000);
    expect(slow.blamed).toEqual([]);
    await rig.close();
  });

  it('asks a peer again that was busy', async () => {
    const builder = new ChainBuilder().extend(100);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const peer = rig.peer(builder.blocks, { maxOutstanding: 1 });
    rig.start();
    await rig.untilTip(builder.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('finds out headers without work before it decodes a block', async () => {
    const builder = new ChainBuilder().extend(20);
    const other = unmined().extend(300);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const liar = rig.peer(other.blocks);
    rig.start();
    await rig.until('blamed', () => liar.blames.length > 0, 60_000);
    expect(liar.blamed).toEqual(['illegal']);
    expect(liar.blames[0]!.reason).toContain('proof-of-work');
    expect(rig.rig.chain.counters.stored).toBe(0);
    rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 60_000);
    await rig.close();
  });

  it('spends few hashes on headers without work', async () => {
    const builder = new ChainBuilder().extend(20);
    const other = unmined().extend(400);
    let hashes = 0;
    const hasher = builder.pow.hasher();
    const count = hasher.hash.bind(hasher);
    hasher.hash = (seed, headers, out, signal) => {
      hashes += headers.length / 32;
      return count(seed, headers, out, signal);
    };
    const rig = new SyncRig({ hasher });
    const liar = rig.peer(other.blocks);
    rig.start();
    await rig.until('blamed', () => liar.blames.length > 0, 60_000);
    expect(hashes).toBeLessThan(100);
    await rig.close();
  });

  it('ends with the first header without work, however full the window is', async () => {
    const builder = new ChainBuilder().extend(40);
    const other = unmined(builder.blocks.slice(0, 31)).extend(60);
    const rig = new SyncRig({ hasher: builder.pow.hasher(), sync: { window: 8 } });
    const liar = rig.peer(other.blocks);
    rig.start();
    await rig.until('blamed', () => liar.blames.length > 0, 60_000);
    expect(liar.blames[0]!.reason).toContain('proof-of-work');
    expect(rig.height).toBeGreaterThan(20);
    rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 60_000);
    await rig.close();
  });

  it('does not take more headers than it has room for, however many there are', async () => {
    const builder = new ChainBuilder().extend(20);
    const rig = new SyncRig({ hasher: builder.pow.hasher(), sync: { window: 256 } });
    // Each follows the one before and is right in everything but the work, without an end.
    const endless = unmined().extend(300);
    const liar = rig.peer(endless.blocks, {
      height: 1_000_000,
      maxHeaders: 100,
      bestHash: new Uint8Array(32).fill(9),
    });
    rig.start();
    let most = 0;
    await rig.until(
      'blamed',
      () => liar.blames.length > 0,
      60_000,
      () => {
        most = Math.max(most, rig.sync.kept.headers);
      },
    );
    expect(most).toBeLessThanOrEqual(256);
    expect(liar.requests.filter(({ kind }) => kind === 'get-headers').length).toBeLessThan(6);
    await rig.close();
  });

  const lies: Record<string, (honest: readonly Uint8Array[]) => readonly Uint8Array[]> = {
    'are no headers': (honest) => honest.map(() => Uint8Array.of(1, 2, 3)),
    'do not link': (honest) => honest.toReversed(),
    'leave one out': (honest) => honest.toSpliced(5, 1),
    'are more than may be': (honest) => Array.from({ length: 2049 }, () => honest[0]!),
    'have something after them': (honest) => honest.map((bytes) => new Uint8Array([...bytes, 0])),
  };
  for (const [what, headers] of Object.entries(lies)) {
    it(`blames whoever sends headers that ${what}`, async () => {
      const builder = new ChainBuilder().extend(20);
      const rig = new SyncRig({ hasher: builder.pow.hasher() });
      const liar = rig.peer(builder.blocks, { headers, height: 21 });
      rig.start();
      await rig.until('blamed', () => liar.blames.length > 0, 60_000);
      expect(liar.blamed).toEqual(['illegal']);
      const honest = rig.peer(builder.blocks);
      await rig.untilTip(builder.tip, 60_000);
      expect(honest.blamed).toEqual([]);
      await rig.close();
    });
  }

  it('blames whoever sends headers that break a rule', async () => {
    const builder = new ChainBuilder().extend(20);
    const bad = builder.fork(10);
    bad.block({ header: { bits: 1n } });
    bad.extend(20);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const liar = rig.peer(bad.blocks);
    rig.start();
    await rig.until('blamed', () => liar.blames.length > 0, 60_000);
    expect(liar.blames[0]!.kind).toBe('illegal');
    expect(liar.blames[0]!.reason).toContain('header-bits');
    await rig.close();
  });

  it('blames nobody for a header of a time to come, and takes those before it', async () => {
    const builder = new ChainBuilder().extend(20);
    const { timestamp } = builder.tip.header;
    builder.block({ timestamp: timestamp + 100_000 });
    let now = timestamp;
    const rig = new SyncRig({ hasher: builder.pow.hasher(), now: () => now });
    const peer = rig.peer(builder.blocks);
    rig.start();
    await rig.untilTip(builder.blocks[20]!, 60_000);
    await rig.rig.clock.advance(10_000);
    expect(peer.blamed).toEqual([]);
    now += 100_000;
    await rig.untilTip(builder.tip, 60_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('takes the honest copy of a block whose first one was spoilt', async () => {
    const { builder, spoil } = spendingChain();
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const honest = rig.peer(builder.blocks, { delayMs: 400 });
    const liars = [1, 2].map(() =>
      rig.peer(builder.blocks, { block: (block) => encodeBlock(spoil(block)), delayMs: 10 }),
    );
    rig.start();
    await rig.untilTip(builder.tip, 120_000);
    expect(honest.blamed).toEqual([]);
    expect(liars.some(({ blamed }) => blamed.includes('illegal'))).toBe(true);
    await rig.close();
  });

  it('gets in honest blocks although the source of the headers spoils each of them', async () => {
    const builder = new ChainBuilder().extend(100);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const cut = (block: Block): Uint8Array => encodeBlock(block).slice(0, -1);
    const liar = rig.peer(builder.blocks, { block: cut, height: 101 });
    const honest = rig.peer(builder.blocks);
    rig.start();
    await rig.untilTip(builder.tip, 120_000);
    expect(liar.blamed).toContain('illegal');
    expect(honest.blamed).toEqual([]);
    await rig.close();
  });

  it('does not ask one again that sends other blocks than those asked for', async () => {
    const builder = new ChainBuilder().extend(100);
    const other = builder.fork(0).extend(100);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const honest = rig.peer(builder.blocks, { height: 101, delayMs: 300 });
    const block = ({ header }: Block): Uint8Array => encodeBlock(other.blocks[header.height]!);
    const liar = rig.peer(builder.blocks, { block });
    const garbage = rig.peer(builder.blocks, { block: () => Uint8Array.of(9) });
    rig.start();
    await rig.untilTip(builder.tip, 120_000);
    expect(honest.blamed).toEqual([]);
    expect(liar.blamed).toEqual(['fault']);
    expect(garbage.blamed).toEqual(['illegal']);
    await rig.close();
  });

  it('does not wait for ever where the blocks of headers are withheld', async () => {
    const builder = new ChainBuilder().extend(50);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    const other = builder.fork(10).extend(100);
    const liar = rig.peer(other.blocks, { silentOn: ['get-block', 'get-blocks'] });
    rig.start();
    await rig.until('blamed', () => liar.blames.length > 0, 200_000);
    expect(liar.blamed).toEqual(['fault']);
    rig.peer(builder.blocks);
    await rig.untilTip(builder.tip, 200_000);
    await rig.close();
  });
});

describe('Sync: the node itself fails', () => {
  it('stops with the disk', async () => {
    const builder = new ChainBuilder().extend(50);
    const kv = new FailingKv();
    const rig = new SyncRig({ hasher: builder.pow.hasher(), kv, flushBlocks: 8 });
    const peer = rig.peer(builder.blocks);
    rig.start();
    kv.fails = true;
    await rig.until('failed', () => rig.sync.failure !== undefined, 60_000);
    expect(rig.sync.failure).toBeInstanceOf(StoreError);
    expect(peer.blamed).toEqual([]);
    await rig.sync.close();
    await rig.rig.verifier.close();
    expect(rig.rig.clock.sleeping).toBe(0);
  });

  it('waits while the chain is overloaded, and blames nobody', async () => {
    const builder = new ChainBuilder().extend(60);
    const rig = new SyncRig({ hasher: builder.pow.hasher(), maxPending: 3 });
    const peer = rig.peer(builder.blocks);
    rig.start();
    await rig.untilTip(builder.tip, 300_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('waits while proofs of work cannot be checked, and blames nobody', async () => {
    const builder = new ChainBuilder().extend(30);
    const hasher = builder.pow.hasher();
    let broken = true;
    const rig = new SyncRig({
      hasher: { ...hasherOf(hasher), hash: async () => Promise.reject(new Error('gone')) },
      confirm: () => {
        if (broken) throw new Error('no thread');
        return builder.pow.hasher();
      },
    });
    const peer = rig.peer(builder.blocks);
    rig.start();
    await rig.rig.clock.advance(20_000);
    expect(rig.height).toBe(0);
    broken = false;
    await rig.untilTip(builder.tip, 120_000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });
});

function hasherOf(hasher: ReturnType<ChainBuilder['pow']['hasher']>) {
  return {
    maxBatch: hasher.maxBatch,
    loadSeed: hasher.loadSeed.bind(hasher),
    close: hasher.close.bind(hasher),
  };
}

class FailingKv extends MemoryKv {
  fails = false;

  override write(changes: Iterable<Change>): void {
    if (this.fails) throw new StoreError({ code: 'no-space', directory: this.directory });
    super.write(changes);
  }
}
