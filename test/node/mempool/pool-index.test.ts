import { describe, expect, it } from 'vitest';
import { packageOrder } from '../../../src/node/mempool/package-order.ts';
import {
  ancestorsOf,
  descendantsOf,
  type PoolEntry,
  PoolIndex,
} from '../../../src/node/mempool/pool-index.ts';
import type { PooledTx } from '../../../src/node/mempool/pooled-tx.ts';
import { seededRandom } from '../../support/random.ts';
import { FEE } from '../../support/spending.ts';
import { base, spend } from './pool-rig.ts';

const { tx } = { tx: spend(base.coinbase(1), FEE) };
const GAS = 2000;
const ROOM = { transactions: 1000, bytes: 2 ** 30 };

function pooled(fee: number, gasUsed = GAS): PooledTx {
  return { tx, fee: BigInt(fee), gasUsed, statusFail: false, addedAt: 0, source: 'peer' };
}

/** An index, and entries by the names of the tests. */
class Graph {
  readonly index = new PoolIndex();
  readonly entries = new Map<string, PoolEntry>();

  add(name: string, fee: number, parents: readonly string[] = [], gasUsed = GAS): PoolEntry {
    const entry = this.index.add({
      key: name,
      pooled: pooled(fee, gasUsed),
      heightBound: false,
      spends: [`spent by ${name}`],
      makes: [`made by ${name}`],
      parents: parents.map((parent) => this.entries.get(parent)!),
    });
    this.entries.set(name, entry);
    return entry;
  }

  get order(): readonly string[] {
    return packageOrder(this.index.entries()).map(({ key }) => key);
  }
}

/** A random graph, in which each has up to four parents among the last ones. */
function randomGraph(size: number, random: () => number): Graph {
  const graph = new Graph();
  for (let i = 0; i < size; i++) {
    const parents = new Set<string>();
    while (i > 0 && random() < 0.45) {
      parents.add(`${Math.max(0, i - 1 - Math.floor(random() ** 2 * 12))}`);
    }
    const gasUsed = GAS + Math.floor(random() * GAS);
    graph.add(`${i}`, 1 + Math.floor(random() ** 3 * 1e6), [...parents], gasUsed);
  }
  return graph;
}

/** The order by the plain rule: every time, look at all that are left. */
function plainOrder(graph: Graph): readonly string[] {
  const left = new Set(graph.entries.values());
  const order: string[] = [];
  const packageOf = (entry: PoolEntry): PoolEntry[] =>
    [...ancestorsOf([entry])].filter((each) => left.has(each));
  const rateOf = (entry: PoolEntry): number => {
    const bundle = packageOf(entry);
    const fee = bundle.reduce((sum, each) => sum + Number(each.pooled.fee), 0);
    const weight = bundle.reduce((sum, each) => sum + each.weight, 0);
    return Math.min(Number(entry.pooled.fee) / entry.weight, fee / weight);
  };
  while (left.size > 0) {
    const [best] = [...left].sort((a, b) => rateOf(b) - rateOf(a) || a.sequence - b.sequence);
    for (const each of packageOf(best!).sort((a, b) => a.sequence - b.sequence)) {
      order.push(each.key);
      left.delete(each);
    }
  }
  return order;
}

/** What an entry is worth, counted anew. */
function scoreOf(entry: PoolEntry): number {
  const bundle = [entry, ...descendantsOf(entry)];
  const fee = bundle.reduce((sum, each) => sum + Number(each.pooled.fee), 0);
  const weight = bundle.reduce((sum, each) => sum + each.weight, 0);
  return Math.max(Number(entry.pooled.fee) / entry.weight, fee / weight);
}

