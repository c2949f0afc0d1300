import { describe, expect, it } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { BTM_ASSET_ID } from '../../src/chain/tx-entries.ts';
import type { SpentUtxo, Utxo } from '../../src/chain/utxo.ts';
import { createCoinbase } from '../../src/consensus/coinbase.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { connectBlock, disconnectBlock } from '../../src/consensus/utxo-rules.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { MapUtxoView } from '../support/coins.ts';
import { seededRandom } from '../support/random.ts';
import { ANYONE } from '../support/spending.ts';

const GOLD = new Uint8Array(32).fill(1);
const NO_BYTES = new Uint8Array(0);

/** What of a transaction the coins see. */
interface Sketch {
  readonly spends: readonly { readonly id: number; readonly gold?: boolean }[];
  readonly makes: readonly {
    readonly id: number;
    readonly gold?: boolean;
    readonly retired?: boolean;
  }[];
  readonly failed?: boolean;
}

const idOf = (id: number): Uint8Array => Uint8Array.of(...new Uint8Array(31), id);
const assetOf = (gold = false): Uint8Array => (gold ? GOLD : BTM_ASSET_ID);

function blockOf(height: number, sketches: readonly Sketch[]): Block {
  const transactions = sketches.map(
    ({ spends, makes }): Tx => ({
      version: 1n,
      timeRange: 0n,
      inputs: spends.map(({ gold }) => ({
        type: 'spend',
        assetId: assetOf(gold),
        amount: 1n,
        sourceId: NO_BYTES,
        sourcePosition: 0n,
        controlProgram: NO_BYTES,
        arguments: [],
      })),
      outputs: makes.map(({ gold }) => ({
        assetId: assetOf(gold),
        amount: 1n,
        controlProgram: NO_BYTES,
      })),
      raw: NO_BYTES,
      id: NO_BYTES,
      muxId: NO_BYTES,
      inputIds: spends.map(({ id }) => idOf(id)),
      spentOutputIds: spends.map(({ id }) => idOf(id)),
      results: makes.map(({ id, retired = false }) => ({ id: idOf(id), retirement: retired })),
    }),
  );
  return { header: { ...SOLONET.genesis.header, height }, hash: NO_BYTES, transactions };
}

const failures = (sketches: readonly Sketch[]): boolean[] =>
  sketches.map(({ failed }) => failed === true);

function connect(view: MapUtxoView, height: number, sketches: readonly Sketch[]): SpentUtxo[] {
  return connectBlock(blockOf(height, sketches), failures(sketches), view);
}

function viewOf(coins: Readonly<Record<number, Utxo>>): MapUtxoView {
  const entries = Object.entries(coins);
  return new MapUtxoView(entries.map(([id, utxo]) => [bytesToHex(idOf(Number(id))), utxo]));
}

function refusalOf(act: () => unknown): RuleError['detail'] | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof RuleError) return error.detail;
    throw error;
  }
  return undefined;
}

