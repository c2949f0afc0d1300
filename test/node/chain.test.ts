import { describe, expect, it } from 'vitest';
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { headerHash } from '../../src/chain/header.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { BranchError } from '../../src/node/best-chain.ts';
import { ChainError } from '../../src/node/chain-error.ts';
import type { TipEvent } from '../../src/node/chain-options.ts';
import { PowError } from '../../src/pow/pow-error.ts';
import type { Change } from '../../src/store/kv.ts';
import { spentKey } from '../../src/store/layout.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { StoreError } from '../../src/store/store-error.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig, openStore } from '../support/chain-rig.ts';
import { settle } from '../support/fake-clock.ts';
import { GatedHasher } from '../support/gated-hasher.ts';
import { ANYONE, FEE, keyOwner, transaction } from '../support/spending.ts';
import { StandInHasher } from '../support/stand-in-hasher.ts';

const GOOD = (): Uint8Array => new Uint8Array(32);
const BAD = (): Uint8Array => new Uint8Array(32).fill(0xff);

function hex(blocks: readonly { readonly hash: Uint8Array }[]): readonly string[] {
  return blocks.map(({ hash }) => bytesToHex(hash));
}

function blocksAbove(builder: ChainBuilder, height: number): readonly Block[] {
  return builder.blocks.slice(height + 1);
}

/** The same header over a transaction whose signature is another: the hash does not show it. */
function withBadSignature(block: Block, fill = 0): Block {
  const bad = new Uint8Array(64).fill(fill);
  const transactions = block.transactions.map((tx, i) => {
    if (i === 0) return tx;
    const inputs = tx.inputs.map((input) =>
      input.type === 'spend' ? { ...input, arguments: [bad, ...input.arguments.slice(1)] } : input,
    );
    return createTx({ ...tx, inputs });
  });
  return decodeBlock(encodeBlock({ ...block, transactions }));
}

/** The block with another nonce, which no proof of work is known for. */
function withNonce(block: Block, nonce: number): Block {
  const header = { ...block.header, nonce: BigInt(nonce) };
  return { ...block, header, hash: headerHash(header) };
}

/** A block after `builder`'s that spends what belongs to a key. */
function signedBlock(builder: ChainBuilder): Block {
  const coin = builder.coinbase(1, keyOwner(1));
  const payment = { to: ANYONE, amount: coin.amount - FEE };
  return builder.block({ transactions: [transaction({ from: [coin], to: [payment] })] });
}

function chainOfKeyOwner(): ChainBuilder {
  const builder = new ChainBuilder();
  builder.block({ miner: keyOwner(1) });
  return builder.extend(101);
}

