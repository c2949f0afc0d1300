import { describe, expect, it } from 'vitest';
import { fold } from '../../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../../src/tensority/params.ts';
import { finishHash, runSlice } from '../../../src/tensority/reference.ts';
import { type MatrixTable, matrixOf } from '../../../src/tensority/table.ts';
import { buildMatrixTable } from '../../../src/tensority/table-builder.ts';
import { type KernelShape, splitsSigns } from '../../../src/tensority/wasm/operands.ts';
import { peakMacs } from '../../../src/tensority/wasm/slice-kernel.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import { sha3Hex, stages } from '../vectors.ts';
import { firstDifference, GuardedKernel } from './guarded-kernel.ts';
import { KERNEL_FORMS, type KernelForm } from './kernel-shapes.ts';
import { chequered, matrixFrom, randomEnds, randomMatrix } from './matrices.ts';

const TILE = { rows: 6, columns: 8, unroll: 8 };

function shapeOf({ form }: KernelForm): KernelShape {
  return { ...form, ...TILE };
}

/** All 256 values, each in every row and every column. */
const EVERY_VALUE = matrixFrom((row, column) => (((row + 3 * column) & 255) << 24) >> 24);

const SAMPLES: readonly (readonly [name: string, matrix: Int8Array])[] = [
  ['every value', EVERY_VALUE],
  ['all −128', matrixFrom(() => -128)],
  ['all 127', matrixFrom(() => 127)],
  ['chequered', chequered(-128)],
  ['random', randomMatrix(31)],
];

/** Where entry k of row `column` of M lies in a packed matrix. */
function packedAt(column: number, k: number): number {
  const panel = Math.floor(column / 16);
  const group = Math.floor(k / 4);
  return (panel * 64 + group) * 64 + (column % 16) * 4 + (k % 4);
}

/** Four matrices at the ends of int8 under the names 0 … 3; no other name may be used. */
let extremes: MatrixTable | undefined;
function extremeTable(): MatrixTable {
  if (extremes !== undefined) return extremes;
  const data = new Int8Array(4 * MATRIX_BYTES);
  [randomEnds(41, -128), randomMatrix(42), chequered(-128), randomEnds(43, -128)].forEach(
    (matrix, name) => {
      data.set(matrix, name * MATRIX_BYTES);
    },
  );
  extremes = { seed: new Uint8Array(32), data };
  return extremes;
}

const EXTREME_SEQUENCE = Uint8Array.from({ length: 32 }, (_v, i) => [0, 1, 3, 1, 0, 2, 3][i % 7]!);
let extremeEnd: Int8Array | undefined;

let real: MatrixTable | undefined;
function realTable(): MatrixTable {
  real ??= buildMatrixTable(hexToBytes(stages()[1]!.seed, 'seed', 32));
  return real;
}

/**
 * Packs the matrices of a sequence under their places in it, 32 instead of 256, and gives the
 * sequence of those names.
 */
function packByPlace(kernel: GuardedKernel, table: MatrixTable, sequence: string): Uint8Array {
  const names = hexToBytes(sequence, 'sequence', 32);
  names.forEach((name, place) => {
    kernel.pack(matrixOf(table, name), place);
  });
  return names.map((_name, place) => place);
}

/** One test for each arithmetic, in each form that this engine runs. */
function forEachForm(title: string, test: (shape: KernelShape) => void): void {
  for (const each of KERNEL_FORMS) {
    it(`${title}: ${each.title}`, () => {
      test(shapeOf(each));
    });
  }
}

describe('pack', () => {
  forEachForm('lays M out in panels of 16 columns and groups of 4 k', (shape) => {
    const kernel = new GuardedKernel(shape, 2);
    const split = splitsSigns(shape);
    for (const [name, matrix] of SAMPLES) {
      // Under the second name, so that an address taken for 0 shows.
      kernel.pack(matrix, 1);
      const plain = new Uint8Array(MATRIX_BYTES);
      const signs = new Uint8Array(MATRIX_BYTES);
      matrix.forEach((m, i) => {
        const at = packedAt(Math.floor(i / DIM), i % DIM);
        plain[at] = split ? Math.abs(m) : m;
        signs[at] = m < 0 ? 255 : 0;
      });
      expect(sha3Hex(kernel.area('packed').subarray(MATRIX_BYTES)), name).toBe(sha3Hex(plain));
      if (split) {
        expect(sha3Hex(kernel.area('signs').subarray(MATRIX_BYTES)), name).toBe(sha3Hex(signs));
      }
    }
  });

  forEachForm('writes what each column starts at', (shape) => {
    const kernel = new GuardedKernel(shape, 1);
    for (const [name, matrix] of SAMPLES) {
      kernel.pack(matrix, 0);
      const got = new Int32Array(kernel.area('corrections').slice().buffer);
      const expected = Int32Array.from({ length: DIM }, (_v, column) => {
        const row = matrix.subarray(column * DIM, column * DIM + DIM);
        return splitsSigns(shape)
          ? row.reduce((sum, m) => sum + (m < 0 ? -m : 0), 0)
          : -128 * row.reduce((sum, m) => sum + m, 0);
      });
      expect(got, name).toEqual(expected);
    }
  });
});

