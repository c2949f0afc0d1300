import { describe, expect, it } from 'vitest';
import { fold, mulFold } from '../../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../../src/tensority/params.ts';
import {
  hasCorrections,
  type KernelShape,
  paddedRows,
  xLayout,
} from '../../../src/tensority/wasm/operands.ts';
import { firstDifference, GuardedKernel } from './guarded-kernel.ts';
import { KERNEL_FORMS } from './kernel-shapes.ts';
import { chequered, matrixFrom, randomEnds, randomMatrix } from './matrices.ts';

/** Transposed and folded they are the X to start from: −127 becomes −128. */
const STARTS: readonly (readonly [name: string, matrix: Int8Array])[] = [
  ['all −128', matrixFrom(() => -127)],
  ['all 127', matrixFrom(() => 127)],
  ['chequered', chequered(-127)],
  ['random ends', randomEnds(1, -127)],
  ['random', randomMatrix(2)],
];
const MATRICES: readonly (readonly [name: string, matrix: Int8Array])[] = [
  ['all −128', matrixFrom(() => -128)],
  ['all 127', matrixFrom(() => 127)],
  ['chequered', chequered(-128)],
  ['random ends', randomEnds(3, -128)],
  ['random', randomMatrix(4)],
];

const DENSE = randomMatrix(5);
/** Corners, edges of panels, of groups of 4 k and of tiles. */
const PLACES: readonly (readonly [row: number, k: number, value: number])[] = [
  [0, 0, 1],
  [255, 255, -128],
  [1, 254, 127],
  [254, 3, -2],
  [5, 16, 1],
  [6, 15, -127],
  [17, 128, 3],
  [100, 201, -100],
];

/** Every number of rows with every number of columns; each unroll somewhere. */
const TILES: readonly Pick<KernelShape, 'rows' | 'columns' | 'unroll'>[] = [2, 3, 4, 5, 6].flatMap(
  (rows, i) =>
    [4, 8, 16].map((columns, j) => ({ rows, columns, unroll: [1, 2, 4, 8, 16][(i + 2 * j) % 5]! })),
);
const WIDE_TILES: typeof TILES = [
  { rows: 2, columns: 8, unroll: 1 },
  { rows: 3, columns: 16, unroll: 2 },
  { rows: 4, columns: 16, unroll: 8 },
  { rows: 5, columns: 8, unroll: 4 },
  { rows: 6, columns: 16, unroll: 4 },
];

interface Expected {
  readonly name: string;
  readonly start: number;
  readonly matrix: number;
  readonly product: Int8Array;
}

let pairs: readonly Expected[] | undefined;

/** The product of every start with every matrix, by the plain reference. */
function expectedPairs(): readonly Expected[] {
  pairs ??= STARTS.flatMap(([startName, start], s) => {
    const x = firstX(start);
    return MATRICES.map(([name, matrix], m) => {
      const product = new Int8Array(MATRIX_BYTES);
      mulFold(x, matrix, product);
      return {
        name: `${startName} · ${name}`,
        start: s,
        matrix: STARTS.length + m,
        product,
      };
    });
  });
  return pairs;
}

/** fold(Mᵀ), entry by entry. */
function firstX(matrix: Int8Array): Int8Array {
  return matrixFrom((row, column) => fold(matrix[column * DIM + row]!));
}

/** Matrix names for products one after the other, in the order of `STARTS` and `MATRICES`. */
const CHAIN = [4, 9, 8, 5, 9, 7, 6];
let chain: readonly Int8Array[] | undefined;

/** The running matrix after each step of the chain, by the plain reference. */
function expectedChain(): readonly Int8Array[] {
  const all = [...STARTS, ...MATRICES].map(([, matrix]) => matrix);
  if (chain !== undefined) return chain;
  const running = [firstX(all[CHAIN[0]!]!)];
  for (const name of CHAIN.slice(1)) {
    const next = new Int8Array(MATRIX_BYTES);
    mulFold(running.at(-1)!, all[name]!, next);
    running.push(next);
  }
  chain = running;
  return chain;
}

