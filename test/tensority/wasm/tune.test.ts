import { describe, expect, it } from 'vitest';
import { fold, mulFold } from '../../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../../src/tensority/params.ts';
import { probeEngine } from '../../../src/tensority/wasm/probe.ts';
import { availableTiers, type WasmTier } from '../../../src/tensority/wasm/tiers.ts';
import {
  KNOWN_ANSWER,
  KNOWN_SEQUENCE,
  knownMatrix,
  tuneTiers,
} from '../../../src/tensority/wasm/tune.ts';
import { sha3Hex } from '../vectors.ts';
import { matrixFrom } from './matrices.ts';

const traits = probeEngine();
const SLOWEST: WasmTier = availableTiers(traits, { arch: 'arm64', revectorize: false }).at(-1)!;

/** The slowest tier with another shape, under a name by which to find it. */
function tierWith(name: WasmTier['name'], shape: Partial<WasmTier['shape']>): WasmTier {
  return { ...SLOWEST, name, shape: { ...SLOWEST.shape, ...shape } };
}

describe('the known answer', () => {
  it('is what the plain reference computes', () => {
    const [first, ...rest] = KNOWN_SEQUENCE;
    const start = knownMatrix(first!);
    let x = matrixFrom((row, column) => fold(start[column * DIM + row]!));
    for (const name of rest) {
      const next = new Int8Array(MATRIX_BYTES);
      mulFold(x, knownMatrix(name), next);
      x = next;
    }
    expect(sha3Hex(x)).toBe(KNOWN_ANSWER);
  });

  it('rests on both ends of int8 everywhere, mixed, and on noise', () => {
    const values = [0, 1, 2, 3].map((name) => new Set(knownMatrix(name)));
    expect([...values[0]!]).toEqual([-128]);
    expect([...values[1]!]).toEqual([127]);
    const ends = knownMatrix(2).filter((value) => value === -128 || value === 127).length;
    expect(ends).toBeGreaterThan(MATRIX_BYTES / 3);
    expect(ends).toBeLessThan((2 * MATRIX_BYTES) / 3);
    expect(values[3]!.size).toBe(256);
    expect(new Set(KNOWN_SEQUENCE)).toEqual(new Set([0, 1, 2, 3]));
  });
});

describe('tuneTiers', () => {
  it('finds every tier of this engine exact, the fastest first', () => {
    const { tiers, failed } = tuneTiers({ revectorize: true, timeMs: 1 });
    expect(failed).toEqual([]);
    const expected = availableTiers(traits, { arch: process.arch, revectorize: true });
    expect(tiers.map(({ tier }) => tier.name).sort()).toEqual(
      expected.map(({ name }) => name).sort(),
    );
    const speeds = tiers.map(({ hashesPerSecond }) => hashesPerSecond);
    expect(speeds).toEqual(speeds.toSorted((a, b) => b - a));
    expect(speeds.every((speed) => speed > 0 && Number.isFinite(speed))).toBe(true);
  });

  it('leaves the 256-bit pass out on request', () => {
    const { tiers } = tuneTiers({ revectorize: false, timeMs: 1 });
    expect(tiers.length).toBeGreaterThan(0);
    expect(tiers.filter(({ tier }) => tier.revectorize)).toEqual([]);
  });

  it('leaves out, with the reason, a kernel that answers wrongly', () => {
    // 5 does not divide 64: the inner loop runs over the end of its panel.
    const wrong = tierWith('dot16-256', { unroll: 5 });
    const { tiers, failed } = tuneTiers({
      revectorize: false,
      timeMs: 1,
      tiers: [wrong, SLOWEST],
    });
    expect(tiers.map(({ tier }) => tier)).toEqual([SLOWEST]);
    expect(failed).toEqual([
      {
        name: 'dot16-256',
        reason: expect.stringMatching(`^known answer ${KNOWN_ANSWER}, got [0-9a-f]{64}$`),
      },
    ]);
  });

  it('leaves out a kernel that reads the second operand as this engine does not', () => {
    const secondOperand = traits.dot32 === 'signed' ? 'unsigned' : 'signed';
    const wrong = tierWith('relaxed32-128', { arithmetic: 'relaxed32', secondOperand });
    const { tiers, failed } = tuneTiers({ revectorize: false, timeMs: 1, tiers: [wrong] });
    expect(tiers).toEqual([]);
    expect(failed.map(({ name }) => name)).toEqual(['relaxed32-128']);
  });

  it('leaves out, with the reason, a kernel that does not compile', () => {
    // Columns that are no whole number of vectors name locals that do not exist.
    const invalid = tierWith('relaxed32-256', { arithmetic: 'relaxed32', columns: 6 });
    const { tiers, failed } = tuneTiers({ revectorize: false, timeMs: 1, tiers: [invalid] });
    expect(tiers).toEqual([]);
    expect(failed).toEqual([
      { name: 'relaxed32-256', reason: expect.stringContaining('WebAssembly.Module()') },
    ]);
  });
});