describe('first', () => {
  forEachForm('is the folded transpose and no copy of it', (shape) => {
    const kernel = new GuardedKernel(shape, 1);
    for (const [name, matrix] of SAMPLES) {
      kernel.pack(matrix, 0);
      kernel.first(0);
      const expected = matrixFrom((row, column) => fold(matrix[column * DIM + row]!));
      expect(firstDifference(kernel.readX('x0'), expected), name).toBeUndefined();
    }
  });
});

describe('accumulate', () => {
  forEachForm('adds X modulo 256, as often as it is called', (shape) => {
    const kernel = new GuardedKernel(shape, 1);
    kernel.pack(EVERY_VALUE, 0);
    kernel.first(0);
    const start = randomMatrix(51);
    kernel.fill('sum', new Uint8Array(start.buffer));
    for (let times = 1; times <= 3; times++) {
      kernel.accumulate('x0');
      const expected = matrixFrom((row, column) => {
        const x = fold(EVERY_VALUE[column * DIM + row]!);
        return start[row * DIM + column]! + times * x;
      });
      expect(firstDifference(kernel.readSum(), expected), `${times} times`).toBeUndefined();
    }
  });
});

describe('a slice', () => {
  forEachForm('ends where the reference ends, over extreme matrices', (shape) => {
    const table = extremeTable();
    extremeEnd ??= runSlice(EXTREME_SEQUENCE, table);
    const kernel = new GuardedKernel(shape, 4);
    for (let name = 0; name < 4; name++) kernel.pack(matrixOf(table, name), name);
    kernel.clearSum();
    kernel.slice(EXTREME_SEQUENCE);
    expect(firstDifference(kernel.readSum(), extremeEnd)).toBeUndefined();
  });

  forEachForm('passes the stored running matrices at steps 1, 2, 33 and 64', (shape) => {
    const table = realTable();
    const kernel = new GuardedKernel(shape, 32);
    const { sequence, running_sha3_after_step: running } = stages()[1]!.hashes[1]!.slices[2]!;
    const places = packByPlace(kernel, table, sequence);
    const digests: Record<string, string> = {};
    let [from, to]: ('x0' | 'x1')[] = ['x0', 'x1'];
    for (let step = 1; step <= 64; step++) {
      if (step === 1) kernel.first(0);
      else {
        kernel.product((step - 1) % 32, from!, to!);
        [from, to] = [to, from];
      }
      if ([1, 2, 33, 64].includes(step)) digests[step] = sha3Hex(kernel.readX(from!));
    }
    expect(digests).toEqual(running);
    kernel.clearSum();
    kernel.slice(places);
    expect(sha3Hex(kernel.readSum())).toBe(running['64']);
  });

  it('adds up to the stored sum, words and hash over the four slices', () => {
    const table = realTable();
    const shape = shapeOf(KERNEL_FORMS.find(({ title }) => title === 'dot16')!);
    const kernel = new GuardedKernel(shape, 32);
    for (const { header_hash, slices, ...rest } of stages()[1]!.hashes) {
      kernel.clearSum();
      for (const { sequence } of slices) kernel.slice(packByPlace(kernel, table, sequence));
      const sum = new Uint8Array(kernel.readSum().buffer);
      expect(sha3Hex(sum), header_hash).toBe(rest.sum_sha3);
      const row0 = Uint8Array.from({ length: DIM }, (_v, i) => sum[(i >> 2) + 64 * (i & 3)]!);
      expect(bytesToHex(row0), header_hash).toBe(rest.words_row_0);
      expect(sha3Hex(hexToBytes(rest.final_bytes, 'final_bytes', 256))).toBe(rest.result);
      expect(bytesToHex(finishHash(sum)), header_hash).toBe(rest.result);
    }
  });
});

describe('peak', () => {
  it('writes to its scratch area only, and counts products by the arithmetic', () => {
    const random = seededRandom(61);
    for (const each of KERNEL_FORMS) {
      const kernel = new GuardedKernel(shapeOf(each), 1);
      const start = Uint8Array.from({ length: 384 }, () => Math.floor(random() * 256));
      kernel.fill('scratch', start);
      kernel.peak(400);
      expect(kernel.area('scratch').slice(0, 384), each.title).not.toEqual(start);
    }
    const macs = (arithmetic: KernelShape['arithmetic']): number =>
      peakMacs({ ...shapeOf(KERNEL_FORMS[0]!), arithmetic }, 100);
    // 24 sums of 128 bits a turn; 16 products of bytes or 8 of 16-bit values in each.
    expect([macs('relaxed32'), macs('relaxed16'), macs('dot16')]).toEqual([38_400, 38_400, 19_200]);
  });
});
