import { describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { MATRIX_BYTES, SLICES } from '../../src/tensority/params.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import { openSliceRunner } from '../../src/tensority/slice-runner.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { powGroups } from './vectors.ts';

/** What a hash ends in, by the WASM kernel. */
function wholeSum(headerHash: Uint8Array, table: MatrixTable): Uint8Array {
  const run = openSliceRunner(table);
  const sum = new Uint8Array(MATRIX_BYTES);
  for (let slice = 0; slice < SLICES; slice++) {
    run(sliceSequence(headerHash, slice)).forEach((value, i) => {
      sum[i]! += value;
    });
  }
  return sum;
}

describe('summedRows', () => {
  it('are rows of the sum whose finish is the known PoW hash', () => {
    const [group] = powGroups();
    const [{ headerHash, powHash }] = [group!.vectors[0]!];
    const table = buildMatrixTable(group!.seed);
    const sum = wholeSum(headerHash, table);
    expect(bytesToHex(finishHash(sum))).toBe(powHash);
    for (const [row0, n] of [
      [0, 1],
      [97, 2],
      [255, 1],
    ] as const) {
      const expected = bytesToHex(sum.subarray(row0 * 256, (row0 + n) * 256));
      expect(bytesToHex(summedRows(headerHash, table, row0, n)), `row ${row0}`).toBe(expected);
    }
  });

  it('are right at the extremes of int8', () => {
    const headerHash = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
    const table = extremeTable();
    const expected = wholeSum(headerHash, table).subarray(130 * 256, 131 * 256);
    expect(bytesToHex(summedRows(headerHash, table, 130, 1))).toBe(bytesToHex(expected));
  });

  it.each([
    [-1, 1],
    [0, 0],
    [255, 2],
    [0, 257],
    [0.5, 1],
    [Number.NaN, 1],
  ])('refuse %d with n = %d', (row0, n) => {
    const table = { seed: new Uint8Array(32), data: new Int8Array(0) };
    expect(() => summedRows(new Uint8Array(32), table, row0, n)).toThrow(
      new RangeError(`rows expected within 0 … 255, got ${n} from row ${row0}`),
    );
  });
});