describe('Chain', () => {
  it('begins with genesis and answers questions about the main chain', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    const { chain } = rig;
    expect(rig.tipHash).toBe(bytesToHex(SOLONET.genesis.hash));
    await rig.submitAll(blocksAbove(builder, 0));
    const side = builder.fork(1).block();
    expect(await rig.submit(side)).toBe('side');
    expect(chain.tip.header.height).toBe(3);
    expect(chain.hashAt(2)).toEqual(builder.blocks[2]!.hash);
    expect(chain.hashAt(4)).toBe(undefined);
    expect(chain.blockAt(2)?.hash).toEqual(builder.blocks[2]!.hash);
    expect(chain.header(side.hash)).toEqual(side.header);
    expect([chain.isOnMainChain(side.hash), chain.isOnMainChain(builder.tip.hash)]).toEqual([
      false,
      true,
    ]);
    expect([chain.has(side.hash), chain.has(new Uint8Array(32))]).toEqual([true, false]);
    expect(chain.nextHeaderContext().parent.hash).toEqual(builder.tip.hash);
    expect(chain.counters).toEqual({
      stored: 4,
      transactions: 4,
      connected: 3,
      disconnected: 0,
    });
    await rig.close();
  });

  it('tells of every new tip, with the blocks that left and joined the main chain', async () => {
    const builder = new ChainBuilder().extend(4);
    const other = builder.fork(2).extend(3);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submitAll(blocksAbove(builder, 0));
    const events: TipEvent[] = [];
    const end = rig.chain.onTip((event) => events.push(event));
    await rig.submitAll(blocksAbove(other, 2));
    end();
    await rig.submit(builder.block());
    await rig.submit(builder.block());
    expect(events.length).toBe(1);
    const [event] = events;
    expect(hex(event!.disconnected)).toEqual(hex([builder.blocks[4]!, builder.blocks[3]!]));
    expect(hex(event!.connected)).toEqual(hex(blocksAbove(other, 2)));
    expect(event!.tip.hash).toEqual(other.tip.hash);
    expect(event!.disconnected[0]!.block().transactions.length).toBe(1);
    expect(rig.chain.counters.disconnected).toBe(5);
    await rig.close();
  });

  it('goes on when a listener throws', async () => {
    const builder = new ChainBuilder().extend(2);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    rig.chain.onTip(() => {
      throw new Error('listener broke');
    });
    expect(await rig.submitAll(blocksAbove(builder, 0))).toEqual(['connected', 'connected']);
    expect(rig.log.of('chain listener failed').length).toBe(2);
    await rig.close();
  });

  it('reorganises over the edge of an epoch, where the branches have different seeds', async () => {
    const builder = new ChainBuilder().extend(262);
    const other = builder.fork(250).extend(15);
    const third = builder.fork(255).extend(13);
    const hasher = builder.pow.hasher();
    const rig = new ChainRig({ hasher });
    const all = [
      ...blocksAbove(builder, 0),
      ...blocksAbove(other, 250),
      ...blocksAbove(third, 255),
    ];
    const answers = await rig.submitAll(all);
    expect(answers.every((answer) => answer === 'connected' || answer === 'side')).toBe(true);
    expect(rig.tipHash).toBe(bytesToHex(third.tip.hash));
    // The initial seed and one for each branch's block 256.
    expect(new Set(hasher.loads).size).toBe(4);
    const fresh = new ChainRig({ hasher: builder.pow.hasher() });
    await fresh.submitAll(blocksAbove(third, 0));
    expect(rig.coins).toBe(fresh.coins);
    // Back to the first branch, one at a time.
    for (let i = 0; i < 7; i++) await rig.submit(builder.block(), 'tip');
    expect(rig.tipHash).toBe(bytesToHex(builder.tip.hash));
    await rig.close();
  });

  it('takes a higher branch only with as much work, and no lower one with more', async () => {
    const base = new ChainBuilder().extend(2015);
    const quick = base.fork(2015);
    const slow = base.fork(2015);
    quick.block();
    // Three times as long for the period: a third of the work from 2017 on.
    slow.block({ timestamp: base.tip.header.timestamp + 150 + 2 * 302_400 });
    quick.extend(4);
    slow.extend(20);
    expect(slow.tip.header.bits).not.toBe(quick.tip.header.bits);
    const rig = new ChainRig({ hasher: base.pow.hasher({ maxBatch: 64 }) });
    await rig.submitAll([...blocksAbove(base, 0), ...blocksAbove(quick, 2015)]);
    expect(rig.tipHash).toBe(bytesToHex(quick.tip.hash));
    const { totalWork } = rig.chain.tip;
    for (const block of blocksAbove(slow, 2015)) {
      await rig.submit(block);
      const entry = rig.chain.entry(block.hash)!;
      const takes = entry.header.height > 2020 && entry.totalWork >= totalWork;
      const expected = takes ? block : quick.tip;
      const label = `height ${block.header.height}, work ${entry.totalWork} to ${totalWork}`;
      expect(rig.tipHash, label).toBe(bytesToHex(expected.hash));
      if (takes) break;
    }
    const { height } = rig.chain.tip.header;
    expect(height).toBeGreaterThan(2024);
    while (quick.height < height) {
      expect(await rig.submit(quick.block()), `${quick.height}`).toBe('side');
    }
    const lower = rig.chain.entry(quick.tip.hash)!;
    expect(lower.totalWork).toBeGreaterThan(rig.chain.tip.totalWork);
    expect(await rig.submit(quick.block())).toBe('connected');
    await rig.close();
  });

  it('stores a block whose branch breaks a rule about coins, and refuses what builds on it', async () => {
    const builder = new ChainBuilder().extend(102);
    const spend = (to: ChainBuilder): Block => {
      const coin = to.coinbase(1);
      const payment = { to: ANYONE, amount: coin.amount - FEE };
      return to.block({ transactions: [transaction({ from: [coin], to: [payment] })] });
    };
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submitAll(blocksAbove(builder, 0));
    await rig.submit(spend(builder));
    const twice = spend(builder);
    const best = rig.tipHash;
    const error = await rig.chain.submit(twice, { priority: 'tip' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BranchError);
    expect((error as BranchError).detail.rule).toBe('utxo-missing');
    expect((error as BranchError).block.hash).toEqual(twice.hash);
    expect(rig.tipHash).toBe(best);
    expect(await rig.submit(twice)).toBe('known');
    const next = builder.block();
    const again = await rig.chain.submit(next, { priority: 'tip' }).catch((e: unknown) => e);
    expect((again as BranchError).block.hash).toEqual(twice.hash);
    expect(rig.chain.has(next.hash)).toBe(true);
    await rig.close();
  });

  it('chooses the first of the highest orphans, and all of its branch or nothing', async () => {
    const builder = new ChainBuilder().extend(102);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submitAll(blocksAbove(builder, 0));
    const parent = builder.block();
    const [first, second] = [builder.fork(103).extend(2), builder.fork(103).extend(2)];
    const orphans = [...blocksAbove(second, 103), ...blocksAbove(first, 103)];
    expect(await rig.submitAll(orphans)).toEqual(Array(4).fill('orphan'));
    expect(await rig.submit(parent)).toBe('connected');
    expect(rig.tipHash).toBe(bytesToHex(second.tip.hash));
    expect(rig.chain.orphanCount).toBe(0);

    // An orphan that breaks a rule about coins takes its parent's connection with it …
    const coin = second.coinbase(1);
    const pay = (): Block['transactions'] => [
      transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] }),
    ];
    await rig.submit(second.block({ transactions: pay() }));
    const good = second.block();
    const bad = second.fork(second.height).block({ transactions: pay() });
    expect(await rig.submit(bad)).toBe('orphan');
    expect(await rig.submit(good)).toBe('utxo-missing');
    expect(rig.chain.has(good.hash)).toBe(true);
    expect(rig.chain.tip.header.height).toBe(good.header.height - 1);
    // … until the next good block.
    expect(await rig.submit(second.block())).toBe('connected');
    expect(rig.tipHash).toBe(bytesToHex(second.tip.hash));
    await rig.close();
  });

  it('is not kept from a block by a spoilt one of its hash that came first', async () => {
    const builder = chainOfKeyOwner();
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submitAll(blocksAbove(builder, 0).slice(0, -1));
    const parent = builder.tip;
    const good = signedBlock(builder);
    const refused: string[] = [];
    rig.chain.onOrphanRefused((block, error) => {
      refused.push(`${block.header.height} ${error.detail.rule}`);
    });
    expect(await rig.submit(withBadSignature(good))).toBe('orphan');
    const child = builder.block();
    expect(await rig.submit(child)).toBe('orphan');
    expect([rig.chain.has(good.hash), rig.chain.isWaiting(good.hash)]).toEqual([false, true]);
    expect(await rig.submit(good)).toBe('orphan');
    expect(rig.chain.orphanCount).toBe(3);
    expect(await rig.submit(parent)).toBe('connected');
    expect(refused).toEqual([`${good.header.height} tx-program`]);
    expect(rig.tipHash).toBe(bytesToHex(child.hash));
    expect(rig.chain.orphanCount).toBe(0);
    await rig.close();
  });

  it('drops a refused orphan, so that a good block of the same hash can come', async () => {
    const builder = chainOfKeyOwner();
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submitAll(blocksAbove(builder, 0).slice(0, -1));
    const parent = builder.tip;
    const good = signedBlock(builder);
    const child = builder.block();
    // More of them than are kept of one hash.
    for (const fill of [0, 1, 2, 3, 4, 5]) {
      expect(await rig.submit(withBadSignature(good, fill))).toBe('orphan');
    }
    expect(await rig.submit(child)).toBe('orphan');
    expect(rig.chain.orphanCount).toBe(5);
    expect(await rig.submit(parent)).toBe('connected');
    expect(rig.tipHash).toBe(bytesToHex(parent.hash));
    expect([rig.chain.orphanCount, rig.chain.isWaiting(good.hash)]).toEqual([1, false]);
    expect(await rig.submit(withBadSignature(good))).toBe('tx-program');
    expect(await rig.submit(good)).toBe('connected');
    expect(rig.tipHash).toBe(bytesToHex(child.hash));
    await rig.close();
  });

  it('drops orphans after an hour', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    await rig.submit(builder.blocks[3]!);
    await rig.clock.advance(60 * 60_000);
    expect(rig.chain.orphanCount).toBe(1);
    expect(rig.clock.sleeping, 'no timer keeps a process that forgets to close it').toBe(0);
    await rig.clock.advance(1);
    expect(rig.chain.orphanCount).toBe(0);
    await rig.close();
  });

  it('makes orphans of what follows a refused block, though all came at once', async () => {
    const builder = new ChainBuilder().extend(2);
    const bad = builder.block({ overpay: 1n });
    builder.extend(3);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    const answers = await rig.submitAll(blocksAbove(builder, 0));
    expect(answers).toEqual([
      'connected',
      'connected',
      'coinbase-amount',
      'orphan',
      'orphan',
      'orphan',
    ]);
    expect(rig.chain.has(bad.hash)).toBe(false);
    await rig.close();
  });

  it('refuses another block than the checkpoint, unless told to ignore it', async () => {
    const builder = new ChainBuilder().extend(3);
    const other = builder.fork(1).extend(2);
    const network = {
      ...SOLONET,
      checkpoints: new Map([[2, bytesToHex(builder.blocks[2]!.hash)]]),
    };
    const strict = new ChainRig({ hasher: builder.pow.hasher(), network });
    expect(await strict.submitAll(blocksAbove(other, 0))).toEqual([
      'connected',
      'checkpoint',
      'orphan',
    ]);
    expect(await strict.submitAll(blocksAbove(builder, 1))).toEqual(['connected', 'connected']);
    await strict.close();
    const lax = new ChainRig({ hasher: builder.pow.hasher(), network, checkpoints: 'ignore' });
    expect(await lax.submitAll(blocksAbove(other, 0))).toEqual(Array(3).fill('connected'));
    await lax.close();
  });

  it('takes a block later whose time was too far ahead', async () => {
    const builder = new ChainBuilder();
    const block = builder.block();
    let now = block.header.timestamp - 3601;
    const rig = new ChainRig({ hasher: builder.pow.hasher(), now: () => now });
    const error = await rig.chain.submit(block, { priority: 'tip' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RuleError);
    expect((error as RuleError).detail).toMatchObject({
      rule: 'timestamp-too-late',
      blame: 'nobody',
    });
    now++;
    expect(await rig.submit(block)).toBe('connected');
    await rig.close();
  });
});

