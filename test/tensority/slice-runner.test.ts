import { describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { cpuTuning } from '../../src/tensority/cpu-hasher.ts';
import { openSliceRunner } from '../../src/tensority/slice-runner.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { sha3Hex, stages } from './vectors.ts';

describe('a slice runner', () => {
  it('ends slices as the reference node does, one after the other', () => {
    const [stage] = stages();
    const run = openSliceRunner(buildMatrixTable(hexToBytes(stage!.seed, 'seed', 32)));
    for (const { sequence, running_sha3_after_step: running } of stage!.hashes[0]!.slices) {
      expect(sha3Hex(run(hexToBytes(sequence, 'sequence'))), sequence).toBe(running['64']);
    }
  });

  it('gives each end away for good, whichever the kernel', () => {
    const table = extremeTable();
    const sequences = [5, 6, 7].map((first) =>
      Uint8Array.from({ length: 32 }, (_, i) => first + i),
    );
    const ends = cpuTuning().tiers.map((kernel) => {
      const run = openSliceRunner(table, kernel);
      return sequences.map((sequence) => run(sequence));
    });
    const digests = ends.map((each) => each.map((end) => sha3Hex(end)));
    expect(new Set(digests[0]).size).toBe(sequences.length);
    for (const each of digests) expect(each).toEqual(digests[0]);
  });
});
