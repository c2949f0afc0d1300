/**
 * A few rows of what a hash ends in, in plain TypeScript: what a board answers to ROWS, and what it is
 * judged by. Row r of a product depends on row r alone of its left factor, so one row costs 1/256
 * of a hash.
 */
import { fold } from './matmul.ts';
import { DIM, ROUNDS, SLICES } from './params.ts';
import { sliceSequence } from './reference.ts';
import { type MatrixTable, matrixOf } from './table.ts';

/**
 * Rows `row0` … `row0` + `n` − 1 of the four slices' last matrices, added up byte by byte: n × 256
 * bytes of what `foldRows` begins with. Throws a `RangeError` for rows that there are not.
 */
export function summedRows(
  headerHash: Uint8Array,
  table: MatrixTable,
  row0: number,
  n: number,
): Uint8Array {
  const isInside = Number.isInteger(row0) && Number.isInteger(n) && row0 >= 0 && n >= 1;
  if (!isInside || row0 + n > DIM) {
    throw new RangeError(`rows expected within 0 … ${DIM - 1}, got ${n} from row ${row0}`);
  }
  const sum = new Uint8Array(n * DIM);
  for (let slice = 0; slice < SLICES; slice++) {
    const sequence = sliceSequence(headerHash, slice);
    for (let i = 0; i < n; i++) {
      const row = sliceRow(sequence, table, row0 + i);
      for (let j = 0; j < DIM; j++) sum[i * DIM + j]! += row[j]!;
    }
  }
  return sum;
}

/** One row of what `runSlice` makes: a row of the identity, multiplied in turn. */
function sliceRow(sequence: Uint8Array, table: MatrixTable, index: number): Int8Array {
  let row: Int8Array = new Int8Array(DIM);
  let next: Int8Array = new Int8Array(DIM);
  row[index] = 1;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of sequence) {
      multiplyRow(row, matrixOf(table, name), next);
      [row, next] = [next, row];
    }
  }
  return row;
}

/** A row by the transpose of `matrix`, folded. `out` may not alias. */
function multiplyRow(row: Int8Array, matrix: Int8Array, out: Int8Array): void {
  // A local copy: test runners turn an imported constant into a property that is read each time.
  const n = DIM;
  for (let column = 0; column < n; column++) {
    let v = 0;
    for (let k = 0; k < n; k++) v += row[k]! * matrix[column * n + k]!;
    out[column] = fold(v);
  }
}