describe('the order of a template', () => {
  it('is by what is paid for a unit of gas, and by arrival where that is equal', () => {
    const graph = new Graph();
    graph.add('a', 100);
    graph.add('b', 300);
    graph.add('c', 300);
    graph.add('d', 500, [], 10 * GAS);
    expect(graph.order).toEqual(['b', 'c', 'a', 'd']);
  });

  it('lets a child bring its parent, and not pay for it twice', () => {
    const graph = new Graph();
    graph.add('poor', 10);
    graph.add('rich', 1000, ['poor']);
    graph.add('sister', 400, ['poor']);
    graph.add('single', 450);
    graph.add('last', 1, ['rich', 'sister']);
    expect(graph.order).toEqual(['poor', 'rich', 'single', 'sister', 'last']);
  });

  it('is that of the plain rule, whatever stands on what', () => {
    for (let seed = 0; seed < 20; seed++) {
      const graph = randomGraph(30, seededRandom(seed));
      expect(graph.order, `graph ${seed}`).toEqual(plainOrder(graph));
    }
  });

  it('of 2,000 takes a few milliseconds, whatever stands on what', () => {
    for (const [name, parents] of [
      ['alone', () => []],
      ['in chains of 25', (i: number) => (i % 25 === 0 ? [] : [`${i - 1}`])],
      ['on one parent', (i: number) => (i === 0 ? [] : ['0'])],
    ] as const) {
      const graph = new Graph();
      for (let i = 0; i < 2000; i++) graph.add(`${i}`, 1000 + ((i * 7919) % 5000), parents(i));
      const start = performance.now();
      expect(graph.order).toHaveLength(2000);
      // Ten times what it takes: machines that run tests are slow.
      expect(performance.now() - start, name).toBeLessThan(250);
    }
  });
});

describe('the index of a pool', () => {
  it('keeps what each is worth with all that stands on it, through any change', () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = seededRandom(seed);
      const graph = randomGraph(40, random);
      const all = [...graph.entries.values()];
      for (let i = 0; i < 25; i++) {
        const entry = all[Math.floor(random() * all.length)]!;
        if (random() < 0.5) graph.index.remove(entry);
        else if (graph.index.holds(entry)) {
          graph.index.update(entry, pooled(Math.floor(random() * 1e6), GAS + i));
        }
        for (const each of graph.index.entries()) {
          expect(each.score, `graph ${seed}`).toBeCloseTo(scoreOf(each), 6);
          for (const parent of each.parents) expect(graph.index.holds(parent)).toBe(true);
        }
      }
    }
  });

  it('forgets all of what is removed', () => {
    const graph = new Graph();
    const a = graph.add('a', 5);
    const b = graph.add('b', 5, ['a']);
    expect([graph.index.spender('spent by a'), graph.index.maker('made by b')]).toEqual([a, b]);
    for (const entry of [b, a, a]) graph.index.remove(entry);
    expect([graph.index.size, graph.index.bytes]).toEqual([0, 0]);
    expect(graph.index.spender('spent by a')).toBeUndefined();
    expect(graph.index.maker('made by b')).toBeUndefined();
  });

  it('makes room with what is worth least, children first, and none that pays as much', () => {
    const graph = new Graph();
    graph.add('a', 100);
    graph.add('b', 20, ['a']);
    graph.add('c', 10, ['b']);
    graph.add('d', 300);
    const rate = (fee: number): number => fee / GAS;
    const room = (fee: number, transactions: number, spared: readonly string[] = []) =>
      graph.index.roomFor(
        1,
        rate(fee),
        { ...ROOM, transactions },
        spared.map((name) => graph.entries.get(name)!),
      );
    const names = (fee: number, transactions: number, spared?: readonly string[]) =>
      room(fee, transactions, spared).victims?.map(({ key }) => key);
    expect(names(1, 5)).toEqual([]);
    expect(names(50, 4)).toEqual(['c']);
    expect(names(50, 3)).toEqual(['c', 'b']);
    expect(names(50, 2)).toBeUndefined();
    expect(names(101, 2)).toEqual(['c', 'b', 'a']);
    expect(room(10, 4)).toEqual({ victims: undefined, rateNeeded: rate(10) });
    expect(names(301, 4, ['c'])).toEqual(['d']);
    expect(room(500, 1, ['c'])).toMatchObject({ victims: undefined });
    expect(graph.index.size).toBe(4);
  });
});
