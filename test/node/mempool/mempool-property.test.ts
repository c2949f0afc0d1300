/**
 * Random spends, blocks and reorganisations. After every step the pool has to be whole: a valid block
 * can be made of all of it, no coin is taken twice, each is in the chain or made by one that comes
 * before. And where no limit decides, nothing may be missing: what a reorganisation took out of blocks,
 * and what was put aside, is there if its coins are.
 */
import { describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import type { MempoolOptions } from '../../../src/node/mempool/mempool-options.ts';
import { bytesEqual, bytesToHex } from '../../../src/util/bytes.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import {
  ANYONE,
  type Coin,
  coinOf,
  FEE,
  issuer,
  NOBODY,
  programOwner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { BASE_HEIGHT, base, PoolRig } from './pool-rig.ts';

type Random = () => number;

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}

function int(below: number, random: Random): number {
  return Math.floor(random() * below);
}

const GOLD = issuer(ANYONE);
/** Its issuance fails, so the transaction is status fail. */
const FOOLS_GOLD = issuer(programOwner(assemble('FALSE')));

/** A coin, and the transaction and id that name it. */
interface Known {
  readonly coin: Coin;
  readonly id: Uint8Array;
  readonly maker: Tx;
}

function known(maker: Tx, index: number, owner = ANYONE): Known {
  return { coin: coinOf(maker, index, owner), id: maker.results[index]!.id, maker };
}

/** Transactions that exist, in a pool or block or nowhere yet, and what they make. */
class World {
  readonly #random: Random;
  readonly #rig: PoolRig;
  readonly txs: Tx[] = [];
  readonly #btm: Known[] = base.blocks
    .slice(1, 9)
    .map(({ transactions }) => known(transactions[0]!, 0));
  readonly #gold: Known[] = [];

  constructor(rig: PoolRig, random: Random) {
    this.#rig = rig;
    this.#random = random;
  }

