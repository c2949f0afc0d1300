/**
 * The end of a hash on this side: from what a model gives to the 32 bytes of the PoW hash.
 *
 * Models keep the running matrix transposed, so a sum of slices comes as [column][row], and FNV runs
 * over the last axis.
 */
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { fnv } from '../../src/tensority/reference.ts';
import { sha3 } from '../../src/util/sha3.ts';

/** Words of a hash that are left after FNV. */
const WORDS = 64;

/** `words`: those of several hashes, 64 each; any integers that are right modulo 2^32. */
export function hashOfWords(words: ArrayLike<number>, index: number): Uint8Array {
  const bytes = new Uint8Array(4 * WORDS);
  const view = new DataView(bytes.buffer);
  for (let j = 0; j < WORDS; j++) view.setUint32(4 * j, words[WORDS * index + j]! >>> 0, true);
  return sha3(bytes);
}

/** `sums`: those of several hashes, [column][row] each; any integers that are right modulo 256. */
export function hashOfSum(sums: ArrayLike<number>, index: number): Uint8Array {
  const at = MATRIX_BYTES * index;
  const part = MATRIX_BYTES / 4;
  const words = new Uint32Array(WORDS);
  const row = new Uint32Array(DIM);
  for (let j = 0; j < WORDS; j++) {
    for (let r = 0, from = at + DIM * j; r < DIM; r++, from++) {
      row[r] =
        (sums[from]! & 255) |
        ((sums[from + part]! & 255) << 8) |
        ((sums[from + 2 * part]! & 255) << 16) |
        ((sums[from + 3 * part]! & 255) << 24);
    }
    for (let half = DIM / 2; half >= 1; half /= 2) {
      for (let r = 0; r < half; r++) row[r] = fnv(row[r]!, row[half + r]!);
    }
    words[j] = row[0]!;
  }
  return hashOfWords(words, 0);
}