describe('the proof of work of a chain', () => {
  it('is proven for hundreds of blocks at a time, in batches', async () => {
    const builder = new ChainBuilder().extend(40);
    const hasher = new GatedHasher({ maxBatch: 16, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const answers = rig.submitAll(blocksAbove(builder, 0));
    await settle();
    expect(hasher.calls.map((call) => call.headerHashes.length)).toEqual([16, 16]);
    // The second batch first: nothing is added out of turn.
    hasher.calls[1]!.release();
    await settle();
    expect(rig.chain.tip.header.height).toBe(0);
    hasher.calls[0]!.release();
    await settle();
    expect(rig.chain.tip.header.height).toBe(32);
    for (const call of hasher.calls) call.release();
    expect(await answers).toEqual(Array(40).fill('connected'));
    await rig.close();
  });

  it('costs a stranger’s chain without any one hash, except for blocks of the past', async () => {
    const builder = new ChainBuilder().extend(30);
    const count = async (priority: 'tip' | 'sync'): Promise<number> => {
      let hashes = 0;
      const hasher = new StandInHasher({
        hash: () => {
          hashes++;
          return BAD();
        },
      });
      const rig = new ChainRig({ hasher, confirm: () => new StandInHasher({ hash: BAD }) });
      const all = blocksAbove(builder, 0).map((block) => rig.submit(block, priority));
      expect((await Promise.all(all))[0]).toBe('proof-of-work');
      await rig.close();
      return hashes;
    };
    expect(await count('tip')).toBe(1);
    expect(await count('sync')).toBeGreaterThan(1);
  });

  it('is given up for what was to follow a refused block', async () => {
    const builder = new ChainBuilder();
    const bad = builder.block({ overpay: 1n });
    builder.extend(39);
    const hasher = new GatedHasher({ maxBatch: 1, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const answers = rig.submitAll(blocksAbove(builder, 0));
    await settle();
    expect(rig.verifier.queued).toBe(38);
    hasher.calls[0]!.release();
    await settle();
    expect(rig.chain.has(bad.hash)).toBe(false);
    expect([rig.verifier.queued, hasher.calls.length]).toEqual([0, 3]);
    expect(hasher.calls.map((call) => call.signal?.aborted)).toEqual([false, true, true]);
    expect(await answers).toEqual(['coinbase-amount', ...Array(39).fill('orphan')]);
    await rig.close();
  });

  it('is not believed to be missing on one hasher’s word', async () => {
    const builder = new ChainBuilder().extend(5);
    const rig = new ChainRig({
      hasher: new StandInHasher({ hash: BAD }),
      confirm: () => new StandInHasher({ hash: GOOD }),
    });
    expect(await rig.submitAll(blocksAbove(builder, 0))).toEqual(Array(5).fill('connected'));
    expect(rig.verifier.mismatches).toBeGreaterThan(0);
    await rig.close();
  });

  it('costs an orphan that has none one hash, and blames nobody for it', async () => {
    const builder = new ChainBuilder().extend(3);
    const counts = { device: 0, confirming: 0 };
    const counting = (kind: keyof typeof counts): StandInHasher =>
      new StandInHasher({
        hash: (seed, hash) => {
          counts[kind]++;
          return builder.pow.has(seed, hash) ? GOOD() : BAD();
        },
      });
    const rig = new ChainRig({
      hasher: counting('device'),
      confirm: () => counting('confirming'),
    });
    await rig.submitAll(blocksAbove(builder, 0));
    const parent = builder.block();
    const junk = Array.from({ length: 40 }, (_, i) => withNonce(builder.fork(4).draft(), i + 1));
    expect(await rig.submitAll(junk)).toEqual(Array(40).fill('orphan'));
    const good = builder.block();
    expect(await rig.submit(good)).toBe('orphan');
    const refused: unknown[] = [];
    rig.chain.onOrphanRefused((_block, error) => refused.push(error));
    counts.device = 0;
    expect(await rig.submit(parent)).toBe('connected');
    expect(rig.tipHash).toBe(bytesToHex(good.hash));
    expect(counts).toEqual({ device: 9, confirming: 0 });
    expect([rig.chain.orphanCount, refused.length]).toEqual([0, 0]);
    // Whoever sends it once more is told, and that is confirmed.
    expect(await rig.submit(junk[39]!)).toBe('proof-of-work');
    expect(counts.confirming).toBe(1);
    await rig.close();
  });

  it('of an orphan is believed to be missing by the confirming hasher', async () => {
    const builder = new ChainBuilder().extend(2);
    const lost = new GatedHasher();
    await lost.close();
    const bad = withNonce(builder.fork(1).draft(), 1);
    const confirm = (): BatchHasher => builder.pow.hasher();
    const rig = new ChainRig({ hasher: lost, confirm });
    expect(await rig.submit(bad)).toBe('orphan');
    const refused: string[] = [];
    rig.chain.onOrphanRefused((_block, error) => refused.push(error.detail.rule));
    expect(await rig.submit(builder.blocks[1]!)).toBe('connected');
    expect(refused).toEqual(['proof-of-work']);
    await rig.close();
  });

  it('of all that a candidate waits for is as urgent as the candidate’s', async () => {
    const builder = new ChainBuilder().extend(5);
    const side = builder.fork(1);
    const hasher = new GatedHasher({ maxBatch: 4, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const release = async (batches: number): Promise<void> => {
      for (let i = 0; i < batches; i++) {
        await settle();
        hasher.calls.shift()?.release();
      }
      await settle();
    };
    const base = rig.submitAll(blocksAbove(builder, 0));
    await release(3);
    await base;
    const { seed } = rig.chain.nextHeaderContext();
    const shares = Array.from({ length: 400 }, (_, i) => {
      const hash = new Uint8Array(32).fill(0x77);
      new DataView(hash.buffer).setUint32(0, i);
      return rig.verifier.verify({ headerHash: hash, seed, target: 1n << 255n }, 'share');
    });
    await settle();
    const done: string[] = [];
    const submit = (name: string, block: Block, priority: 'sync' | 'candidate'): Promise<unknown> =>
      rig.submit(block, priority).then((answer) => done.push(`${name} ${answer}`));
    const first = submit('first', side.block(), 'sync');
    const others = [2, 3, 4, 5, 6, 7].map((n) => submit(`${n}`, side.block(), 'sync'));
    await settle();
    const candidate = submit('candidate', builder.block(), 'candidate');
    // Two batches are under way; the third has what the candidate waits for.
    await release(3);
    expect(done).toEqual(['first side', 'candidate connected']);
    const child = submit('child', side.block(), 'candidate');
    // Two under way again, two for its six ancestors, and its own is behind another that was begun.
    await release(7);
    expect(done.slice(2)).toEqual([
      ...[2, 3, 4, 5].map((n) => `${n} side`),
      ...[6, 7].map((n) => `${n} connected`),
      'child connected',
    ]);
    await release(120);
    await Promise.all([first, ...others, candidate, child, ...shares]);
    await rig.close();
  });

  it('of orphans is as urgent as a candidate that waits for their parent’s turn', async () => {
    const builder = new ChainBuilder().extend(5);
    const side = builder.fork(1).extend(2);
    const hasher = new GatedHasher({ maxBatch: 4, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const pump = async (): Promise<void> => {
      await settle();
      for (const call of hasher.calls.splice(0)) call.release();
      await settle();
    };
    const base = rig.submitAll(blocksAbove(builder, 0));
    for (let i = 0; i < 3; i++) await pump();
    await base;
    expect(await rig.submit(side.tip, 'sync')).toBe('orphan');
    const past = rig.submit(side.blocks[2]!, 'sync');
    await settle();
    hasher.calls.shift()!.release();
    const { seed } = rig.chain.nextHeaderContext();
    const shares = Array.from({ length: 100 }, (_, i) => {
      const headerHash = new Uint8Array(32).fill(0x77);
      new DataView(headerHash.buffer).setUint32(0, i);
      return rig.verifier.verify({ headerHash, seed, target: 1n << 255n }, 'share');
    });
    // The orphan's proof waits now, behind the shares.
    await settle();
    const candidate = rig.submit(builder.block(), 'candidate');
    let answered = false;
    void candidate.then(() => {
      answered = true;
    });
    for (let i = 0; i < 3; i++) await pump();
    expect(answered).toBe(true);
    for (let i = 0; i < 30; i++) await pump();
    await Promise.all([past, ...shares]);
    await rig.close();
  });

  it('survives the loss of the device', async () => {
    const builder = new ChainBuilder().extend(12);
    const hasher = new GatedHasher({ hash: GOOD });
    const rig = new ChainRig({ hasher, confirm: () => new StandInHasher({ hash: GOOD }) });
    const answers = rig.submitAll(blocksAbove(builder, 0));
    await settle();
    await hasher.close();
    expect(await answers).toEqual(Array(12).fill('connected'));
    await rig.close();
  });

  it('leaves a block undecided that cannot be checked, to be submitted again', async () => {
    const builder = new ChainBuilder().extend(3);
    let broken = true;
    const confirm = (): StandInHasher => {
      if (broken) throw new Error('no threads left');
      return new StandInHasher({ hash: GOOD });
    };
    const lost = new GatedHasher();
    await lost.close();
    const rig = new ChainRig({ hasher: lost, confirm });
    const errors = await Promise.all(
      blocksAbove(builder, 0).map((block) =>
        rig.chain.submit(block, { priority: 'sync' }).catch((error: unknown) => error),
      ),
    );
    expect(errors[0]).toBeInstanceOf(PowError);
    expect(errors.slice(1)).toEqual([{ result: 'orphan' }, { result: 'orphan' }]);
    broken = false;
    expect(await rig.submit(builder.blocks[1]!)).toBe('connected');
    expect(rig.chain.tip.header.height).toBe(3);
    await rig.close();
  });

  it('keeps an orphan that cannot be checked now, and takes it when it comes again', async () => {
    const builder = new ChainBuilder().extend(2);
    let broken = false;
    let answers = 0;
    const hasher = (): StandInHasher =>
      new StandInHasher({
        hash: () => {
          if (broken && answers++ === 1) throw new Error('device removed');
          return GOOD();
        },
      });
    const confirm = (): StandInHasher => {
      if (broken) throw new Error('no threads left');
      return hasher();
    };
    const rig = new ChainRig({ hasher: hasher(), confirm });
    expect(await rig.submit(builder.blocks[2]!)).toBe('orphan');
    broken = true;
    expect(await rig.submit(builder.blocks[1]!)).toBe('connected');
    expect([rig.chain.tip.header.height, rig.chain.orphanCount]).toEqual([1, 1]);
    broken = false;
    expect(await rig.submit(builder.blocks[2]!)).toBe('connected');
    expect(rig.chain.orphanCount).toBe(0);
    await rig.close();
  });
});

describe('submissions to a chain', () => {
  it('can be aborted while they wait; what follows them become orphans', async () => {
    const builder = new ChainBuilder().extend(6);
    const hasher = new GatedHasher({ maxBatch: 1, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const abort = new AbortController();
    const call = (height: number): Promise<unknown> => {
      const signal = height === 1 || height === 4 ? { signal: abort.signal } : {};
      return rig.chain
        .submit(builder.blocks[height]!, { priority: 'sync', ...signal })
        .then((outcome) => outcome.result)
        .catch((error: unknown) => error);
    };
    const answers = [1, 2, 3, 4, 5, 6].map(call);
    await settle();
    abort.abort('enough');
    await settle();
    for (const gate of hasher.calls) gate.release();
    expect(await Promise.all(answers)).toEqual([
      'enough',
      'orphan',
      'orphan',
      'enough',
      'orphan',
      'orphan',
    ]);
    expect(rig.chain.pending).toBe(0);
    const again = [1, 4].map((height) => rig.submit(builder.blocks[height]!));
    for (let i = 0; i < 20; i++) {
      await settle();
      for (const gate of hasher.calls) gate.release();
    }
    expect(await Promise.all(again)).toEqual(['connected', 'connected']);
    expect(rig.chain.tip.header.height).toBe(6);
    await rig.close();
  });

  it('let a candidate overtake blocks of the past that it does not depend on', async () => {
    const builder = new ChainBuilder().extend(3);
    const side = builder.fork(0).extend(3);
    const hasher = new GatedHasher({ maxBatch: 64, hash: GOOD });
    const rig = new ChainRig({ hasher });
    const first = rig.submitAll(blocksAbove(builder, 0));
    await settle();
    hasher.calls[0]!.release();
    await first;
    const order: string[] = [];
    const note = (name: string, answer: Promise<string>): Promise<unknown> =>
      answer.then((text) => order.push(`${name} ${text}`));
    const past = blocksAbove(side, 0).map((block) => note('past', rig.submit(block, 'sync')));
    // The first one's turn has come: that one is not overtaken any more.
    await settle();
    const candidate = note('candidate', rig.submit(builder.block(), 'candidate'));
    const child = note('child', rig.submit(side.block(), 'candidate'));
    await settle();
    for (let i = 0; i < 4; i++) {
      for (const gate of hasher.calls) gate.release();
      await settle();
    }
    await Promise.all([...past, candidate, child]);
    expect(order).toEqual([
      'past side',
      'candidate connected',
      'past side',
      'past side',
      'child side',
    ]);
    await rig.close();
  });

  it('are refused while too much is under way, but for candidates', async () => {
    const builder = new ChainBuilder().extend(5);
    const hasher = new GatedHasher({ maxBatch: 64, hash: GOOD });
    const size = encodeBlock(builder.blocks[3]!).length;
    for (const limits of [{ maxPending: 2 }, { maxPendingBytes: 2 * size + 100 }]) {
      const rig = new ChainRig({ hasher, ...limits });
      const submit = (height: number, priority: 'sync' | 'tip' | 'candidate'): Promise<unknown> =>
        rig.chain.submit(builder.blocks[height]!, { priority }).then(
          ({ result }) => result,
          (error: unknown) => error,
        );
      const calls = [submit(1, 'sync'), submit(2, 'tip')];
      for (const priority of ['sync', 'tip'] as const) {
        const error = await submit(3, priority);
        expect(error).toBeInstanceOf(ChainError);
        expect((error as ChainError).detail).toMatchObject({ code: 'overloaded', blocks: 2 });
      }
      calls.push(submit(3, 'candidate'));
      expect(rig.chain.pending).toBe(3);
      for (let i = 0; i < 3; i++) {
        await settle();
        for (const call of hasher.calls.splice(0)) call.release();
      }
      expect(await Promise.all(calls)).toEqual(Array(3).fill('connected'));
      calls.push(submit(4, 'tip'));
      await settle();
      for (const call of hasher.calls.splice(0)) call.release();
      expect(await calls[3]).toBe('connected');
      await rig.close();
    }
    // A block that is larger than the limit is taken when it is alone.
    const rig = new ChainRig({ hasher: new StandInHasher({ hash: GOOD }), maxPendingBytes: 1 });
    expect(await rig.submit(builder.blocks[1]!)).toBe('connected');
    await rig.close();
  });

  it('of one block many times cost no more than those of as many blocks', async () => {
    const builder = new ChainBuilder().extend(1);
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    const answers = await rig.submitAll(Array(4000).fill(builder.tip));
    expect(answers.filter((answer) => answer === 'known').length).toBe(3999);
    await rig.close();
  });

  it('are rejected when the chain is closed, and leave a flushed store', async () => {
    const builder = new ChainBuilder().extend(6);
    const hasher = new GatedHasher({ maxBatch: 3, hash: GOOD });
    const kv = new MemoryKv();
    const rig = new ChainRig({ hasher, kv });
    const answers = blocksAbove(builder, 0).map((block) =>
      rig.chain.submit(block, { priority: 'sync' }).then(
        ({ result }) => result,
        (error: unknown) => error,
      ),
    );
    await settle();
    hasher.calls[0]!.release();
    await settle();
    await rig.chain.close();
    await rig.chain.close();
    const settled = await Promise.all(answers);
    expect(settled.slice(0, 3)).toEqual(Array(3).fill('connected'));
    for (const error of settled.slice(3)) expect(error).toBeInstanceOf(ChainError);
    await expect(rig.submit(builder.tip)).rejects.toBeInstanceOf(ChainError);
    expect(openStore(kv).tip().height).toBe(3);
    expect(rig.clock.sleeping).toBe(0);
  });
});

describe('the disk of a chain', () => {
  /** Counts writes, and fails them while `full`. */
  class DiskKv extends MemoryKv {
    writes = 0;
    full = false;

    override write(changes: Iterable<Change>): void {
      if (this.full) throw new StoreError({ code: 'no-space', directory: this.directory });
      this.writes++;
      super.write(changes);
    }
  }

  it('is written after each block at the tip', async () => {
    const builder = new ChainBuilder().extend(5);
    const kv = new DiskKv();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    const before = kv.writes;
    for (const [i, block] of blocksAbove(builder, 0).entries()) {
      await rig.submit(block, i % 2 === 0 ? 'tip' : 'candidate');
      expect(openStore(kv).tip().height).toBe(i + 1);
    }
    expect(kv.writes - before).toBe(5);
    await rig.submit(builder.tip);
    expect(kv.writes - before).toBe(5);
    await rig.close();
  });

  it('is written for many blocks of the past at once: by number, by time, when asked', async () => {
    const builder = new ChainBuilder().extend(9);
    const kv = new DiskKv();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv, flushBlocks: 5, flushMs: 2000 });
    const before = kv.writes;
    await rig.submitAll(blocksAbove(builder, 0).slice(0, 7));
    expect([kv.writes - before, openStore(kv).tip().height]).toEqual([1, 5]);
    await rig.clock.advance(1999);
    expect(kv.writes - before).toBe(1);
    await rig.clock.advance(1);
    expect([kv.writes - before, openStore(kv).tip().height]).toEqual([2, 7]);
    await rig.submit(builder.blocks[8]!, 'sync');
    rig.chain.flush();
    expect(openStore(kv).tip().height).toBe(8);
    await rig.submit(builder.blocks[9]!, 'sync');
    await rig.chain.close();
    expect(openStore(kv).tip().height).toBe(9);
  });

  it('stops the chain when it is full, with every submission told why and nothing lost', async () => {
    const builder = new ChainBuilder().extend(8);
    const kv = new DiskKv();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv, flushBlocks: 3 });
    await rig.submitAll(blocksAbove(builder, 0).slice(0, 3));
    kv.full = true;
    const errors = await Promise.all(
      blocksAbove(builder, 3).map((block) =>
        rig.chain.submit(block, { priority: 'sync' }).then(
          ({ result }) => result,
          (error: unknown) => error,
        ),
      ),
    );
    expect(errors.slice(0, 2)).toEqual(['connected', 'connected']);
    for (const error of errors.slice(2)) {
      expect((error as StoreError).detail.code).toBe('no-space');
    }
    expect(rig.chain.failure).toBeInstanceOf(StoreError);
    await expect(rig.submit(builder.tip)).rejects.toBeInstanceOf(StoreError);
    await rig.chain.close();
    kv.full = false;
    expect(openStore(kv).tip().height).toBe(3);
  });

  it('stops the chain when it gives back something else than was written', async () => {
    class WornKv extends MemoryKv {
      worn = false;

      override get(key: Uint8Array): Uint8Array | undefined {
        const value = super.get(key);
        return this.worn ? value?.slice(1) : value;
      }
    }
    const builder = new ChainBuilder().extend(2);
    const kv = new WornKv();
    const first = new ChainRig({ hasher: builder.pow.hasher(), kv });
    await first.submit(builder.blocks[1]!);
    await first.chain.close();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    kv.worn = true;
    const error = await rig.submit(builder.blocks[2]!).catch((e: unknown) => e);
    expect((error as StoreError).detail.code).toBe('damaged');
    expect(rig.chain.failure).toBe(error);
    await rig.chain.close();
  });

  it('gets nothing of a step that was left half done, whoever closes the store', async () => {
    class FlakyKv extends MemoryKv {
      failing = false;

      override get(key: Uint8Array): Uint8Array | undefined {
        if (this.failing && key[0] === spentKey(new Uint8Array(32))[0]) {
          throw new StoreError({ code: 'io', directory: this.directory, problem: 'read error' });
        }
        return super.get(key);
      }

      override async close(): Promise<void> {}
    }
    const builder = new ChainBuilder().extend(5);
    const fork = builder.fork(3).extend(4);
    const kv = new FlakyKv();
    const first = new ChainRig({ hasher: builder.pow.hasher(), kv });
    for (const block of [...blocksAbove(builder, 0), fork.blocks[4]!, fork.blocks[5]!]) {
      await first.submit(block);
    }
    kv.failing = true;
    await expect(first.submit(fork.blocks[6]!)).rejects.toBeInstanceOf(StoreError);
    kv.failing = false;
    for (let i = 0; i < 2; i++) await first.chain.close();
    await first.verifier.close();
    await first.store.close();
    expect(first.tipHash).toBe(bytesToHex(builder.tip.hash));
    expect([first.chain.pending, first.clock.sleeping]).toEqual([0, 0]);
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    expect(rig.chain.has(fork.blocks[6]!.hash)).toBe(false);
    expect(await rig.submit(fork.blocks[6]!)).toBe('connected');
    await rig.close();
  });

  it('is said to fail by the close that cannot write to it, once', async () => {
    const builder = new ChainBuilder().extend(2);
    const kv = new DiskKv();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    await rig.submit(builder.blocks[1]!, 'sync');
    kv.full = true;
    await expect(rig.chain.close()).rejects.toBeInstanceOf(StoreError);
    expect(rig.chain.failure).toBeInstanceOf(StoreError);
    expect(rig.clock.sleeping).toBe(0);
    await rig.chain.close();
    await rig.store.close();
  });

  it('stops the chain when a flush fails that nobody waits for', async () => {
    const builder = new ChainBuilder().extend(2);
    const kv = new DiskKv();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    await rig.submit(builder.blocks[1]!, 'sync');
    kv.full = true;
    await rig.clock.advance(5000);
    expect(rig.chain.failure).toBeInstanceOf(StoreError);
    expect(rig.log.of('chain stopped').length).toBe(1);
    await expect(rig.submit(builder.blocks[2]!)).rejects.toBeInstanceOf(StoreError);
    await rig.chain.close();
  });
});
