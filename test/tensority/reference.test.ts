import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { mulFold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import {
  finishHash,
  fnv,
  runSlice,
  sliceSequence,
  tensority,
} from '../../src/tensority/reference.ts';
import { type MatrixTable, matrixOf } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import { sha3Hex, stages } from './vectors.ts';

const tables = new Map<string, MatrixTable>();

/** The table of a stored seed, which test/tensority/table-builder.test.ts checks. */
function tableOf(seed: string): MatrixTable {
  const table = tables.get(seed) ?? buildMatrixTable(hexToBytes(seed, 'seed', 32));
  tables.set(seed, table);
  return table;
}

describe('a slice', () => {
  it('follows the sequence of its 8 bytes', () => {
    for (const { hashes } of stages()) {
      for (const { header_hash, slices } of hashes) {
        const headerHash = hexToBytes(header_hash, 'header_hash', 32);
        slices.forEach(({ sequence }, slice) => {
          const context = `${header_hash}, slice ${slice}`;
          expect(bytesToHex(sliceSequence(headerHash, slice)), context).toBe(sequence);
        });
      }
    }
  });

  it('starts at the identity: steps 1 and 2 give the running matrices of bytomd', () => {
    const identity = new Int8Array(MATRIX_BYTES);
    for (let i = 0; i < DIM; i++) identity[i * DIM + i] = 1;
    const [one, two] = [new Int8Array(MATRIX_BYTES), new Int8Array(MATRIX_BYTES)];
    for (const { seed, hashes } of stages()) {
      for (const { header_hash, slices } of hashes) {
        for (const { sequence, running_sha3_after_step: running } of slices.slice(0, 2)) {
          const [first, second] = hexToBytes(sequence, 'sequence', 32);
          mulFold(identity, matrixOf(tableOf(seed), first!), one);
          expect(sha3Hex(one), header_hash).toBe(running['1']);
          mulFold(one, matrixOf(tableOf(seed), second!), two);
          expect(sha3Hex(two), header_hash).toBe(running['2']);
        }
      }
    }
  });

  it('ends where bytomd ends, after running through its sequence twice', () => {
    const { seed, hashes } = stages()[1]!;
    const { sequence, running_sha3_after_step: running } = hashes[1]!.slices[3]!;
    const end = runSlice(hexToBytes(sequence, 'sequence', 32), tableOf(seed));
    expect(sha3Hex(end)).toBe(running['64']);
  });

  it('refuses a header hash of another length', () => {
    expect(() => sliceSequence(new Uint8Array(33), 0)).toThrow(
      new RangeError('"headerHash" expected 32 bytes, got 33'),
    );
  });
});

describe('finishHash', () => {
  /** The same in big integers, as the chain describes it: words, then rows folded in halves. */
  function finalBytes(sum: Uint8Array): Uint8Array {
    let rows: bigint[][] = Array.from({ length: DIM }, (_r, row) =>
      Array.from({ length: 64 }, (_c, j) =>
        [0, 1, 2, 3].reduce(
          (word, byte) => word | (BigInt(sum[row * DIM + j + 64 * byte]!) << BigInt(8 * byte)),
          0n,
        ),
      ),
    );
    while (rows.length > 1) {
      const half = rows.length / 2;
      rows = rows
        .slice(0, half)
        .map((row, i) =>
          row.map((word, j) => BigInt.asUintN(32, word * 0x01000193n) ^ rows[half + i]![j]!),
        );
    }
    return Uint8Array.from(
      rows[0]!.flatMap((word) => [0n, 8n, 16n, 24n].map((by) => Number((word >> by) & 255n))),
    );
  }

  it('folds rows of words as the chain describes it, over extremes and random bytes', () => {
    const random = seededRandom(21);
    const sums: readonly (readonly [name: string, sum: Uint8Array])[] = [
      ['zeros', new Uint8Array(MATRIX_BYTES)],
      ['all 255', new Uint8Array(MATRIX_BYTES).fill(255)],
      ['all 128', new Uint8Array(MATRIX_BYTES).fill(128)],
      ['random', Uint8Array.from({ length: MATRIX_BYTES }, () => Math.floor(random() * 256))],
    ];
    for (const [name, sum] of sums) {
      const expected = createHash('sha3-256').update(finalBytes(sum)).digest('hex');
      expect(bytesToHex(finishHash(sum)), name).toBe(expected);
    }
  });

  it('leaves the sum as it is', () => {
    const sum = new Uint8Array(MATRIX_BYTES).fill(3);
    finishHash(sum);
    expect(sum).toEqual(new Uint8Array(MATRIX_BYTES).fill(3));
  });
});

describe('fnv', () => {
  it('multiplies modulo 2^32 and gives an unsigned word', () => {
    const random = seededRandom(2);
    const edges = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    const more = Array.from({ length: 40 }, () => Math.floor(random() * 2 ** 32));
    for (const a of [...edges, ...more]) {
      for (const b of edges) {
        const expected = BigInt.asUintN(32, BigInt(a) * 0x01000193n) ^ BigInt(b);
        expect(BigInt(fnv(a, b)), `fnv(${a}, ${b})`).toBe(expected);
      }
    }
  });
});

describe('tensority', () => {
  it('gives the hash of bytomd', () => {
    const { seed, hashes } = stages()[0]!;
    const { header_hash, result } = hashes[1]!;
    const headerHash = hexToBytes(header_hash, 'header_hash', 32);
    expect(bytesToHex(tensority(headerHash, tableOf(seed)))).toBe(result);
  });
});
