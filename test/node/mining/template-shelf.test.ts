import { describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { createCoinbase } from '../../../src/consensus/coinbase.ts';
import { type Shelved, TemplateShelf } from '../../../src/node/mining/template-shelf.ts';

const PROGRAM = Uint8Array.of(0x51);

/** A transaction of its own for each number, all of the same size. */
function tx(n: number): Tx {
  return createCoinbase({ height: 1000 + n, program: PROGRAM, amount: 1n });
}

const BYTES = tx(0).raw.length;

function template(n: number, transactions: readonly Tx[] = [tx(n)]): Shelved {
  const root = new Uint8Array(32).fill(n);
  return { transactions, transactionsMerkleRoot: root, transactionStatusHash: root };
}

function shelfOf(maxTemplates: number, maxBytes = 1e9): TemplateShelf<Shelved> {
  return new TemplateShelf({ maxTemplates, maxBytes });
}

function found(shelf: TemplateShelf<Shelved>, count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n).filter(
    (n) => shelf.find(template(n)) !== undefined,
  );
}

describe('a shelf of templates', () => {
  it('finds a template by both its roots', () => {
    const shelf = shelfOf(10);
    const one = template(1);
    shelf.add(one);
    shelf.add(template(2));
    expect(shelf.find(one)).toBe(one);
    const other = new Uint8Array(32).fill(2);
    expect(shelf.find({ ...one, transactionStatusHash: other })).toBeUndefined();
    expect(shelf.find({ ...one, transactionsMerkleRoot: other })).toBeUndefined();
  });

  it('keeps the first four and the newest where there are too many', () => {
    const shelf = shelfOf(8);
    for (let n = 0; n < 20; n++) shelf.add(template(n));
    expect(found(shelf, 20)).toEqual([0, 1, 2, 3, 16, 17, 18, 19]);
    expect([shelf.size, shelf.bytes]).toEqual([8, 8 * BYTES]);
  });

  it('always has the newest, however few it may hold', () => {
    for (const [max, expected] of [
      [1, [6]],
      [2, [0, 6]],
      [5, [0, 1, 2, 3, 6]],
    ] as const) {
      const shelf = shelfOf(max);
      for (let n = 0; n < 7; n++) shelf.add(template(n));
      expect(found(shelf, 7), `at most ${max}`).toEqual(expected);
    }
  });

  it('counts the bytes of a transaction once, and drops what is too many bytes', () => {
    const common = [tx(100), tx(101)];
    const shelf = shelfOf(100, 5 * BYTES);
    for (let n = 0; n < 3; n++) shelf.add(template(n, [...common, tx(n)]));
    expect([shelf.size, shelf.bytes]).toEqual([3, 4 * BYTES + BYTES]);
    shelf.add(template(3, [...common, tx(3)]));
    expect(found(shelf, 4)).toEqual([0, 1, 3]);
    expect(shelf.bytes).toBe(5 * BYTES);
    const large = Array.from({ length: 9 }, (_, n) => tx(200 + n));
    shelf.add(template(4, large));
    expect(found(shelf, 5)).toEqual([4]);
    expect(shelf.bytes).toBe(9 * BYTES);
  });

  it('counts right where a template replaces its like', () => {
    const shelf = shelfOf(3);
    shelf.add(template(0, [tx(0), tx(1)]));
    const again = template(0, [tx(1), tx(2), tx(3)]);
    shelf.add(again);
    expect(shelf.find(again)).toBe(again);
    expect([shelf.size, shelf.bytes]).toEqual([1, 3 * BYTES]);
    shelf.clear();
    expect([shelf.size, shelf.bytes, shelf.find(again)]).toEqual([0, 0, undefined]);
  });
});
