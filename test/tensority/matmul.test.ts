import { describe, expect, it } from 'vitest';
import { fold, mulFold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { seededRandom } from '../support/random.ts';

type Entry = (row: number, column: number) => number;

function matrix(entry: Entry): Int8Array {
  return Int8Array.from({ length: MATRIX_BYTES }, (_v, i) => entry(i >> 8, i & 255));
}

/** The rule of the chain in whole numbers: low byte plus second byte, read as a signed byte. */
function exactFold(v: bigint): number {
  const low = BigInt.asUintN(8, v);
  const second = BigInt.asUintN(8, v >> 8n);
  return Number(BigInt.asIntN(8, low + second));
}

/** Fails with the first place where the product is not `expected`. */
function expectProduct(a: Int8Array, b: Int8Array, expected: Entry, name: string): void {
  const out = new Int8Array(MATRIX_BYTES);
  mulFold(a, b, out);
  const wrong = out.findIndex((value, i) => value !== expected(i >> 8, i & 255));
  expect(wrong < 0 ? 'right' : `row ${wrong >> 8}, column ${wrong & 255}`, name).toBe('right');
}

/** 256 values of each kind that an int8 vector can be. */
function vectors(): readonly (readonly [name: string, values: Int8Array])[] {
  const random = seededRandom(11);
  return [
    ['all −128', new Int8Array(DIM).fill(-128)],
    ['all 127', new Int8Array(DIM).fill(127)],
    ['chequered', Int8Array.from({ length: DIM }, (_v, i) => (i % 2 === 0 ? -128 : 127))],
    ['all values', Int8Array.from({ length: DIM }, (_v, i) => i - 128)],
    ['random', Int8Array.from({ length: DIM }, () => Math.floor(random() * 256) - 128)],
  ];
}

function dot(a: Int8Array, b: Int8Array): bigint {
  return a.reduce((sum, value, i) => sum + BigInt(value) * BigInt(b[i]!), 0n);
}

describe('fold', () => {
  it('is low byte plus second byte, wrapped, for all 16-bit residues', () => {
    const wrong: number[] = [];
    for (let v = 0; v < 65_536; v++) if (fold(v) !== exactFold(BigInt(v))) wrong.push(v);
    expect(wrong).toEqual([]);
  });

  it('sees only v mod 2^16, up to the largest sums and for negative ones', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 20_000; i++) {
      const v = Math.floor(random() * 2 ** 23) - 2 ** 22;
      expect(fold(v), `v ${v}`).toBe(exactFold(BigInt(v)));
      expect(fold(v), `v ${v}`).toBe(fold(v & 0xffff));
    }
    for (const v of [2 ** 22, -(2 ** 22), 256 * -128 * 127, 256 * 127 * 127]) {
      expect(fold(v), `v ${v}`).toBe(exactFold(BigInt(v)));
    }
  });

  it('is no truncation: it moves every negative byte down by one', () => {
    expect([fold(-1), fold(-127), fold(-128), fold(0), fold(127), fold(128)]).toEqual([
      -2, -128, 127, 0, 127, -128,
    ]);
  });
});

describe('mulFold', () => {
  it('of matrices of rank one is a product of three numbers', () => {
    // (u vᵀ)(w zᵀ)ᵀ = u (v·z) wᵀ; the factors 1, 0 and −1 keep u vᵀ within int8.
    const signs: Entry = (i) => [1, 0, -1][i % 3]!;
    for (const [nameV, v] of vectors()) {
      for (const [nameZ, z] of vectors().slice(0, 3)) {
        const clipped = (x: number): number => Math.max(-127, x);
        const left = v.map(clipped);
        const right = z.map(clipped);
        const inner = dot(left, right);
        expectProduct(
          matrix((row, k) => signs(row, k) * left[k]!),
          matrix((row, k) => signs(row + 1, k) * right[k]!),
          (row, column) => exactFold(BigInt(signs(row, 0) * signs(column + 1, 0)) * inner),
          `${nameV} with ${nameZ}`,
        );
      }
    }
  });

  it('of constant matrices, at the ends of int8, is one number', () => {
    for (const a of [-128, 127]) {
      for (const b of [-128, 127]) {
        const expected = exactFold(256n * BigInt(a) * BigInt(b));
        expectProduct(
          matrix(() => a),
          matrix(() => b),
          () => expected,
          `${a} and ${b}`,
        );
      }
    }
  });

  it('multiplies by the transpose: a diagonal scales columns of bᵀ, a permutation moves them', () => {
    const random = seededRandom(5);
    const b = matrix(() => Math.floor(random() * 256) - 128);
    const scale = vectors()[3]![1];
    expectProduct(
      matrix((row, k) => (row === k ? scale[row]! : 0)),
      b,
      (row, column) => exactFold(BigInt(scale[row]!) * BigInt(b[column * DIM + row]!)),
      'diagonal',
    );
    const image = (row: number): number => (77 * row + 13) % DIM;
    expectProduct(
      matrix((row, k) => (k === image(row) ? 1 : 0)),
      b,
      (row, column) => exactFold(BigInt(b[column * DIM + image(row)]!)),
      'permutation',
    );
  });

  it('by the identity is the folded transpose and no copy of it', () => {
    const identity = matrix((row, k) => (row === k ? 1 : 0));
    const b = matrix((row, column) => (row - 3 * column) & 255);
    expectProduct(
      identity,
      b,
      (row, column) => {
        const entry = b[column * DIM + row]!;
        return entry === -128 ? 127 : entry < 0 ? entry - 1 : entry;
      },
      'identity',
    );
  });

  it('agrees with sums in whole numbers at 300 random places of random matrices', () => {
    const random = seededRandom(9);
    const a = matrix(() => Math.floor(random() * 256) - 128);
    const b = matrix(() => Math.floor(random() * 256) - 128);
    const out = new Int8Array(MATRIX_BYTES);
    mulFold(a, b, out);
    for (let i = 0; i < 300; i++) {
      const row = Math.floor(random() * DIM);
      const column = Math.floor(random() * DIM);
      const sum = dot(
        a.subarray(row * DIM, row * DIM + DIM),
        b.subarray(column * DIM, column * DIM + DIM),
      );
      expect(out[row * DIM + column], `row ${row}, column ${column}`).toBe(exactFold(sum));
    }
  });
});
