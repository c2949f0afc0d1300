import { describe, expect, it, onTestFinished } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { Mempool } from '../../../src/node/mempool/mempool.ts';
import type { MempoolOptions } from '../../../src/node/mempool/mempool-options.ts';
import { footprint } from '../../../src/node/mempool/pooled-tx.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import { settle } from '../../support/fake-clock.ts';
import { ANYONE, coinOf, FEE, issuer, keyOwner, transaction } from '../../support/spending.ts';
import { BASE_HEIGHT, base, chainOf, idText, PoolRig, spend, withArguments } from './pool-rig.ts';

async function open(options: MempoolOptions = {}): Promise<PoolRig> {
  const rig = await PoolRig.open(options);
  onTestFinished(() => rig.close());
  return rig;
}

describe('a new tip', () => {
  it('takes out what a block has, and leaves what stands on it', async () => {
    const rig = await open();
    const [a, b, c] = chainOf(base.coinbase(1), 3, FEE);
    for (const tx of [a!, b!, c!]) await rig.submit(tx);
    const fork = base.fork(BASE_HEIGHT);
    await rig.connect(fork.block({ transactions: [a!] }));
    expect(rig.ids).toEqual([b!, c!].map(idText));
    rig.check();
    await rig.connect(fork.block({ transactions: [b!, c!] }));
    expect(rig.ids).toEqual([]);
    expect(rig.pool.counts.removed).toMatchObject({ confirmed: 3, conflict: 0 });
  });

  it('takes out what spends a coin that is spent now, and what stands on it', async () => {
    const rig = await open();
    const [a, b] = chainOf(base.coinbase(1), 2, FEE);
    const other = spend(base.coinbase(2), FEE);
    for (const tx of [a!, b!, other]) await rig.submit(tx);
    const rival = spend(base.coinbase(1), 2n * FEE);
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [rival] }));
    expect(rig.ids).toEqual([idText(other)]);
    expect(rig.events.slice(3)).toEqual([a!, b!].map((tx) => `- ${idText(tx)} conflict`));
    expect(rig.pool.bytes).toBe(footprint(other));
    rig.check();
  });

  it('takes out what has lost one of its parents, whatever became of the other', async () => {
    const rig = await open();
    const parents = [1, 2].map((height) => spend(base.coinbase(height), FEE));
    const from = parents.map((tx) => coinOf(tx, 0, ANYONE));
    const to = [{ to: ANYONE, amount: from[0]!.amount + from[1]!.amount - FEE }];
    const child = transaction({ from, to });
    for (const tx of [...parents, child]) await rig.submit(tx);
    const rival = spend(base.coinbase(1), 2n * FEE);
    const transactions = [parents[1]!, rival];
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions }));
    expect(rig.ids).toEqual([]);
    expect(rig.pool.counts.removed).toMatchObject({ confirmed: 1, conflict: 2 });
  });

  it('leaves a child whose coin a rival of its parent has made as well', async () => {
    const rig = await open();
    const coin = base.coinbase(1);
    const half = coin.amount / 2n;
    const [first, second] = [0n, 1n].map((less) =>
      transaction({
        from: [coin],
        to: [
          { to: ANYONE, amount: half },
          { to: ANYONE, amount: half - FEE - less },
        ],
      }),
    );
    const child = spend(coinOf(first!, 0, ANYONE), FEE);
    const other = spend(coinOf(first!, 1, ANYONE), FEE);
    for (const tx of [first!, child, other]) await rig.submit(tx);
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [second!] }));
    expect(rig.ids).toEqual([idText(child)]);
    rig.check();
  });

  it('that has another witness, under which only BTM moves, takes out what needs the rest', async () => {
    const rig = await open();
    const gold = issuer(keyOwner(1));
    const coin = base.coinbase(1);
    const issue = transaction({
      from: [coin],
      issue: [{ issuer: gold, amount: 9n }],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    const failed = transaction({
      from: [coin],
      issue: [{ issuer: { ...gold, owner: { ...gold.owner, unlock: () => [] } }, amount: 9n }],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    expect(idText(failed)).toBe(idText(issue));
    const needsGold = transaction({
      from: [coinOf(issue, 0, ANYONE), coinOf(issue, 1, ANYONE)],
      to: [
        { to: ANYONE, amount: coin.amount - 2n * FEE },
        { to: ANYONE, amount: 9n, assetId: gold.assetId },
      ],
    });
    for (const tx of [issue, needsGold]) expect(await rig.submit(tx)).toBe('added');
    expect(rig.pool.get(issue.id)?.statusFail).toBe(false);
    await rig.connect(base.fork(BASE_HEIGHT).block({ transactions: [failed] }));
    expect(rig.ids).toEqual([]);
    expect(rig.pool.counts.removed).toMatchObject({ confirmed: 1, conflict: 1 });
  });

  it('that comes at any moment while a transaction is on its way is seen', async () => {
    const rig = await open();
    const fork = base.fork(BASE_HEIGHT);
    const results = new Set<string>();
    for (let coin = 1; coin <= 20; coin++) {
      const tx = spend(base.coinbase(coin), FEE);
      const isRival = coin % 2 === 0;
      const mined = isRival ? spend(base.coinbase(coin), 2n * FEE) : tx;
      const connected = rig.connect(fork.block({ transactions: [mined] }));
      // The block takes some turns, and most of them are of this kind.
      for (let wait = 3 * coin; wait > 0; wait--) await Promise.resolve();
      const result = await rig.submit(tx);
      await connected;
      results.add(result);
      const outcomes = isRival ? ['added', 'orphan'] : ['added', 'known'];
      expect(outcomes, `coin ${coin}`).toContain(result);
      expect(rig.ids).toEqual([]);
      if (!isRival) expect(rig.pool.has(tx.id)).toBe(false);
    }
    expect(results.size).toBeGreaterThan(1);
    // None of them is a transaction that a block has.
    expect(rig.pool.orphanCount).toBeLessThanOrEqual(10);
  });

  it('that the disk does not let it follow empties the pool, which goes on', async () => {
    const rig = await open();
    const { chain, clock, log } = rig.rig;
    let broken = false;
    const get = (outputId: Uint8Array) => {
      if (!broken) return chain.utxos.get(outputId);
      throw new StoreError({ code: 'damaged', directory: 'd', key: 'k', problem: 'missing' });
    };
    const onTip: typeof chain.onTip = (listener) =>
      chain.onTip((event) => {
        broken = true;
        listener(event);
        broken = false;
      });
    const pool = new Mempool({}, { chain: { tip: chain.tip, utxos: { get }, onTip }, clock, log });
    onTestFinished(() => pool.close());
    const [tx, other] = [spend(base.coinbase(1), FEE), spend(base.coinbase(2), FEE)];
    for (const each of [tx, other]) await pool.submit(each, { source: 'peer' });
    const fork = base.fork(BASE_HEIGHT);
    await rig.connect(fork.block());
    expect(pool.size).toBe(2);
    await rig.connect(fork.block({ transactions: [spend(base.coinbase(1), 2n * FEE)] }));
    expect([pool.size, pool.bytes, pool.transactions().length]).toEqual([0, 0, 0]);
    expect(log.of('memory pool emptied')).toHaveLength(1);
    expect(await pool.submit(other, { source: 'peer' })).toEqual({ result: 'added' });
  });
});

describe('a reorganisation', () => {
  it('brings back what only the old branch had, parents first, over several blocks', async () => {
    const rig = await open();
    const all = chainOf(base.coinbase(1), 5, FEE);
    const [a, b, c, d, e] = all as [Tx, Tx, Tx, Tx, Tx];
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [a, b] });
    old.block({ transactions: [c] });
    old.block();
    await rig.connect(...old.blocks.slice(-3));
    for (const tx of [d, e]) expect(await rig.submit(tx)).toBe('added');
    const better = base.fork(BASE_HEIGHT);
    better.block({ transactions: [a] });
    better.extend(3);
    await rig.connect(...better.blocks.slice(-4));
    expect(rig.rig.chain.tip.header.height).toBe(BASE_HEIGHT + 4);
    expect(rig.ids).toEqual([b, c, d, e].map(idText));
    expect(rig.pool.get(b.id)?.source).toBe('reorg');
    expect(rig.pool.get(d.id)?.source).toBe('peer');
    expect(rig.pool.orphanCount).toBe(0);
    rig.check();
  });

  it('leaves out what the new branch has spent otherwise, and what stood on that', async () => {
    const rig = await open();
    const [a, b, c] = chainOf(base.coinbase(1), 3, FEE);
    const free = spend(base.coinbase(2), FEE);
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [a!, b!, free] });
    await rig.connect(old.tip);
    await rig.submit(c!);
    const better = base.fork(BASE_HEIGHT);
    better.block({ transactions: [spend(base.coinbase(1), 2n * FEE)] });
    better.block();
    await rig.connect(...better.blocks.slice(-2));
    expect(rig.ids).toEqual([idText(free)]);
    rig.check();
    // They wait for their coins for a while, and are there if the old branch wins after all.
    expect(rig.pool.orphanCount).toBe(3);
    old.extend(2);
    await rig.connect(...old.blocks.slice(-2));
    expect(rig.ids).toEqual([idText(c!)]);
    // What waits now is what the other branch had.
    expect(rig.pool.orphanCount).toBe(1);
    rig.check();
  });

  it('takes a coinbase for good, and what stood on it', async () => {
    const rig = await open();
    const branch = base.fork(BASE_HEIGHT).extend(101);
    await rig.connect(...branch.blocks.slice(BASE_HEIGHT + 1));
    const tx = spend(branch.coinbase(BASE_HEIGHT + 1), FEE);
    expect(await rig.submit(tx)).toBe('added');
    const better = base.fork(BASE_HEIGHT).extend(102);
    await rig.connect(...better.blocks.slice(BASE_HEIGHT + 1));
    expect(rig.rig.chain.tip.header.height).toBe(BASE_HEIGHT + 102);
    expect([rig.pool.size, rig.pool.orphanCount]).toEqual([0, 1]);
    expect(rig.events.at(-1)).toBe(`- ${idText(tx)} returning`);
  });

  it('prefers what a block had to a rival that waited for the same coin', async () => {
    const rig = await open();
    const mined = spend(base.coinbase(1), FEE);
    const rival = spend(base.coinbase(1), 3n * FEE);
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [mined] });
    await rig.connect(old.tip);
    expect(await rig.submit(rival)).toBe('orphan');
    await rig.connect(...base.fork(BASE_HEIGHT).extend(2).blocks.slice(-2));
    expect(rig.ids).toEqual([idText(mined)]);
    expect(rig.pool.orphanCount).toBe(0);
  });

  it('validates what comes back: dust of a block stays away', async () => {
    const rig = await open();
    const coin = base.coinbase(1);
    const dust = transaction({
      from: [coin],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: ANYONE, amount: 0n },
      ],
    });
    const good = spend(base.coinbase(2), FEE);
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [dust, good] });
    await rig.connect(old.tip);
    await rig.connect(...base.fork(BASE_HEIGHT).extend(2).blocks.slice(-2));
    expect(rig.ids).toEqual([idText(good)]);
    expect(rig.pool.counts.refused).toEqual(new Map([['dust', 1]]));
  });

  it('does not confuse a pooled witness with that of a block', async () => {
    const rig = await open();
    const tx = spend(base.coinbase(1), FEE);
    const padded = withArguments(tx, [Uint8Array.of(1)]);
    await rig.submit(padded);
    const old = base.fork(BASE_HEIGHT);
    old.block({ transactions: [tx] });
    await rig.connect(old.tip);
    expect(rig.pool.size).toBe(0);
    await rig.connect(...base.fork(BASE_HEIGHT).extend(2).blocks.slice(-2));
    expect(rig.pool.get(tx.id)?.tx.raw).toEqual(tx.raw);
    await settle();
    rig.check();
  });
});
