/**
 * A matrix table made to break kernels that are almost exact: its entries lie at the ends of int8,
 * so that sums reach 2^22, pairs of products overflow 16 bits, and half floats round.
 *
 * It is no table of any seed: its "seed" is 32 bytes of 0xee, which only names it in a device.
 * Matrices 0 … 4 are regular (all −128, all 127, stripes, chequered); the rest are random over
 * {−128, 127}, over the four values next to the ends, and over all bytes. The regular ones are few
 * because they flatten the running matrix, and a flat one hides errors.
 */
import { MATRICES, MATRIX_BYTES, TABLE_BYTES } from '../src/tensority/params.ts';
import type { MatrixTable } from '../src/tensority/table.ts';

const REGULAR: readonly ((row: number, column: number) => number)[] = [
  () => -128,
  () => 127,
  (row) => (row % 2 === 0 ? -128 : 127),
  (_row, column) => (column % 2 === 0 ? -128 : 127),
  (row, column) => ((row + column) % 2 === 0 ? -128 : 127),
];

/** Of an irregular matrix: its entries by a random byte. */
const KINDS: readonly Int8Array[] = [
  (byte: number) => ((byte & 1) === 0 ? -128 : 127),
  (byte: number) => ((byte & 1) === 0 ? -128 + ((byte >> 1) & 1) : 127 - ((byte >> 1) & 1)),
  (byte: number) => byte - 128,
].map((entry) => Int8Array.from({ length: 256 }, (_, byte) => entry(byte)));

/** The table, built anew (some 50 ms): it is needed when a device opens, and is 16 MiB. */
export function extremeTable(): MatrixTable {
  return { seed: new Uint8Array(32).fill(0xee), data: buildExtremeData() };
}

function buildExtremeData(): Int8Array {
  // Shared, so that a hasher's threads need no copy. A page without isolation has no such memory.
  const shared = typeof SharedArrayBuffer === 'function';
  const data = new Int8Array(
    shared ? new SharedArrayBuffer(TABLE_BYTES) : new ArrayBuffer(TABLE_BYTES),
  );
  // A local copy: test runners turn an imported constant into a property that is read each time.
  const bytes = MATRIX_BYTES;
  let state = 0x2545f491;
  for (let index = 0; index < MATRICES; index++) {
    const matrix = data.subarray(index * bytes, (index + 1) * bytes);
    const regular = REGULAR[index];
    if (regular !== undefined) {
      for (let i = 0; i < bytes; i++) matrix[i] = regular(i >> 8, i & 255);
      continue;
    }
    const values = KINDS[index % 3]!;
    for (let i = 0; i < bytes; i++) {
      // xorshift32; the high byte is the best mixed one.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      matrix[i] = values[state >>> 24]!;
    }
  }
  return data;
}
