/**
 * Tensority in plain TypeScript: the text that every kernel and device is judged by. It is slow on
 * purpose (seconds a hash); fast code is elsewhere and is compared with it.
 */
import { sha3 } from '../util/sha3.ts';
import { mulFold } from './matmul.ts';
import { DIM, MATRIX_BYTES, ROUNDS, SLICES } from './params.ts';
import { type MatrixTable, matrixOf } from './table.ts';

/** The PoW hash (32 bytes, compared little-endian) of a 32-byte header hash under the table's seed. */
export function tensority(headerHash: Uint8Array, table: MatrixTable): Uint8Array {
  const sum = new Uint8Array(MATRIX_BYTES);
  for (let slice = 0; slice < SLICES; slice++) {
    const a = runSlice(sliceSequence(headerHash, slice), table);
    for (let i = 0; i < MATRIX_BYTES; i++) sum[i]! += a[i]!;
  }
  return finishHash(sum);
}

/** The 32 matrix names a slice runs through: SHA3-256 of its 8 bytes of the header hash. */
export function sliceSequence(headerHash: Uint8Array, slice: number): Uint8Array {
  if (headerHash.length !== 32) {
    throw new RangeError(`"headerHash" expected 32 bytes, got ${headerHash.length}`);
  }
  return sha3(headerHash.subarray(8 * slice, 8 * slice + 8));
}

/** Starts from the identity and multiplies by the transposes of the named matrices, twice over. */
export function runSlice(sequence: Uint8Array, table: MatrixTable): Int8Array {
  let a: Int8Array = new Int8Array(MATRIX_BYTES);
  let next: Int8Array = new Int8Array(MATRIX_BYTES);
  for (let i = 0; i < DIM; i++) a[i * DIM + i] = 1;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of sequence) {
      mulFold(a, matrixOf(table, name), next);
      [a, next] = [next, a];
    }
  }
  return a;
}

/** The PoW hash from the summed bytes (256×256): SHA3-256 of the row that FNV leaves. */
export function finishHash(sum: Uint8Array): Uint8Array {
  return sha3(foldRows(sum));
}

/** Words from the summed bytes (256×256), and FNV over the rows: 256 bytes, 64 words little-endian. */
export function foldRows(sum: Uint8Array): Uint8Array {
  const width = DIM / 4;
  const words = new Uint32Array(DIM * width);
  for (let row = 0; row < DIM; row++) {
    for (let j = 0; j < width; j++) {
      const at = row * DIM + j;
      words[row * width + j] =
        sum[at]! | (sum[at + 64]! << 8) | (sum[at + 128]! << 16) | (sum[at + 192]! << 24);
    }
  }
  for (let rows = DIM; rows > 1; rows /= 2) {
    const half = (rows / 2) * width;
    for (let i = 0; i < half; i++) words[i] = fnv(words[i]!, words[half + i]!);
  }
  const bytes = new Uint8Array(DIM);
  const view = new DataView(bytes.buffer);
  for (let j = 0; j < width; j++) view.setUint32(4 * j, words[j]!, true);
  return bytes;
}

/** FNV-1 with a whole word: a · 0x01000193 ⊕ b. */
export function fnv(a: number, b: number): number {
  return (Math.imul(a, 0x01000193) ^ b) >>> 0;
}
