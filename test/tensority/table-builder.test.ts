import { describe, expect, it } from 'vitest';
import { matrixOf } from '../../src/tensority/table.ts';
import { buildMatrixTable, buildMatrixTableWith } from '../../src/tensority/table-builder.ts';
import { SMIX_FORMS } from '../../src/tensority/wasm/smix-kernel.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { sha3Hex, stages } from './vectors.ts';

describe('buildMatrixTable', () => {
  it("builds bytomd's tables, each in shared memory of its own", () => {
    const tables = stages().map(({ seed }) => buildMatrixTable(hexToBytes(seed, 'seed', 32)));
    tables.forEach((table, i) => {
      const stage = stages()[i]!;
      expect(sha3Hex(table.data), stage.seed).toBe(stage.table_sha3);
      expect(sha3Hex(matrixOf(table, 127)), stage.seed).toBe(stage.matrix_sha3['127']);
      expect(table.data.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect(table.data.length).toBe(16_777_216);
    });
  });

  it('names its seed by a copy', () => {
    const seed = new Uint8Array(32).fill(1);
    const table = buildMatrixTable(seed);
    seed.fill(2);
    expect(table.seed).toEqual(new Uint8Array(32).fill(1));
  });

  it('refuses a seed of another length', () => {
    expect(() => buildMatrixTable(new Uint8Array(16))).toThrow(
      new RangeError('"seed" expected 32 bytes, got 16'),
    );
  });
});

describe('buildMatrixTableWith', () => {
  it.each(SMIX_FORMS)("builds bytomd's table in the %s form", (form) => {
    for (const stage of stages()) {
      const { data } = buildMatrixTableWith(form, hexToBytes(stage.seed, 'seed', 32));
      expect(sha3Hex(data), stage.seed).toBe(stage.table_sha3);
    }
  });
});
