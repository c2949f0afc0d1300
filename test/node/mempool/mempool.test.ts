import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { createTx, decodeTx } from '../../../src/chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../../../src/chain/tx-entries.ts';
import { CLASSIC_BLOCKED_PROGRAMS } from '../../../src/node/mempool/blocked-programs.ts';
import type { MempoolOptions } from '../../../src/node/mempool/mempool-options.ts';
import { footprint } from '../../../src/node/mempool/pooled-tx.ts';
import { concatBytes } from '../../../src/util/bytes.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import { settle } from '../../support/fake-clock.ts';
import {
  ANYONE,
  type Coin,
  coinOf,
  FEE,
  issuer,
  keyOwner,
  NOBODY,
  programOwner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { BASE_HEIGHT, base, chainOf, idText, PoolRig, spend, withArguments } from './pool-rig.ts';

async function open(options: MempoolOptions = {}): Promise<PoolRig> {
  const rig = await PoolRig.open(options);
  onTestFinished(() => rig.close());
  return rig;
}

/** Passes where the height of its block is below `height`. */
function below(height: number): ReturnType<typeof scriptOwner> {
  return scriptOwner(assemble(`${height} BLOCKHEIGHT GREATERTHAN`));
}

/** Passes where the height of its block is from `height` on. */
function from(height: number): ReturnType<typeof scriptOwner> {
  return scriptOwner(assemble(`BLOCKHEIGHT ${height} GREATERTHANOREQUAL`));
}

/** A coin of `owner` on a chain of its own builder, in the block after the base. */
function ownedCoin(owner: ReturnType<typeof keyOwner>, at = 1) {
  const fork = base.fork(BASE_HEIGHT);
  const funding = spend(base.coinbase(at), FEE, owner);
  fork.block({ transactions: [funding] });
  return { fork, coin: coinOf(funding, 0, owner) };
}

/** Pays in BTM and fails to issue gold: only its BTM moves. */
function failing(coin: Coin, more: readonly Coin[] = []): Tx {
  const gold = issuer(programOwner(assemble('FALSE')));
  return transaction({
    from: [coin, ...more],
    issue: [{ issuer: gold, amount: 5n }],
    to: [
      { to: ANYONE, amount: coin.amount - FEE },
      { to: ANYONE, amount: 5n, assetId: gold.assetId },
      ...more.map(({ amount, assetId }) => ({ to: ANYONE, amount, assetId })),
    ],
  });
}

describe('a memory pool', () => {
  it('takes a valid transaction once, and tells', async () => {
    const rig = await open();
    const tx = spend(base.coinbase(1), FEE);
    expect(await rig.submit(tx)).toBe('added');
    expect(await rig.submit(tx)).toBe('known');
    const [pooled] = rig.pool.transactions();
    expect(pooled).toMatchObject({ fee: FEE, statusFail: false, source: 'peer' });
    expect(pooled?.addedAt).toBe(rig.rig.clock.now());
    expect(rig.pool.get(tx.id)).toBe(pooled);
    expect([rig.pool.size, rig.pool.has(tx.id), rig.pool.bytes]).toEqual([1, true, footprint(tx)]);
    expect(rig.events).toEqual([`+ ${idText(tx)}`]);
    rig.check();
  });

  it('keeps a copy, not a view of what it came in', async () => {
    const rig = await open();
    const tx = spend(base.coinbase(1), FEE);
    const message = concatBytes(new Uint8Array(5000), tx.raw);
    await rig.submit(decodeTx(message.subarray(5000)));
    message.fill(0);
    expect(rig.pool.get(tx.id)?.tx.raw).toEqual(tx.raw);
    expect(rig.pool.get(tx.id)?.tx.raw.buffer.byteLength).toBe(tx.raw.length);
    rig.check();
  });

  it('keeps the shortest form, which is the one that other nodes hand on', async () => {
    const rig = await open();
    const tx = spend(base.coinbase(1), FEE);
    // Its version in two bytes, and an output witness, which its id does not cover.
    const long = concatBytes(
      Uint8Array.of(7, 0x81, 0),
      tx.raw.subarray(2, -1),
      Uint8Array.of(3, 1, 2, 3),
    );
    expect(idText(decodeTx(long))).toBe(idText(tx));
    expect(await rig.submit(decodeTx(long))).toBe('added');
    expect(rig.pool.get(tx.id)?.tx.raw).toEqual(tx.raw);
    // From a block, which has it as it came, it returns in that form too.
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [decodeTx(long)] });
    await rig.connect(old.tip);
    await rig.connect(...base.fork(BASE_HEIGHT).extend(2).blocks.slice(-2));
    expect(rig.pool.get(tx.id)?.tx.raw).toEqual(tx.raw);
    rig.check();
  });

  it('takes what spends a pooled transaction, and gives parents first', async () => {
    const rig = await open();
    const [a, b, c] = chainOf(base.coinbase(1), 3, FEE);
    for (const tx of [a!, b!, c!]) expect(await rig.submit(tx)).toBe('added');
    expect(rig.ids).toEqual([a!, b!, c!].map(idText));
    rig.check();
  });

  it('refuses a second spend of a coin, and names the first', async () => {
    const rig = await open();
    const [first, second] = [spend(base.coinbase(1), FEE), spend(base.coinbase(1), 2n * FEE)];
    await rig.submit(first);
    expect(await rig.refusal(second)).toEqual({ code: 'conflict', input: 0, other: idText(first) });
    const child = spend(coinOf(first, 0, ANYONE), FEE);
    await rig.submit(child);
    const rival = spend(coinOf(first, 0, ANYONE), 2n * FEE);
    expect(await rig.refusal(rival)).toMatchObject({ code: 'conflict', other: idText(child) });
    expect(rig.pool.size).toBe(2);
    expect(rig.pool.counts.refused).toEqual(new Map([['conflict', 2]]));
  });

  it('refuses a second spend of a coin before it runs its programs', async () => {
    const rig = await open();
    const { fork, coin } = ownedCoin(keyOwner(1));
    await rig.connect(fork.tip);
    expect(await rig.submit(spend(coin, FEE))).toBe('added');
    const bad = withArguments(spend(coin, 2n * FEE), [new Uint8Array(64), new Uint8Array(32)]);
    expect(await rig.submit(bad)).toBe('conflict');
  });

  it('refuses dust, by name', async () => {
    const rig = await open();
    const gold = issuer(ANYONE);
    const noBtm = transaction({
      issue: [{ issuer: gold, amount: 1n }],
      to: [{ to: ANYONE, amount: 1n, assetId: gold.assetId }],
    });
    expect(await rig.refusal(noBtm)).toEqual({ code: 'dust', reason: 'no-btm-spent' });
    const coin = base.coinbase(1);
    const to = [
      { to: ANYONE, amount: coin.amount - FEE },
      { to: NOBODY, amount: 0n },
    ];
    expect(await rig.refusal(transaction({ from: [coin], to }))).toEqual({
      code: 'dust',
      reason: 'output-of-nothing',
      output: 1,
    });
    expect(await rig.submit(base.tip.transactions[0]!)).toBe('known');
    expect(await rig.submit(base.fork(BASE_HEIGHT).draft().transactions[0]!)).toBe('dust');
  });

  it('refuses invalid ones by the rule, and blames', async () => {
    const rig = await open();
    const coin = base.coinbase(1);
    const cases: readonly (readonly [Tx, string, 'peer' | 'nobody'])[] = [
      [spend(coin, 20_000n), 'tx-storage-gas', 'peer'],
      [spend(coin, -5n), 'tx-unbalanced', 'peer'],
      [createTx({ ...spend(coin, FEE), version: 2n }), 'tx-version', 'peer'],
      [createTx({ ...spend(coin, FEE), timeRange: 119n }), 'tx-time-range', 'nobody'],
      [spend(base.coinbase(21), FEE), 'coinbase-immature', 'nobody'],
    ];
    for (const [tx, rule, blame] of cases) {
      expect(await rig.refusal(tx), rule).toMatchObject({ code: 'rule', rule, blame });
    }
    expect(await rig.submit(createTx({ ...spend(coin, FEE), timeRange: 120n }))).toBe('added');
    rig.check();
  });

  it('refuses more bytes than a fee can pay for before it computes an id', async () => {
    const rig = await open();
    const tx = spend(base.coinbase(1), FEE);
    const big = new Proxy(decodeTx(withArguments(tx, [new Uint8Array(200_001)]).raw), {
      get(target, name) {
        if (name === 'id' || name === 'inputIds') throw new Error('no id is needed');
        return Reflect.get(target, name, target);
      },
    });
    expect(await rig.submit(big)).toBe('tx-storage-gas');
  });

  it('refuses two inputs that are one entry, where the rules do not yet', async () => {
    const rig = await open();
    const coin = base.coinbase(1);
    const amount = 2n * coin.amount - FEE;
    const tx = transaction({ from: [coin, coin], to: [{ to: ANYONE, amount }] });
    expect(await rig.submit(tx)).toBe('duplicate-input');
  });

  it('refuses spends of blocked programs only where it is told to', async () => {
    const blocked = programOwner(CLASSIC_BLOCKED_PROGRAMS[4]!);
    const tx = spend({ ...base.coinbase(1), owner: blocked }, FEE);
    const strict = await open({ blockedPrograms: CLASSIC_BLOCKED_PROGRAMS });
    expect(await strict.refusal(tx)).toEqual({ code: 'blocked-program', input: 0 });
    expect(await strict.submit(spend(base.coinbase(2), FEE, blocked))).toBe('added');
    const open_ = await open();
    expect(await open_.submit(tx)).toBe('tx-program');
  });

  it('lets 25 stand below one, and no more', async () => {
    const rig = await open();
    const all = chainOf(base.coinbase(1), 27, FEE / 40n);
    for (const tx of all.slice(0, 26)) expect(await rig.submit(tx)).toBe('added');
    expect(await rig.submit(all[26]!)).toBe('too-many-ancestors');
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [all[0]!] }));
    expect(await rig.submit(all[26]!)).toBe('added');
    rig.check();
  });

  it('forgets a bad witness: the same id with a good one is taken', async () => {
    const rig = await open();
    const { fork, coin } = ownedCoin(keyOwner(1));
    await rig.connect(fork.tip);
    const good = spend(coin, FEE);
    const bad = withArguments(good, [new Uint8Array(64), new Uint8Array(32)]);
    expect(idText(bad)).toBe(idText(good));
    const all = [bad, good, bad].map((tx) => rig.submit(tx));
    expect(await Promise.all(all)).toEqual(['tx-program', 'added', 'known']);
    expect(rig.pool.get(good.id)?.tx.raw).toEqual(good.raw);
  });

  it('says known of what a block has, whether its outputs are spent or not', async () => {
    const rig = await open();
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [a!, b!] }));
    expect([await rig.submit(a!), await rig.submit(b!)]).toEqual(['known', 'known']);
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([0, 0]);
  });

  it('takes one that fails, and moves nothing but its BTM', async () => {
    const rig = await open();
    const gold = issuer(ANYONE);
    const issue = transaction({
      from: [base.coinbase(1)],
      issue: [{ issuer: gold, amount: 9n }],
      to: [
        { to: ANYONE, amount: base.coinbase(1).amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    const goldCoin = coinOf(issue, 1, ANYONE);
    const nowhere: Coin = { ...goldCoin, sourcePosition: 7n };
    const failed = failing(base.coinbase(2), [goldCoin, nowhere]);
    expect(await rig.submit(issue)).toBe('added');
    expect(await rig.submit(failed)).toBe('added');
    expect(rig.pool.get(failed.id)?.statusFail).toBe(true);
    // What it would have made is not there, and what it would have taken is.
    const made = transaction({
      from: [coinOf(failed, 0, ANYONE), coinOf(failed, 1, ANYONE)],
      to: [
        { to: ANYONE, amount: failed.outputs[0]!.amount - FEE },
        { to: ANYONE, amount: 5n, assetId: failed.outputs[1]!.assetId },
      ],
    });
    expect(await rig.submit(made)).toBe('orphan');
    const taken = transaction({
      from: [coinOf(issue, 0, ANYONE), goldCoin],
      to: [
        { to: ANYONE, amount: issue.outputs[0]!.amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    expect(await rig.submit(taken)).toBe('added');
    expect(await rig.submit(spend(coinOf(failed, 0, ANYONE), FEE))).toBe('added');
    rig.check();
    const block = base.fork(BASE_HEIGHT).block({
      transactions: rig.pool.transactions().map(({ tx }) => tx),
    });
    expect(await rig.rig.submit(block)).toBe('connected');
    expect([rig.pool.size, rig.pool.counts.removed.confirmed]).toEqual([0, 4]);
  });

  it('drops what has stood there for three days, and what stands on it', async () => {
    const rig = await open();
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    await rig.submit(a!);
    await rig.rig.clock.advance(72 * 3_600_000 - 1);
    const young = spend(base.coinbase(2), FEE);
    await rig.submit(young);
    await rig.submit(b!);
    const fork = base.fork(BASE_HEIGHT);
    await rig.connect(fork.block());
    expect(rig.pool.size).toBe(3);
    await rig.rig.clock.advance(2);
    await rig.connect(fork.block());
    expect(rig.ids).toEqual([idText(young)]);
    expect(rig.pool.counts.removed.expired).toBe(2);
  });

  it('drops what no block can take any more, and what stands on it', async () => {
    const rig = await open();
    const coin = base.coinbase(1);
    const to = [{ to: ANYONE, amount: coin.amount - FEE }];
    const timed = transaction({ from: [coin], to, timeRange: 121n });
    const child = spend(coinOf(timed, 0, ANYONE), FEE);
    for (const tx of [timed, child]) await rig.submit(tx);
    const fork = base.fork(BASE_HEIGHT);
    await rig.connect(fork.block());
    expect(rig.pool.size).toBe(2);
    rig.check();
    await rig.connect(fork.block());
    expect(rig.events.slice(2)).toEqual([timed, child].map((tx) => `- ${idText(tx)} expired`));
  });
});

describe('transactions that depend on the height', () => {
  it('have to be valid at the tip and in the next block', async () => {
    for (const [owner, verdict] of [
      [below(122), 'added'],
      [below(121), 'tx-program'],
      [from(120), 'added'],
      [from(121), 'tx-program'],
    ] as const) {
      const rig = await open();
      const { fork, coin } = ownedCoin(owner);
      await rig.connect(fork.tip);
      const tx = spend(coin, FEE);
      if (verdict === 'added') expect(await rig.submit(tx)).toBe('added');
      // An honest peer that is ahead, or behind, may send the same.
      else expect(await rig.refusal(tx)).toMatchObject({ rule: verdict, blame: 'nobody' });
    }
  });

  it('are validated again for every tip, and drop with what stands on them', async () => {
    const rig = await open();
    const { fork, coin } = ownedCoin(below(124));
    await rig.connect(fork.tip);
    const [a, b] = [spend(coin, FEE), spend(coinOf(spend(coin, FEE), 0, ANYONE), FEE)];
    const other = spend(base.coinbase(2), FEE);
    for (const tx of [a, b, other]) await rig.submit(tx);
    for (const height of [121, 122]) {
      // At once after the tip, before anything could be validated again.
      rig.rig.chain.onTip(() => expect(rig.ids).toEqual([idText(other)]));
      await rig.connect(fork.block());
      expect(rig.ids, `${height}`).toHaveLength(3);
      rig.check();
    }
    await rig.connect(fork.block());
    expect(rig.ids).toEqual([idText(other)]);
    expect(rig.pool.counts.removed.invalid).toBe(2);
  });

  it('come back with another status where they only fail', async () => {
    const rig = await open();
    const gold = issuer(programOwner(assemble(`123 BLOCKHEIGHT GREATERTHAN`)));
    const tx = transaction({
      from: [base.coinbase(1)],
      issue: [{ issuer: gold, amount: 9n }],
      to: [
        { to: ANYONE, amount: base.coinbase(1).amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    const child = transaction({
      from: [coinOf(tx, 0, ANYONE), coinOf(tx, 1, ANYONE)],
      to: [
        { to: ANYONE, amount: tx.outputs[0]!.amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    for (const each of [tx, child]) expect(await rig.submit(each)).toBe('added');
    const fork = base.fork(BASE_HEIGHT);
    for (const [height, fails, size] of [
      [120, false, 2],
      [121, false, 2],
      [122, true, 1],
      [123, true, 1],
    ] as const) {
      await rig.connect(fork.block());
      expect(rig.pool.get(tx.id)?.statusFail, `${height}`).toBe(fails);
      expect(rig.ids, `${height}`).toHaveLength(size);
      rig.check();
    }
  });

  it('are few', async () => {
    const rig = await open({ maxHeightBound: 1 });
    const { fork, coin } = ownedCoin(below(500));
    const second = spend(base.coinbase(2), FEE, below(500));
    fork.block({ transactions: [second] });
    await rig.connect(...fork.blocks.slice(-2));
    expect(await rig.submit(spend(coin, FEE))).toBe('added');
    expect(await rig.submit(spend(coinOf(second, 0, below(500)), FEE))).toBe(
      'too-many-height-bound',
    );
  });
});

describe('a full pool', () => {
  it('lets the worst go for one that pays more, and says what it would take', async () => {
    const rig = await open({ maxTransactions: 3 });
    const cheap = spend(base.coinbase(1), FEE);
    const good = spend(base.coinbase(2), 3n * FEE);
    const other = spend(base.coinbase(3), 2n * FEE);
    for (const tx of [cheap, good, other]) await rig.submit(tx);
    const refused = await rig.refusal(spend(base.coinbase(4), FEE));
    expect(refused).toMatchObject({ code: 'full', fee: FEE, feeNeeded: expect.any(BigInt) });
    const { feeNeeded } = refused as { feeNeeded: bigint };
    const enough = spend(base.coinbase(4), feeNeeded + FEE / 1000n);
    expect(await rig.submit(enough)).toBe('added');
    expect(rig.events.at(-2)).toBe(`- ${idText(cheap)} evicted`);
    expect(rig.ids).toEqual([good, other, enough].map(idText));
    expect(rig.pool.counts.removed.evicted).toBe(1);
    rig.check();
  });

  it('refuses what cannot pay enough before it runs its programs', async () => {
    const rig = await open({ maxTransactions: 1 });
    await rig.submit(spend(base.coinbase(1), 100n * FEE));
    const bad = withArguments(spend({ ...base.coinbase(2), owner: keyOwner(1) }, FEE), []);
    expect(await rig.submit(bad)).toBe('full');
  });

  it('lets a child protect a parent that pays little, and both go together', async () => {
    const rig = await open({ maxTransactions: 3 });
    const parent = spend(base.coinbase(1), FEE);
    const child = spend(coinOf(parent, 0, ANYONE), 9n * FEE);
    const single = spend(base.coinbase(2), 3n * FEE);
    for (const tx of [parent, child, single]) await rig.submit(tx);
    const better = spend(base.coinbase(3), 4n * FEE);
    expect(await rig.submit(better)).toBe('added');
    expect(rig.events.at(-2)).toBe(`- ${idText(single)} evicted`);
    const best = spend(base.coinbase(4), 20n * FEE);
    await rig.submit(best);
    await rig.submit(spend(base.coinbase(5), 21n * FEE));
    expect(rig.pool.size).toBe(2);
    expect(rig.pool.has(child.id)).toBe(false);
    rig.check();
  });

  it('does not take what it would have to let its own ancestors go for', async () => {
    const rig = await open({ maxTransactions: 2 });
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    for (const tx of [a!, b!]) await rig.submit(tx);
    const child = spend(coinOf(b!, 0, ANYONE), 50n * FEE);
    expect(await rig.submit(child)).toBe('full');
    expect(rig.ids).toEqual([a!, b!].map(idText));
  });

  it('counts memory, not only transactions', async () => {
    const [a, b] = [spend(base.coinbase(1), FEE), spend(base.coinbase(2), 2n * FEE)];
    const rig = await open({ maxBytes: footprint(a) + 100 });
    expect(await rig.submit(a)).toBe('added');
    expect(await rig.submit(b)).toBe('added');
    expect([rig.ids, rig.pool.bytes]).toEqual([[idText(b)], footprint(b)]);
    const huge = spend(base.coinbase(3), 90n * FEE, ANYONE, 30);
    expect(await rig.submit(huge)).toBe('full');
    expect(rig.pool.size).toBe(1);
  });

  it('weighs what fills memory for little gas by its memory', async () => {
    const rig = await open({ maxTransactions: 1 });
    const plain = failing(base.coinbase(1));
    const hungry = createTx({
      ...failing(base.coinbase(2)),
      inputs: failing(base.coinbase(2)).inputs.map((input) =>
        input.type === 'issuance'
          ? { ...input, arguments: Array.from({ length: 20_000 }, () => new Uint8Array(0)) }
          : input,
      ),
    });
    await rig.submit(plain);
    expect(await rig.submit(hungry)).toBe('full');
  });
});

describe('orphans of the pool', () => {
  it('wait for a parent in the pool, however they come', async () => {
    const rig = await open();
    const all = chainOf(base.coinbase(1), 4, FEE);
    for (const tx of all.slice(1).reverse()) expect(await rig.submit(tx)).toBe('orphan');
    expect([rig.pool.orphanCount, rig.pool.size]).toEqual([3, 0]);
    expect(rig.pool.has(all[2]!.id)).toBe(false);
    expect(await rig.submit(all[2]!)).toBe('orphan');
    expect(await rig.submit(all[0]!)).toBe('added');
    await settle();
    expect(rig.ids).toEqual(all.map(idText));
    expect([rig.pool.orphanCount, rig.pool.counts.orphaned]).toEqual([0, 3]);
    rig.check();
  });

  it('wait for a parent in a block', async () => {
    const rig = await open();
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    expect(await rig.submit(b!)).toBe('orphan');
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [a!] }));
    expect(rig.ids).toEqual([idText(b!)]);
    rig.check();
  });

  it('wait for every coin that is missing', async () => {
    const rig = await open();
    const parents = [1, 2].map((height) => spend(base.coinbase(height), FEE));
    const from = parents.map((tx) => coinOf(tx, 0, ANYONE));
    const to = [{ to: ANYONE, amount: from[0]!.amount + from[1]!.amount - FEE }];
    const child = transaction({ from, to });
    await rig.submit(child);
    await rig.submit(parents[0]!);
    await settle();
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([1, 1]);
    await rig.submit(parents[1]!);
    await settle();
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([3, 0]);
    expect(rig.pool.counts.orphaned).toBe(1);
  });

  it('are dropped after ten minutes, a coin that came meanwhile or not', async () => {
    const rig = await open();
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    await rig.submit(b!);
    await rig.rig.clock.advance(600_000);
    expect(rig.pool.orphanCount).toBe(1);
    await rig.rig.clock.advance(1);
    expect(rig.pool.orphanCount).toBe(0);
    await rig.submit(a!);
    await settle();
    expect(rig.pool.size).toBe(1);
  });

  it('are checked for conflicts when their coin comes', async () => {
    const rig = await open();
    const parent = spend(base.coinbase(1), FEE);
    const coin = coinOf(parent, 0, ANYONE);
    const rivals = [spend(coin, FEE), spend(coin, 2n * FEE)];
    for (const tx of rivals) expect(await rig.submit(tx)).toBe('orphan');
    await rig.submit(parent);
    await settle();
    expect(rig.ids).toEqual([parent, rivals[0]!].map(idText));
    expect(rig.pool.orphanCount).toBe(0);
    expect(rig.pool.counts.refused).toEqual(new Map([['conflict', 1]]));
  });

  it('are dropped when their coin comes too late for their time range', async () => {
    const rig = await open();
    const parent = spend(base.coinbase(1), FEE);
    const coin = coinOf(parent, 0, ANYONE);
    const to = [{ to: ANYONE, amount: coin.amount - FEE }];
    expect(await rig.submit(transaction({ from: [coin], to, timeRange: 120n }))).toBe('orphan');
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [parent] }));
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([0, 0]);
    expect(rig.pool.counts.refused).toEqual(new Map([['tx-time-range', 1]]));
  });

  it('are dropped when a block has them, even without the coin that was missing', async () => {
    const rig = await open();
    const owner = keyOwner(1);
    const coin = base.coinbase(1);
    const gold = issuer(ANYONE);
    const nowhere = { ...coin, assetId: gold.assetId, amount: 5n, owner };
    const plan = (unlocked: Coin) => ({
      from: [coin, unlocked],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: ANYONE, amount: 5n, assetId: gold.assetId },
      ],
    });
    expect(await rig.submit(transaction(plan(nowhere)))).toBe('orphan');
    // With a bad witness it fails, so that the gold is not asked for.
    const failed = transaction(plan({ ...nowhere, owner: { ...owner, unlock: () => [] } }));
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [failed] }));
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([0, 0]);
  });

  it('may not join strings, which the reference judges otherwise: of that, nobody is to blame', async () => {
    const rig = await open();
    const spending = (text: string): Tx => {
      const owner = scriptOwner(assemble(text));
      const fan = transaction({
        from: [base.coinbase(1)],
        to: [{ to: owner, amount: base.coinbase(1).amount - FEE }],
      });
      return spend(coinOf(fan, 0, owner), FEE);
    };
    const endless = { rule: 'tx-program-endless', blame: 'nobody' };
    for (const text of ['1 2 CAT', '0 2 CAT', '1 2 CATPUSHDATA', '1 0 CATPUSHDATA']) {
      expect(await rig.refusal(spending(text)), text).toMatchObject(endless);
    }
    // With nothing at the end, nothing is written.
    expect(await rig.submit(spending('1 0 CAT'))).toBe('orphan');
  });

  it('get less time than what is paid for', async () => {
    const rig = await open();
    const long = issuer(
      programOwner(
        assemble(
          '2500 $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:$end ' +
            `RAW:0x${'61'.repeat(41)} $end`,
        ),
      ),
    );
    const issuing = (coin: Coin): Tx =>
      transaction({
        from: [coin],
        issue: [{ issuer: long, amount: 5n }],
        to: [
          { to: ANYONE, amount: coin.amount - FEE },
          { to: ANYONE, amount: 5n, assetId: long.assetId },
        ],
      });
    const nowhere: Coin = { ...base.coinbase(1), sourcePosition: 9n };
    expect(await rig.refusal(issuing(nowhere))).toMatchObject({
      rule: 'tx-program-endless',
      blame: 'nobody',
    });
    expect(await rig.submit(issuing(base.coinbase(1)))).toBe('added');
  });

  it('have to be valid', async () => {
    const rig = await open();
    const nowhere: Coin = { ...base.coinbase(1), sourcePosition: 9n };
    expect(await rig.submit(spend({ ...nowhere, owner: NOBODY }, FEE))).toBe('tx-program');
    expect(await rig.submit(spend(nowhere, FEE))).toBe('orphan');
  });
});

describe('a pool under load', () => {
  it('comes to the same end however submissions overlap', async () => {
    const rig = await open();
    const all = [1, 2, 3].flatMap((height) => chainOf(base.coinbase(height), 5, FEE));
    const rivals = [1, 2, 3].map((height) => spend(base.coinbase(height), 2n * FEE));
    const results = await Promise.all([...all, ...rivals, ...all].map((tx) => rig.submit(tx)));
    expect(results).toEqual([
      ...all.map(() => 'added'),
      ...rivals.map(() => 'conflict'),
      ...all.map(() => 'known'),
    ]);
    rig.check();
  });

  it('takes so many submissions of peers at once, and this node’s own beside them', async () => {
    const rig = await open({ maxQueued: 4 });
    const all = Array.from({ length: 7 }, (_, i) => spend(base.coinbase(i + 1), FEE));
    const peers = all.slice(0, 6).map((tx) => rig.submit(tx));
    const own = rig.submit(all[6]!, 'local');
    expect(rig.pool.queued).toBe(5);
    expect(await Promise.all(peers)).toEqual([
      ...Array(4).fill('added'),
      'overloaded',
      'overloaded',
    ]);
    expect(await own).toBe('added');
    const { events } = rig;
    expect(events[0]).toBe(`+ ${idText(all[6]!)}`);
    expect(await rig.submit(all[5]!)).toBe('added');
  });

  it('counts the memory of what waits', async () => {
    const [a, b] = [spend(base.coinbase(1), FEE), spend(base.coinbase(2), FEE)];
    const rig = await open({ maxQueuedBytes: footprint(a) + 10 });
    expect(await Promise.all([rig.submit(a), rig.submit(b)])).toEqual(['added', 'overloaded']);
  });

  it('lets a submission be given up before its turn', async () => {
    const rig = await open();
    const abort = new AbortController();
    const [a, b] = [spend(base.coinbase(1), FEE), spend(base.coinbase(2), FEE)];
    const first = rig.submit(a);
    const given = rig.submit(b, 'peer', abort.signal);
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    expect(await first).toBe('added');
    await expect(rig.submit(b, 'peer', abort.signal)).rejects.toThrow('enough');
    expect(rig.ids).toEqual([idText(a)]);
  });

  it('ends: what waits is rejected, and nothing is taken any more', async () => {
    const rig = await open();
    const waiting = [1, 2].map((height) => rig.submit(spend(base.coinbase(height), FEE)));
    await rig.pool.close();
    expect(await Promise.all(waiting)).toEqual(['closed', 'closed']);
    expect(await rig.submit(spend(base.coinbase(3), FEE))).toBe('closed');
    await rig.connect(base.fork(BASE_HEIGHT).block());
    await rig.pool.close();
    expect(rig.pool.size).toBe(0);
  });

  it('gives everything else its turn between programs without an end, and stops each', async () => {
    const rig = await open();
    // However fast the machine is, each of them takes longer than a slice.
    let ms = 0;
    rig.rig.clock.now = () => (ms += 25);
    /** Each round gains what it costs. */
    const loop = assemble('$l 0 0xc4 1 CHECKPREDICATE DROP JUMP:$l');
    const endless = issuer(programOwner(concatBytes(loop, new Uint8Array(300))));
    const all = [1, 2, 3].map((height) =>
      transaction({
        from: [base.coinbase(height)],
        issue: [{ issuer: endless, amount: 5n }],
        to: [
          { to: ANYONE, amount: base.coinbase(height).amount - FEE },
          { to: ANYONE, amount: 5n, assetId: endless.assetId },
        ],
      }),
    );
    let turns = 0;
    const refused = Promise.all(all.map((tx) => rig.refusal(tx)));
    const isDone = refused.then(() => true);
    while (!(await Promise.race([isDone, nextTurn(false)]))) turns++;
    for (const detail of await refused) {
      expect(detail).toMatchObject({ rule: 'tx-program-endless', blame: 'nobody' });
    }
    expect(turns).toBeGreaterThan(1);
    expect(rig.pool.size).toBe(0);
  });

  it('goes on where a listener throws', async () => {
    const rig = await open();
    rig.pool.onAdded(() => {
      throw new Error('broken');
    });
    const end = rig.pool.onAdded(() => rig.events.push('second'));
    expect(await rig.submit(spend(base.coinbase(1), FEE))).toBe('added');
    expect(rig.events.at(-1)).toBe('second');
    end();
    await rig.submit(spend(base.coinbase(2), FEE));
    expect(rig.events.at(-1)).not.toBe('second');
    expect(rig.rig.log.of('mempool listener failed')).toHaveLength(2);
  });
});

describe('a gas refund', () => {
  it('that is more than was used keeps a transaction out', async () => {
    const rig = await open();
    const text = '300 $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:600';
    const gaining = issuer(programOwner(concatBytes(assemble(text), new Uint8Array(500))));
    const coin = base.coinbase(1);
    const tx = transaction({
      from: [coin],
      issue: [{ issuer: gaining, amount: 5n }],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: ANYONE, amount: 5n, assetId: gaining.assetId },
      ],
    });
    expect(tx.outputs[1]!.assetId).not.toEqual(BTM_ASSET_ID);
    expect(await rig.refusal(tx)).toMatchObject({ code: 'negative-gas' });
  });
});
