/**
 * The networks on ONNX Runtime's CPU provider against the reference. Most are cut short after a few
 * products, of matrices that reach the ends of every type in between; whole ones run against stored
 * values.
 */
import type * as Ort from 'onnxruntime-node';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { chainModel, hashModel, type StepForm } from '../../drivers/onnx/graph.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { mulFold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES, SLICES } from '../../src/tensority/params.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { type MatrixTable, matrixOf } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { onnxRuntime, WHY_NO_ONNX_RUNTIME } from '../support/onnx-runtime.ts';
import { sha3Hex, stages } from '../tensority/vectors.ts';

/** Tests are skipped where there is none. */
const ort = onnxRuntime as typeof Ort;

const FORMS: readonly StepForm[] = ['fused', 'fused-unsigned', 'integer', 'unsigned', 'float'];
const SHAPES = FORMS.flatMap((form) => [
  { form, unrolled: false, name: `${form}, in a loop` },
  { form, unrolled: true, name: `${form}, unrolled` },
]);

/** Products of a network that is cut short. */
const PRODUCTS = 3;
/** Name of a matrix of −127 everywhere, whose fold is −128: with matrix 0 (−128) sums reach 2^22. */
const LOWEST = 255;
/** The first names of four chains; 0 to 4 are the regular matrices of the extreme table. */
const NAMES: readonly (readonly number[])[] = [
  [LOWEST, 0, 9, 10],
  [LOWEST, 1, 8, 5],
  [11, 2, 12, 4],
  [7, 13, 3, 14],
];

let table: MatrixTable;
let matrices: Ort.Tensor;
/** End matrices of the four chains, cut short, by the reference. */
let ends: readonly Int8Array[];

beforeEach((ctx) => {
  if (onnxRuntime === undefined) ctx.skip(WHY_NO_ONNX_RUNTIME);
});
beforeAll(() => {
  if (onnxRuntime === undefined) return;
  table = extremeTable();
  table.data.fill(-127, LOWEST * MATRIX_BYTES);
  matrices = matricesTensor(table);
  ends = NAMES.map((names) => runShort(names));
});

describe('a hash, cut short', () => {
  /** The chains of two hashes: no two slices are the same in both. */
  const order = [0, 1, 2, 3, 2, 0, 3, 1] as const;

  it.each(SHAPES)('has the right words: $name', async ({ form, unrolled }) => {
    const expected = [0, 1].map((hash) => bytesToHex(finishHash(sumOf(order, hash))));
    for (const group of [1, 4, 8]) {
      const words = await runHash({ form, unrolled, hashes: 2, group });
      expect(words.dims).toEqual([2, 64]);
      expect(powHashes(words), `groups of ${group}`).toEqual(expected);
    }
  });

  it.each(SHAPES)('has the right sums: $name', async ({ form, unrolled }) => {
    for (const group of [2, 8]) {
      const sum = await runHash({ form, unrolled, hashes: 2, group, finish: 'sum' });
      expect(sum.dims).toEqual([2, DIM, DIM]);
      expect(sum.type).toBe(form === 'float' ? 'int32' : 'int8');
      const bytes = Uint8Array.from(sum.data as Int8Array | Int32Array);
      for (const hash of [0, 1]) {
        const got = transposed(bytes.subarray(hash * MATRIX_BYTES, (hash + 1) * MATRIX_BYTES));
        const right = Buffer.compare(got, sumOf(order, hash)) === 0;
        expect(right, `hash ${hash}, groups of ${group}`).toBe(true);
      }
    }
  });

  async function runHash(options: Parameters<typeof hashModel>[0]): Promise<Ort.Tensor> {
    const sequences = int32Tensor(
      order.map((chain) => NAMES[chain]!),
      [2, SLICES, 32],
    );
    return run(hashModel(options, PRODUCTS), { matrices, sequences });
  }
});

describe('chains', () => {
  it.each(SHAPES)('end as the reference does, cut short: $name', async ({ form, unrolled }) => {
    const end = await run(chainModel({ form, chains: 4, unrolled }, PRODUCTS), {
      matrices,
      sequences: int32Tensor(NAMES, [4, 32]),
    });
    expect([end.type, ...end.dims]).toEqual(['int8', 4, DIM, DIM]);
    for (const [chain, expected] of ends.entries()) {
      const from = chain * MATRIX_BYTES;
      const got = transposed((end.data as Int8Array).subarray(from, from + MATRIX_BYTES));
      expect(Buffer.compare(bytesOf(got), bytesOf(expected)), `chain ${chain}`).toBe(0);
    }
  });

  it.each(FORMS)('have the stored intermediate matrices after each step: %s', async (form) => {
    const [stage] = stages();
    const { slices } = stage!.hashes[0]!;
    const real = matricesTensor(buildMatrixTable(hexToBytes(stage!.seed, 'seed', 32)));
    const sequences = int32Tensor(
      slices.map(({ sequence }) => [...hexToBytes(sequence, 'sequence')]),
      [slices.length, 32],
    );
    for (const step of ['2', '33', '64'] as const) {
      const model = chainModel({ form, chains: slices.length }, Number(step) - 1);
      const end = await run(model, { matrices: real, sequences });
      const data = end.data as Int8Array;
      const got = slices.map((_, i) =>
        sha3Hex(transposed(data.subarray(i * MATRIX_BYTES, (i + 1) * MATRIX_BYTES))),
      );
      const expected = slices.map((slice) => slice.running_sha3_after_step[step]);
      expect(got, `step ${step}`).toEqual(expected);
    }
  });
});

