import { describe, expect, it } from 'vitest';
import { encodeBlock } from '../../../src/chain/block.ts';
import { createTx } from '../../../src/chain/tx-codec.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { GatedHasher } from '../../support/gated-hasher.ts';
import { ANYONE, FEE, keyOwner, transaction } from '../../support/spending.ts';
import { SyncRig } from '../../support/sync-rig.ts';

async function synced(
  builder: ChainBuilder,
  options: { maxPending?: number } = {},
): Promise<SyncRig> {
  const rig = new SyncRig({ hasher: builder.pow.hasher(), ...options });
  for (const block of builder.blocks.slice(1)) await rig.rig.submit(block);
  return rig;
}

describe('announced blocks', () => {
  it('become the tip, with one proof of work and nothing asked of anybody', async () => {
    const builder = new ChainBuilder().extend(10);
    const rig = await synced(builder);
    const peer = rig.peer(builder.blocks);
    rig.start();
    const next = builder.block();
    const hashes: number[] = [];
    const { hasher } = countingHasher(builder, hashes);
    const other = new SyncRig({ hasher });
    await other.rig.submitAll(builder.blocks.slice(1, 11));
    hashes.length = 0;
    const from = other.peer(builder.blocks);
    other.start();
    await other.announce(from, next);
    expect(other.height).toBe(11);
    expect(hashes).toEqual([1]);
    await rig.announce(peer, next);
    expect(rig.height).toBe(11);
    await rig.rig.clock.advance(10_000);
    expect(peer.requests).toEqual([]);
    expect(peer.blamed).toEqual([]);
    await other.close();
    await rig.close();
  });

  it('are processed once, whoever announces them', async () => {
    const builder = new ChainBuilder().extend(3);
    const hasher = new GatedHasher({ hash: () => new Uint8Array(32) });
    const rig = new SyncRig({ hasher });
    const fill = rig.rig.submitAll(builder.blocks.slice(1));
    await releaseAll(hasher);
    await fill;
    const before = hasher.calls.length;
    const next = builder.block();
    const peers = [1, 2, 3, 4, 5].map(() => rig.peer(builder.blocks));
    const taken = peers.map((peer) => rig.announce(peer, next, encodeBlock(next)));
    await releaseAll(hasher);
    await Promise.all(taken);
    expect(hasher.calls.length - before).toBe(1);
    expect(rig.height).toBe(4);
    expect(peers.flatMap(({ blames }) => blames)).toEqual([]);
    await rig.close();
  });

  it('get in although the first copy was spoilt, which is laid at its sender', async () => {
    const owner = keyOwner(1);
    const builder = new ChainBuilder();
    builder.block({ miner: owner });
    builder.extend(101);
    const rig = await synced(builder);
    const coin = builder.coinbase(1, owner);
    const spend = transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] });
    const next = builder.block({ transactions: [spend] });
    const [input] = spend.inputs;
    const wrong = { ...input!, arguments: [new Uint8Array(64)] } as typeof input;
    const spoilt = {
      ...next,
      transactions: [next.transactions[0]!, createTx({ ...spend, inputs: [wrong!] })],
    };
    const liar = rig.peer(builder.blocks);
    const honest = rig.peer(builder.blocks);
    rig.start();
    const taken = [
      rig.announce(liar, next, encodeBlock(spoilt)),
      rig.announce(liar, next, encodeBlock(next).slice(0, -1)),
      rig.announce(honest, next),
    ];
    await Promise.all(taken);
    expect(rig.height).toBe(103);
    expect(liar.blamed).toEqual(['illegal', 'illegal']);
    expect(honest.blamed).toEqual([]);
    await rig.close();
  });

  it('without work are refused before they are decoded', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = await synced(builder);
    const unmined = new ChainBuilder({ start: builder.blocks }).draft({ timestamp: 2_000_000_000 });
    const peer = rig.peer(builder.blocks);
    rig.start();
    // Were it decoded, the end of it would be missed first.
    await rig.announce(peer, unmined, encodeBlock(unmined).slice(0, 200));
    expect(peer.blames.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('proof-of-work'),
    ]);
    expect(rig.height).toBe(3);
    await rig.close();
  });

  it('that break a rule are laid at the sender, unless nobody is to blame', async () => {
    const builder = new ChainBuilder().extend(3);
    const now = builder.tip.header.timestamp + 200;
    const rig = new SyncRig({ hasher: builder.pow.hasher(), now: () => now });
    await rig.rig.submitAll(builder.blocks.slice(1));
    const peer = rig.peer(builder.blocks);
    rig.start();
    const late = builder.draft({ timestamp: now + 3601 });
    await rig.announce(peer, late);
    expect(peer.blamed).toEqual([]);
    await rig.announce(peer, builder.draft({ overpay: 1n }));
    expect(peer.blamed).toEqual(['illegal']);
    await rig.announce(peer, builder.draft({ header: { bits: 1n } }));
    expect(peer.blamed).toEqual(['illegal', 'illegal']);
    await rig.close();
  });

  it('that only an ancestor makes bad are not laid at the sender', async () => {
    const builder = new ChainBuilder().extend(104);
    const rig = await synced(builder);
    const bad = builder.fork(103);
    const coin = builder.coinbase(1);
    const spend = (fee: bigint) =>
      transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - fee }] });
    const twice = bad.block({ transactions: [spend(FEE), spend(FEE + 1n)] });
    const after = bad.block();
    const peer = rig.peer(builder.blocks);
    rig.start();
    // Stored, as it is no higher than the tip: nobody looks at its coins.
    await rig.announce(peer, twice);
    await rig.announce(peer, after);
    expect(rig.rig.chain.has(after.hash)).toBe(true);
    expect(rig.height).toBe(104);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('whose parent is still on its way wait for it', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = await synced(builder);
    const [first, second] = [builder.block(), builder.block()];
    const [a, b] = [rig.peer(builder.blocks), rig.peer(builder.blocks)];
    await Promise.all([rig.announce(a, first), rig.announce(b, second)]);
    expect(rig.height).toBe(5);
    expect([...a.requests, ...b.requests]).toEqual([]);
    await rig.close();
  });

  it('whose parent is not known make us sync, and are no orphans', async () => {
    const builder = new ChainBuilder().extend(30);
    const rig = new SyncRig({ hasher: builder.pow.hasher() });
    await rig.rig.submitAll(builder.blocks.slice(1, 29));
    const peer = rig.peer(builder.blocks.slice(0, 29), {
      onRefresh: (refreshed) => refreshed.switchTo(builder.blocks),
    });
    rig.start();
    await rig.announce(peer, builder.tip);
    expect(rig.rig.chain.orphanCount).toBe(0);
    await rig.untilTip(builder.tip, 5000);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('that are old, or known, are dropped', async () => {
    const builder = new ChainBuilder().extend(100);
    const rig = await synced(builder);
    const peer = rig.peer(builder.blocks);
    const stored = rig.rig.chain.counters.stored;
    await rig.announce(peer, builder.fork(35).draft());
    await rig.announce(peer, builder.blocks[99]!);
    expect(rig.rig.chain.counters.stored).toBe(stored);
    await rig.announce(peer, builder.fork(36).draft());
    expect(rig.rig.chain.counters.stored).toBe(stored + 1);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('are looked at a few at a time, and those left out are synced', async () => {
    const builder = new ChainBuilder().extend(3);
    const hasher = new GatedHasher({ maxBatch: 1, hash: () => new Uint8Array(32) });
    const rig = new SyncRig({ hasher });
    const fill = rig.rig.submitAll(builder.blocks.slice(1));
    await releaseAll(hasher);
    await fill;
    const peer = rig.peer(builder.blocks.slice(0, 4));
    const blocks = Array.from({ length: 12 }, () => builder.fork(3).draft());
    let done = 0;
    const taken = blocks.map(async (block) => {
      await rig.announce(peer, block);
      done++;
    });
    await settle();
    expect(done).toBe(8);
    await releaseAll(hasher);
    await Promise.all(taken);
    expect(rig.rig.chain.counters.stored).toBe(3 + 4);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });

  it('are nobody‘s fault where the chain has no room for them', async () => {
    const builder = new ChainBuilder().extend(3);
    const gate = createDeferred<void>();
    const hasher = new GatedHasher({ hash: () => new Uint8Array(32) });
    const rig = new SyncRig({ hasher, maxPending: 1 });
    const side = builder.fork(0).block();
    void rig.rig.submit(side).then(() => gate.resolve());
    await settle();
    const peer = rig.peer(builder.blocks);
    const taken = rig.announce(peer, builder.blocks[1]!);
    await settle();
    // The proof of the announced one is known before that of the one under way.
    hasher.calls[1]!.release();
    await taken;
    expect(rig.rig.chain.has(builder.blocks[1]!.hash)).toBe(false);
    expect(peer.blamed).toEqual([]);
    await releaseAll(hasher);
    await gate.promise;
    await rig.close();
  });

  it('end with the node', async () => {
    const builder = new ChainBuilder().extend(1);
    const hasher = new GatedHasher();
    const rig = new SyncRig({ hasher });
    const peer = rig.peer(builder.blocks);
    rig.start();
    const taken = rig.announce(peer, builder.blocks[1]!);
    await settle();
    await rig.sync.close();
    await taken;
    await rig.announce(peer, builder.blocks[1]!);
    expect(peer.blamed).toEqual([]);
    await rig.close();
  });
});

function countingHasher(builder: ChainBuilder, hashes: number[]) {
  const hasher = builder.pow.hasher();
  const hash = hasher.hash.bind(hasher);
  hasher.hash = (seed, headers, out, signal) => {
    hashes.push(headers.length / 32);
    return hash(seed, headers, out, signal);
  };
  return { hasher };
}

/** Lets every batch go, those that come meanwhile included. */
async function releaseAll(hasher: GatedHasher): Promise<void> {
  for (let at = 0; ; at++) {
    await settle();
    if (at === hasher.calls.length) return;
    hasher.calls[at]!.release();
  }
}
