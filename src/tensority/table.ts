/** The matrix table: 256 int8 matrices of 256×256 (16 MiB) that a seed expands to. */

import type { Seed } from './hasher.ts';
import { DIM, MATRICES, MATRIX_BYTES, TABLE_BYTES } from './params.ts';
import { extendSeed } from './seed.ts';
import { createSmixState, type SmixState, smixRound } from './smix.ts';

export interface MatrixTable {
  readonly seed: Seed;
  /** 16 MiB, row-major [matrix][row][column]. May lie in shared memory; nobody writes to it. */
  readonly data: Int8Array;
}

/** Gives the table of a seed, built or kept. */
/** The same bytes in shared memory, so that threads can read them without a copy of their own. */
export function sharedData(data: Int8Array): Int8Array {
  if (data.buffer instanceof SharedArrayBuffer) return data;
  const shared = new Int8Array(new SharedArrayBuffer(data.length));
  shared.set(data);
  return shared;
}

export type TableProvider = (seed: Seed) => Promise<MatrixTable>;

/** Builds the table in plain TypeScript: what every faster builder is compared with. */
export function buildMatrixTableReference(seed: Seed): MatrixTable {
  const data = new Int8Array(TABLE_BYTES);
  const state: SmixState = createSmixState(extendSeed(seed));
  const rounds = MATRICES / 2;
  for (let round = 0; round < rounds; round++) {
    const scratchpad = smixRound(state);
    const bytes = new Int8Array(scratchpad.buffer, scratchpad.byteOffset, scratchpad.byteLength);
    const even = 2 * round * MATRIX_BYTES;
    const odd = even + MATRIX_BYTES;
    for (let entry = 0; entry < 1024; entry++) {
      const to = (entry % 2 === 0 ? even : odd) + (entry >> 1) * 128;
      data.set(bytes.subarray(entry * 128, entry * 128 + 128), to);
    }
  }
  return { seed: seed.slice(), data };
}

/** Matrix `index` of the table as a view: 256×256 row-major int8. */
export function matrixOf(table: MatrixTable, index: number): Int8Array {
  if (!(index >= 0 && index < MATRICES)) {
    throw new RangeError(`matrix index expected 0 … ${MATRICES - 1}, got ${index}`);
  }
  return table.data.subarray(index * DIM * DIM, (index + 1) * DIM * DIM);
}