/** Everything that is wrong with a kernel of this shape, by name. */
function faultsOf(shape: KernelShape, revectorize: boolean): string[] {
  const kernel = new GuardedKernel(shape, STARTS.length + MATRICES.length + 2, revectorize);
  const faults: string[] = [];
  const check = (name: string, x: 'x0' | 'x1', expected: Int8Array): void => {
    const difference = firstDifference(kernel.readX(x), expected);
    if (difference !== undefined) faults.push(`${name}, ${difference}`);
  };
  [...STARTS, ...MATRICES].forEach(([, matrix], name) => {
    kernel.pack(matrix, name);
  });
  for (const { name, start, matrix, product } of expectedPairs()) {
    kernel.first(start);
    kernel.product(matrix, 'x0', 'x1');
    check(name, 'x1', product);
  }
  let [from, to]: ('x0' | 'x1')[] = ['x0', 'x1'];
  kernel.first(CHAIN[0]!);
  expectedChain().forEach((expected, step) => {
    if (step > 0) {
      kernel.product(CHAIN[step]!, from!, to!);
      [from, to] = [to, from];
    }
    check(`step ${step + 1} of the chain`, from!, expected);
  });
  const [single, dense] = [STARTS.length + MATRICES.length, STARTS.length + MATRICES.length + 1];
  kernel.pack(DENSE, dense);
  for (const [row, k, value] of PLACES) {
    kernel.pack(
      matrixFrom((column, at) => (column === k && at === row ? value : 0)),
      single,
    );
    kernel.first(single);
    kernel.product(dense, 'x0', 'x1');
    const x = fold(value);
    const expected = matrixFrom((r, c) => (r === row ? fold(x * DENSE[c * DIM + k]!) : 0));
    check(`a single ${x} at row ${row}, k ${k}`, 'x1', expected);
  }
  return faults;
}

describe('the product', () => {
  for (const { title, form } of KERNEL_FORMS) {
    it(`of ${title} is the reference's in tiles of every size, and stays within its areas`, () => {
      for (const tile of TILES) {
        const shape: KernelShape = { ...form, ...tile };
        expect(faultsOf(shape, false), JSON.stringify(tile)).toEqual([]);
      }
    });

    it(`of ${title} is the same with the 256-bit pass`, () => {
      for (const tile of WIDE_TILES) {
        const shape: KernelShape = { ...form, ...tile };
        expect(faultsOf(shape, true), JSON.stringify(tile)).toEqual([]);
      }
    });
  }
});

describe('a shape', () => {
  const shape = (rows: number, arithmetic: KernelShape['arithmetic']): KernelShape => ({
    arithmetic,
    secondOperand: 'unsigned',
    dot: 'native',
    rows,
    columns: 8,
    unroll: 4,
  });

  it('pads the rows of X to whole tiles', () => {
    expect([2, 3, 4, 5, 6, 7].map((rows) => paddedRows(shape(rows, 'dot16')))).toEqual([
      256, 258, 256, 260, 258, 259,
    ]);
    expect(xLayout(shape(6, 'relaxed32'))).toEqual({ rowBytes: 256, totalBytes: 258 * 256 });
    expect(xLayout(shape(5, 'dot16'))).toEqual({ rowBytes: 512, totalBytes: 260 * 512 });
  });

  it('starts the sums at corrections where an operand is stored shifted or split', () => {
    const start = (
      arithmetic: KernelShape['arithmetic'],
      secondOperand: KernelShape['secondOperand'],
    ): boolean => hasCorrections({ arithmetic, secondOperand });
    expect(start('relaxed32', 'unsigned')).toBe(true);
    expect(start('relaxed32', 'signed')).toBe(false);
    expect(start('relaxed16', 'unsigned')).toBe(true);
    expect(start('dot16', 'signed')).toBe(false);
  });
});