describe('a whole hash', () => {
  it.each(SHAPES)('of the extreme table is right: $name', async ({ form, unrolled }) => {
    const { vectors } = SELF_TEST_GROUPS.find(({ seed }) => seed === 'extreme')!;
    const sequences = int32Tensor(
      vectors.flatMap(({ headerHash }) => {
        const bytes = hexToBytes(headerHash, 'headerHash');
        return [0, 1, 2, 3].map((slice) => [...sliceSequence(bytes, slice)]);
      }),
      [vectors.length, SLICES, 32],
    );
    const model = hashModel({ form, unrolled, hashes: vectors.length, group: 4 });
    const words = await run(model, { matrices: matricesTensor(extremeTable()), sequences });
    expect(powHashes(words)).toEqual(vectors.map(({ powHash }) => powHash));
  });
});

describe('a network', () => {
  it('is the same bytes each time', () => {
    const options = { form: 'integer', hashes: 1, group: 4 } as const;
    expect(hashModel({ ...options, unrolled: false, finish: 'words' })).toEqual(hashModel(options));
    expect(chainModel({ form: 'float', chains: 2, unrolled: false })).toEqual(
      chainModel({ form: 'float', chains: 2 }),
    );
  });

  it('that there cannot be is refused', () => {
    const form = 'integer';
    for (const hashes of [0, -1, 1.5, Number.NaN]) {
      expect(() => hashModel({ form, hashes, group: 4 }), `${hashes}`).toThrow('"hashes" expected');
      expect(() => chainModel({ form, chains: hashes }), `${hashes}`).toThrow('"chains" expected');
    }
    for (const group of [0, 3, 8, 1.5, -4]) {
      const make = (): unknown => hashModel({ form, hashes: 1, group });
      expect(make).toThrow(`"group" expected a divisor of 4, got ${group}`);
    }
  });
});

/** The only output of the network. */
async function run(
  model: Uint8Array,
  feeds: Readonly<Record<string, Ort.Tensor>>,
): Promise<Ort.Tensor> {
  const session: Ort.InferenceSession = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    // It warns of our own versions of the file format otherwise.
    logSeverityLevel: 3,
  });
  try {
    const outputs = await session.run(feeds);
    const [name] = session.outputNames;
    return outputs[name!]!;
  } finally {
    await session.release();
  }
}

function matricesTensor({ data }: MatrixTable): Ort.Tensor {
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) bytes[i] = data[i]! + 128;
  return new ort.Tensor('uint8', bytes, [256, DIM, DIM]);
}

/** Rows of names, each filled up to 32 with zeros. */
function int32Tensor(rows: readonly (readonly number[])[], dims: readonly number[]): Ort.Tensor {
  const values = new Int32Array(rows.length * 32);
  for (const [i, row] of rows.entries()) values.set(row, i * 32);
  return new ort.Tensor('int32', values, [...dims]);
}

/** The step from the identity and the products after it, by the reference. */
function runShort(names: readonly number[]): Int8Array {
  let running: Int8Array = new Int8Array(MATRIX_BYTES);
  for (let i = 0; i < DIM; i++) running[i * DIM + i] = 1;
  for (const name of names.slice(0, PRODUCTS + 1)) {
    const next = new Int8Array(MATRIX_BYTES);
    mulFold(running, matrixOf(table, name), next);
    running = next;
  }
  return running;
}

/** The sum of the four slices of a hash, whose chains stand one after the other in `order`. */
function sumOf(order: readonly number[], hash: number): Uint8Array {
  const sum = new Uint8Array(MATRIX_BYTES);
  for (const chain of order.slice(SLICES * hash, SLICES * (hash + 1))) {
    const end = ends[chain]!;
    for (let i = 0; i < MATRIX_BYTES; i++) sum[i]! += end[i]!;
  }
  return sum;
}

/** SHA3-256 of the words of each hash. */
function powHashes(words: Ort.Tensor): readonly string[] {
  expect(words.type).toBe('uint32');
  const data = words.data as Uint32Array;
  return Array.from({ length: data.length / 64 }, (_, hash) => {
    const bytes = new Uint8Array(256);
    const view = new DataView(bytes.buffer);
    for (let j = 0; j < 64; j++) view.setUint32(4 * j, data[64 * hash + j]!, true);
    return bytesToHex(sha3(bytes));
  });
}

function transposed<T extends Int8Array | Uint8Array>(matrix: T): T {
  const out = matrix.slice() as T;
  for (let row = 0; row < DIM; row++) {
    for (let column = 0; column < DIM; column++) {
      out[row * DIM + column] = matrix[column * DIM + row]!;
    }
  }
  return out;
}

function bytesOf(matrix: Int8Array): Uint8Array {
  return new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.length);
}