describe('connecting a block', () => {
  it('takes what it spends, adds what it makes, and flags what transaction 0 made', () => {
    const view = viewOf({ 1: { height: 3, coinbase: false } });
    const taken = connect(view, 9, [
      { spends: [], makes: [{ id: 2 }] },
      { spends: [{ id: 1 }], makes: [{ id: 3 }, { id: 4, retired: true }, { id: 5, gold: true }] },
    ]);
    expect(taken).toEqual([{ outputId: idOf(1), height: 3, coinbase: false }]);
    expect(view.sorted()).toEqual(
      viewOf({
        2: { height: 9, coinbase: true },
        3: { height: 9, coinbase: false },
        5: { height: 9, coinbase: false },
      }).sorted(),
    );
  });

  it('moves nothing but BTM for a transaction that failed, whatever else it names', () => {
    const view = viewOf({ 1: { height: 3, coinbase: false } });
    connect(view, 9, [
      { spends: [], makes: [{ id: 2 }] },
      {
        spends: [{ id: 1 }, { id: 77, gold: true }],
        makes: [{ id: 3 }, { id: 4, gold: true }],
        failed: true,
      },
    ]);
    expect(view.sorted().map(([id]) => id)).toEqual([2, 3].map((id) => bytesToHex(idOf(id))));
  });

  it('counts an input that stands twice once, and misses a coin that two transactions spend', () => {
    const coin: Utxo = { height: 3, coinbase: false };
    const once: Sketch = { spends: [{ id: 1 }, { id: 2 }, { id: 1 }], makes: [{ id: 3 }] };
    const view = viewOf({ 1: coin, 2: coin });
    expect(connect(view, 9, [once]).map(({ outputId }) => outputId[31])).toEqual([1, 2]);

    const missing = viewOf({ 2: coin });
    expect(refusalOf(() => connect(missing, 9, [once]))).toMatchObject({
      rule: 'utxo-missing',
      blame: 'peer',
      transaction: 0,
      input: 0,
    });
    const both = viewOf({ 1: coin, 2: coin });
    const spends = [{ spends: [{ id: 2 }], makes: [] }, once];
    expect(refusalOf(() => connect(both, 9, spends))).toMatchObject({
      rule: 'utxo-missing',
      expected: `the coin ${bytesToHex(idOf(2))}, unspent`,
      transaction: 1,
      input: 1,
    });
  });

  it('lets a coinbase be spent 100 blocks later, any other coin at once', () => {
    const spend: Sketch[] = [{ spends: [{ id: 1 }], makes: [] }];
    for (const [height, coinbase, rule] of [
      [109, true, 'coinbase-immature'],
      [110, true, undefined],
      [11, false, undefined],
    ] as const) {
      const view = viewOf({ 1: { height: 10, coinbase } });
      expect(refusalOf(() => connect(view, height, spend))?.rule, `${height}`).toBe(rule);
    }
    // Its own reward is no exception.
    const own: Sketch[] = [{ spends: [], makes: [{ id: 1 }] }, ...spend];
    expect(refusalOf(() => connect(viewOf({}), 500, own))).toMatchObject({
      rule: 'coinbase-immature',
      transaction: 1,
      input: 0,
      expected: 'block 600 or later',
      actual: 'block 500',
    });
  });

  it('wants to know of each transaction whether it failed', () => {
    const block = blockOf(5, [{ spends: [], makes: [] }]);
    expect(() => connectBlock(block, [], viewOf({}))).toThrow(RangeError);
  });
});

describe('equal coinbases', () => {
  const coinbase = createCoinbase({ height: 1, program: ANYONE.program, amount: 41_250_000_000n });
  const [result] = coinbase.results;

  it('make one coin, as young as the last of them, and the first comes back with its block', () => {
    const chain = new ChainBuilder().extend(1);
    const first = chain.block({ first: coinbase });
    const second = chain.block({ first: coinbase });
    const view = new MapUtxoView();
    connectBlock(first, [false], view);
    expect(view.get(result!.id)).toEqual({ height: 2, coinbase: true });
    const taken = connectBlock(second, [false], view);
    expect(view.get(result!.id)).toEqual({ height: 3, coinbase: true });
    disconnectBlock(second, [false], taken, view);
    expect(view.get(result!.id)).toEqual({ height: 2, coinbase: true });
  });
});

describe('random blocks', () => {
  const random = seededRandom(13);
  const below = (n: number): number => Math.floor(random() * n);

  /** An id stands for one asset: it covers it. */
  const coin = (id: number): { id: number; gold: boolean } => ({ id, gold: id % 4 === 0 });

  function randomSketch(ids: number, newId: () => number): Sketch {
    const spends = Array.from({ length: below(4) }, () => coin(below(ids)));
    const makes = Array.from({ length: below(4) }, () => ({
      ...coin(newId()),
      retired: below(6) === 0,
    }));
    return { spends, makes, failed: below(4) === 0 };
  }

  function randomView(): MapUtxoView {
    const coins: Record<number, Utxo> = {};
    for (let id = 0; id < 24; id++) {
      if (below(4) > 0) coins[id] = { height: below(300), coinbase: below(5) === 0 };
    }
    return viewOf(coins);
  }

  it('change the coins as the rules say, or are refused; taken back, they leave no trace', () => {
    let connected = 0;
    for (let run = 0; run < 800; run++) {
      const height = 300 + below(120);
      const sketches = Array.from({ length: 1 + below(4) }, () =>
        randomSketch(24, () => below(24)),
      );
      const before = randomView();
      const view = before.copy();
      const expected = plainConnect(before, height, sketches);
      let taken: SpentUtxo[] = [];
      const refusal = refusalOf(() => {
        taken = connect(view, height, sketches);
      });
      expect(refusal?.rule, `run ${run}`).toBe(typeof expected === 'string' ? expected : undefined);
      if (typeof expected === 'string') continue;
      connected++;
      expect(view.sorted(), `run ${run}`).toEqual(expected.sorted());
      disconnectBlock(blockOf(height, sketches), failures(sketches), taken, view);
      expect(view.sorted(), `run ${run}`).toEqual(before.sorted());
    }
    expect(connected).toBeGreaterThan(100);
  });

  it('leave the coins that the reference has after going back and forth', () => {
    for (let run = 0; run < 80; run++) {
      let nextId = 24;
      const view = randomView();
      const reference = new ReferenceCoins(view);
      const chain: { height: number; sketches: Sketch[]; taken: SpentUtxo[] }[] = [];
      for (let step = 0; step < 12; step++) {
        const last = chain.at(-1);
        if (last !== undefined && below(3) === 0) {
          chain.pop();
          const failed = failures(last.sketches);
          disconnectBlock(blockOf(last.height, last.sketches), failed, last.taken, view);
          reference.detach(last.sketches);
        } else {
          const height = (last?.height ?? 400) + 1;
          const sketches = Array.from({ length: 1 + below(3) }, () =>
            randomSketch(nextId, () => nextId++),
          );
          const trial = view.copy();
          if (refusalOf(() => connect(trial, height, sketches)) !== undefined) continue;
          chain.push({ height, sketches, taken: connect(view, height, sketches) });
          reference.attach(height, sketches);
        }
        expect(spendable(view), `run ${run}, step ${step}`).toEqual(reference.spendable());
      }
    }
  });
});