  /** A transaction of coins that exist somewhere, which others may have spent already. */
  make(height: number): Tx {
    const random = this.#random;
    const from = [this.#coin()];
    if (random() < 0.2) {
      const other = this.#coin();
      if (!from.includes(other)) from.push(other);
    }
    const amount = from.reduce((sum, coin) => sum + coin.amount, 0n) - this.#fee();
    const golds = this.#gold.length > 0 && random() < 0.3 ? [pick(this.#gold, random).coin] : [];
    const issue = random() < 0.25 ? [{ issuer: GOLD, amount: 7n }] : [];
    const fails = random() < 0.15 ? [{ issuer: FOOLS_GOLD, amount: 3n }] : [];
    const parts = BigInt(1 + int(3, random));
    const owner = random() < 0.2 ? this.#heightOwner(height) : ANYONE;
    const to = Array.from({ length: Number(parts) }, (_, i) => ({
      to: i === 0 ? owner : ANYONE,
      amount: i === 0 ? amount - (amount / parts) * (parts - 1n) : amount / parts,
    }));
    const others = [
      ...golds.map((coin) => ({ to: ANYONE, amount: coin.amount, assetId: GOLD.assetId })),
      ...issue.map((each) => ({ to: ANYONE, amount: each.amount, assetId: GOLD.assetId })),
      ...fails.map((each) => ({ to: NOBODY, amount: each.amount, assetId: FOOLS_GOLD.assetId })),
    ];
    const timeRange = random() < 0.15 ? BigInt(height + int(4, random)) : 0n;
    const tx = transaction({
      from: [...from, ...golds],
      issue: [...issue, ...fails],
      to: [...to, ...others],
      timeRange,
    });
    this.txs.push(tx);
    tx.outputs.forEach((output, i) => {
      if (tx.results[i]!.retirement) return;
      const coin = known(tx, i, i === 0 ? owner : ANYONE);
      const isGold = bytesToHex(output.assetId) === bytesToHex(GOLD.assetId);
      (isGold ? this.#gold : this.#btm).push(coin);
    });
    return tx;
  }

  /** Spends a coin that one of the last blocks of the main chain has spent already. */
  rival(): Tx | undefined {
    const { chain } = this.#rig.rig;
    const last = [0, 1, 2].map((below) => chain.blockAt(chain.tip.header.height - below));
    const [rival] = last.flatMap((block) => block?.transactions.slice(1) ?? []);
    const spent = rival?.spentOutputIds[0];
    const coin = this.#btm.find(({ id }) => spent !== undefined && bytesEqual(id, spent))?.coin;
    if (coin === undefined) return undefined;
    const amount = coin.amount - FEE / 40n - BigInt(int(1000, this.#random));
    return transaction({ from: [coin], to: [{ to: ANYONE, amount }] });
  }

  /** Mostly one that is there, whether the pool takes it already or not. */
  #coin(): Coin {
    const { pool, rig } = this.#rig;
    const rich = this.#btm.filter(({ coin }) => coin.amount > FEE);
    const there = rich.filter(
      ({ id, maker }) => pool.has(maker.id) || rig.chain.utxos.get(id) !== undefined,
    );
    return pick(this.#random() < 0.85 && there.length > 0 ? there : rich, this.#random).coin;
  }

  #fee(): bigint {
    return FEE / 40n + BigInt(int(1000, this.#random)) * (FEE / 10_000n);
  }

  /** Can be spent in blocks up to a height only. */
  #heightOwner(height: number): ReturnType<typeof scriptOwner> {
    const last = height + 1 + int(5, this.#random);
    return scriptOwner(assemble(`${last} BLOCKHEIGHT GREATERTHAN`));
  }
}

/** Each coin is taken once, and is in the chain or made by one that comes before. */
function checkCoins(rig: PoolRig, label: string): void {
  const { chain } = rig.rig;
  const taken = new Set<string>();
  const made = new Set<string>();
  for (const { tx, statusFail } of rig.pool.transactions()) {
    tx.inputs.forEach((input, i) => {
      if (input.type !== 'spend' || (statusFail && input.assetId[0] !== 0xff)) return;
      const id = tx.spentOutputIds[i]!;
      const key = bytesToHex(id);
      expect(taken.has(key), `${label}: a coin taken twice`).toBe(false);
      taken.add(key);
      const exists = made.has(key) || chain.utxos.get(id) !== undefined;
      expect(exists, `${label}: a coin that is nowhere`).toBe(true);
    });
    tx.outputs.forEach((output, i) => {
      if (!statusFail || output.assetId[0] === 0xff) made.add(bytesToHex(tx.results[i]!.id));
    });
  }
}

/** Whether all coins of a transaction are there, and nobody takes them. */
function hasCoins(rig: PoolRig, tx: Tx): boolean {
  const taken = new Set<string>();
  const made = new Set<string>();
  for (const pooled of rig.pool.transactions()) {
    for (const id of pooled.tx.spentOutputIds) if (id !== undefined) taken.add(bytesToHex(id));
    if (pooled.statusFail) continue;
    for (const { id } of pooled.tx.results) made.add(bytesToHex(id));
  }
  return tx.spentOutputIds.every((id) => {
    if (id === undefined) return true;
    const key = bytesToHex(id);
    return !taken.has(key) && (made.has(key) || rig.rig.chain.utxos.get(id) !== undefined);
  });
}

/** What is told of what comes and goes adds up to what is there. */
function checkEvents(rig: PoolRig, label: string): void {
  const there = new Set<string>();
  for (const event of rig.events) {
    const id = event.slice(2, 66);
    const change = event[0] === '+' ? !there.has(id) : there.has(id);
    expect(change, `${label}: ${event}`).toBe(true);
    if (event[0] === '+') there.add(id);
    else there.delete(id);
  }
  expect([...there].sort(), label).toEqual([...rig.ids].sort());
  expect(rig.pool.size, label).toBe(there.size);
}

/** A builder that goes on from the tip. */
function branchAt(rig: PoolRig): ChainBuilder {
  const { chain } = rig.rig;
  const { height } = chain.tip.header;
  const start = Array.from({ length: height + 1 }, (_, at) => chain.blockAt(at)!);
  return new ChainBuilder({ start, pow: base.pow });
}

/** A block of some of the pool's transactions and of one that the pool may know nothing of. */
function mine(rig: PoolRig, branch: ChainBuilder, world: World, random: Random): void {
  const height = branch.height + 1;
  const pooled = rig.pool.transactions().map(({ tx }) => tx);
  const onTip = bytesToHex(branch.tip.hash) === rig.rig.tipHash;
  const some = onTip ? pooled.slice(0, int(pooled.length + 1, random)) : [];
  const other = onTip || random() < 0.3 ? world.make(height) : world.rival();
  const candidates = random() < 0.6 && other !== undefined ? [...some, other] : some;
  branch.block({ transactions: candidates });
}

describe('a pool on a chain that grows and changes at random', () => {
  const seen = new Map<string, number>();

  async function run(seed: number, options: MempoolOptions): Promise<void> {
    const random = seededRandom(seed);
    const rig = await PoolRig.open(options);
    const world = new World(rig, random);
    const isLimited = options.maxTransactions !== undefined;
    let detached: Tx[] = [];
    const putAside = new Set<Tx>();
    rig.rig.chain.onTip(({ disconnected }) => {
      for (const { block } of disconnected) detached.push(...block().transactions.slice(1));
    });
    let branches = [base.fork(BASE_HEIGHT)];
    for (let step = 0; step < 30; step++) {
      const label = `run ${seed}, step ${step}`;
      const { height } = rig.rig.chain.tip.header;
      const what = random();
      if (what < 0.6) {
        const batch = Array.from({ length: 1 + int(4, random) }, () => world.make(height));
        if (world.txs.length > 4) batch.push(pick(world.txs, random));
        if (random() < 0.5) batch.reverse();
        const all = batch.map((tx) => rig.submit(tx, random() < 0.2 ? 'local' : 'peer'));
        for (const [i, result] of (await Promise.all(all)).entries()) {
          seen.set(result, 1 + (seen.get(result) ?? 0));
          if (result === 'orphan') putAside.add(batch[i]!);
        }
      } else {
        if (random() < 0.4) {
          const from = pick(branches, random);
          const at = Math.max(BASE_HEIGHT, from.height - 1 - int(2, random));
          branches = [...branches.slice(-2), from.fork(at)];
        }
        const branch = random() < 0.5 ? branches.at(-1)! : pick(branches, random);
        for (let blocks = 1 + int(4, random); blocks > 0; blocks--) {
          mine(rig, branch, world, random);
          const submitted = rig.rig.submit(branch.tip);
          // Some come while the block is on its way.
          const racing = random() < 0.3 ? rig.submit(world.make(height)) : undefined;
          const result = await submitted;
          await racing;
          if (result === 'connected' || result === 'side') continue;
          // It spends what its branch does not have: the branch is of no use.
          branches = branches.filter((each) => each !== branch);
          if (branches.length === 0) branches = [branchAt(rig)];
          break;
        }
      }
      await settle();
      rig.check(label);
      checkCoins(rig, label);
      checkEvents(rig, label);
      for (const tx of isLimited ? [] : putAside) {
        if (rig.pool.has(tx.id)) putAside.delete(tx);
        else if (hasCoins(rig, tx)) expect(await rig.submit(tx), label).not.toBe('orphan');
      }
      for (const tx of isLimited ? [] : detached) {
        const result = await rig.submit(tx);
        seen.set(`detached: ${result}`, 1 + (seen.get(`detached: ${result}`) ?? 0));
        expect(result, `${label}: one of a block that left`).not.toBe('added');
      }
      detached = [];
      const { maxTransactions = 10_000, maxBytes = 2 ** 26 } = options;
      expect(rig.pool.size, label).toBeLessThanOrEqual(maxTransactions);
      expect(rig.pool.bytes, label).toBeLessThanOrEqual(maxBytes);
    }
    const { removed } = rig.pool.counts;
    for (const [reason, times] of Object.entries(removed)) {
      seen.set(`- ${reason}`, times + (seen.get(`- ${reason}`) ?? 0));
    }
    seen.set('reorganised', rig.rig.chain.counters.disconnected + (seen.get('reorganised') ?? 0));
    const { pool } = rig;
    await rig.close();
    expect(pool.queued).toBe(0);
  }

  for (let part = 0; part < 12; part++) {
    it(`is whole after every step (${part})`, async () => {
      await run(100 + part, {});
    });
    it(`is whole and within its limits after every step (${part})`, async () => {
      await run(900 + part, {
        maxTransactions: 12,
        maxAncestors: 3,
        maxHeightBound: 2,
        maxQueued: 3,
        orphans: { maxTransactions: 4 },
      });
    });
  }

  it('has met everything that can happen', () => {
    const missing = [
      'added',
      'known',
      'orphan',
      'conflict',
      'full',
      'overloaded',
      'too-many-ancestors',
      'tx-time-range',
      '- confirmed',
      '- conflict',
      '- returning',
      '- invalid',
      '- expired',
      '- evicted',
      'reorganised',
      'detached: known',
      'detached: orphan',
    ].filter((name) => (seen.get(name) ?? 0) < 3);
    expect(missing, JSON.stringify([...seen])).toEqual([]);
  });
});
