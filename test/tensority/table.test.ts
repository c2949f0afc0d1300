import { describe, expect, it } from 'vitest';
import { extendSeed } from '../../src/tensority/seed.ts';
import { createSmixState, smixRound } from '../../src/tensority/smix.ts';
import {
  buildMatrixTableReference,
  type MatrixTable,
  matrixOf,
} from '../../src/tensority/table.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { sha3Hex, stages } from './vectors.ts';

const stage = stages()[0]!;
const seed = hexToBytes(stage.seed, 'seed', 32);
let built: MatrixTable | undefined;

function table(): MatrixTable {
  built ??= buildMatrixTableReference(seed);
  return built;
}

describe('buildMatrixTableReference', () => {
  it("builds bytomd's table: matrices 0, 1, 2, 127, 255 and the whole", () => {
    expect(Object.keys(stage.matrix_sha3)).toEqual(['0', '1', '2', '127', '255']);
    for (const [index, digest] of Object.entries(stage.matrix_sha3)) {
      expect(sha3Hex(matrixOf(table(), Number(index))), `matrix ${index}`).toBe(digest);
    }
    expect(sha3Hex(table().data)).toBe(stage.table_sha3);
  });

  it('puts the even entries of a round in one matrix, the odd ones in the next', () => {
    const scratchpad = smixRound(createSmixState(extendSeed(seed)));
    const bytes = new Int8Array(scratchpad.buffer);
    for (const entry of [0, 1, 2, 3, 510, 511, 1022, 1023]) {
      const half = matrixOf(table(), entry % 2).subarray((entry >> 1) * 128);
      expect(half.subarray(0, 128), `entry ${entry}`).toEqual(
        bytes.subarray(entry * 128, entry * 128 + 128),
      );
    }
  });

  it('names its seed by a copy', () => {
    const mine = seed.slice();
    expect(table().seed).toEqual(mine);
    expect(table().seed).not.toBe(seed);
  });
});

describe('matrixOf', () => {
  it('is a view of the 64 KiB at its index', () => {
    const last = matrixOf(table(), 255);
    expect([last.length, last.byteOffset]).toEqual([65_536, 255 * 65_536]);
    expect(last.buffer).toBe(table().data.buffer);
  });

  it.each([-1, 256, Number.NaN])('refuses index %d', (index) => {
    expect(() => matrixOf(table(), index)).toThrow(
      new RangeError(`matrix index expected 0 … 255, got ${index}`),
    );
  });
});