/** The rules for coins, one by one. Returns the coins, or the rule that is broken. */
function plainConnect(
  before: MapUtxoView,
  height: number,
  sketches: readonly Sketch[],
): MapUtxoView | 'utxo-missing' | 'coinbase-immature' {
  const view = before.copy();
  for (const [t, { spends, makes, failed = false }] of sketches.entries()) {
    const distinct = new Map(
      spends.filter(({ gold }) => !failed || !gold).map((spend) => [spend.id, spend]),
    );
    for (const id of distinct.keys()) {
      const coin = view.get(idOf(id));
      if (coin === undefined) return 'utxo-missing';
      if (coin.coinbase && coin.height + 100 > height) return 'coinbase-immature';
      view.remove(idOf(id));
    }
    for (const { id, gold = false, retired = false } of makes) {
      if (!retired && (!failed || !gold)) view.put(idOf(id), { height, coinbase: t === 0 });
    }
  }
  return view;
}

/**
 * How the reference keeps coins: a spent coinbase stays, marked as spent, any other coin is deleted
 * and comes back without its height.
 */
class ReferenceCoins {
  readonly #entries = new Map<number, { height: number; coinbase: boolean; spent: boolean }>();

  constructor(view: MapUtxoView) {
    for (const [id, coin] of view.coins) {
      this.#entries.set(Number.parseInt(id.slice(-2), 16), { ...coin, spent: false });
    }
  }

  attach(height: number, sketches: readonly Sketch[]): void {
    for (const [t, { spends, makes, failed = false }] of sketches.entries()) {
      for (const { id, gold = false } of spends) {
        const entry = this.#entries.get(id);
        if ((!failed || !gold) && entry !== undefined) entry.spent = true;
      }
      for (const { id, gold = false, retired = false } of makes) {
        if (retired || (failed && gold)) continue;
        this.#entries.set(id, { height, coinbase: t === 0, spent: false });
      }
    }
    this.#save();
  }

  detach(sketches: readonly Sketch[]): void {
    for (const { spends, makes, failed = false } of [...sketches].reverse()) {
      for (const { id, gold = false } of spends) {
        if (failed && gold) continue;
        const entry = this.#entries.get(id);
        if (entry === undefined) {
          this.#entries.set(id, { height: 0, coinbase: false, spent: false });
        } else {
          entry.spent = false;
        }
      }
      for (const { id, gold = false, retired = false } of makes) {
        if (retired || (failed && gold)) continue;
        this.#entries.set(id, { height: 0, coinbase: false, spent: true });
      }
    }
    this.#save();
  }

  spendable(): string[] {
    return [...this.#entries]
      .filter(([, { spent }]) => !spent)
      .map(([id, coin]) => describeCoin(bytesToHex(idOf(id)), coin))
      .sort();
  }

  #save(): void {
    for (const [id, { spent, coinbase }] of this.#entries) {
      if (spent && !coinbase) this.#entries.delete(id);
    }
  }
}

function spendable(view: MapUtxoView): string[] {
  return [...view.coins].map(([id, coin]) => describeCoin(id, coin)).sort();
}

/** What decides whether it can be spent. */
function describeCoin(id: string, { height, coinbase }: Utxo): string {
  return coinbase ? `${id} from ${height}` : id;
}
