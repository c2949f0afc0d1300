/** Matrices that break a kernel which is only almost right. */
import { DIM, MATRIX_BYTES } from '../../../src/tensority/params.ts';
import { seededRandom } from '../../support/random.ts';

export type Entry = (row: number, column: number) => number;

/** 256×256 row-major. */
export function matrixFrom(entry: Entry): Int8Array {
  return Int8Array.from({ length: MATRIX_BYTES }, (_v, i) => entry(Math.floor(i / DIM), i % DIM));
}

/** Any of the 256 values at every place. */
export function randomMatrix(seed: number): Int8Array {
  const random = seededRandom(seed);
  return matrixFrom(() => Math.floor(random() * 256) - 128);
}

/** `low` or 127 at every place. */
export function randomEnds(seed: number, low: number): Int8Array {
  const random = seededRandom(seed);
  return matrixFrom(() => (random() < 0.5 ? low : 127));
}

export function chequered(low: number): Int8Array {
  return matrixFrom((row, column) => ((row + column) % 2 === 0 ? low : 127));
}
