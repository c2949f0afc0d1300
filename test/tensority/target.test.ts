import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bitsToTarget,
  difficultyToTarget,
  meetsTarget,
  targetToBits,
  targetToDifficulty,
  targetToWork,
} from '../../src/tensority/target.ts';
import { u256ToBytes } from '../../src/util/u256.ts';

interface DifficultyVectors {
  readonly big_to_compact: readonly { readonly bits: string; readonly n: string }[];
  readonly compact: readonly {
    readonly bits: string;
    readonly target: string;
    readonly work: string;
    readonly back_to_compact: string;
  }[];
  readonly retarget: readonly {
    readonly last_height: number;
    readonly last_bits: string;
    readonly last_timestamp: number;
    readonly compare_timestamp: number;
    readonly next_bits: string;
  }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/difficulty.json', import.meta.url), 'utf8'),
) as DifficultyVectors;

const TWO_256 = 1n << 256n;

/** Hex without prefix, perhaps with a minus sign. */
function signedHex(text: string): bigint {
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}

/** xorshift32: the same "random" targets in every run. */
function createRandom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Compares as the chain describes it, without integers: from the last byte down. */
function atMostByteWise(hash: Uint8Array, target: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    if (hash[i]! !== target[i]!) return hash[i]! < target[i]!;
  }
  return true;
}

describe('compact bits', () => {
  it('mean the targets and the work that bytomd computes', () => {
    expect(vectors.compact.length).toBe(82);
    for (const v of vectors.compact) {
      const target = bitsToTarget(BigInt(v.bits));
      expect(target, `bits ${v.bits}`).toBe(signedHex(v.target));
      expect(targetToWork(target), `work of ${v.bits}`).toBe(BigInt(v.work));
      expect(targetToBits(target), `back from ${v.bits}`).toBe(BigInt(v.back_to_compact));
    }
  });

  it('are made from integers as bytomd makes them', () => {
    expect(vectors.big_to_compact.length).toBe(73);
    for (const v of vectors.big_to_compact) {
      expect(targetToBits(signedHex(v.n)), `n ${v.n}`).toBe(BigInt(v.bits));
    }
  });

  it('come out of retargets as bytomd computes them', () => {
    const isRetarget = (height: number): boolean => height > 0 && height % 2016 === 0;
    const retargets = vectors.retarget.filter((v) => isRetarget(v.last_height));
    expect(retargets.length).toBe(92);
    for (const v of retargets) {
      const span = BigInt(v.last_timestamp - v.compare_timestamp);
      const next = (bitsToTarget(BigInt(v.last_bits)) * span) / 302_400n;
      expect(targetToBits(next), `${v.last_bits} over ${span} s`).toBe(BigInt(v.next_bits));
    }
  });

  it('keep all 64 bits: mainnet genesis differs as a double', () => {
    const exact = 2161727821137910632n;
    const rounded = BigInt(Number(exact));
    expect(rounded).not.toBe(exact);
    expect(bitsToTarget(rounded)).not.toBe(bitsToTarget(exact));
  });

  it('take bit 23 of the mantissa as a digit and bit 55 as the sign', () => {
    expect(bitsToTarget((4n << 56n) | 0xff_ffffn)).toBe(0xff_ffff00n);
    expect(bitsToTarget((4n << 56n) | (1n << 55n) | 1n)).toBe(-0x100n);
  });

  it('survive a round trip through a target: nothing is lost after the first cut', () => {
    const random = createRandom(7);
    for (let i = 0; i < 5_000; i++) {
      const cut = bitsToTarget((BigInt(4 + (random() % 29)) << 56n) | BigInt(random() & 0xff_ffff));
      expect(bitsToTarget(targetToBits(cut)), `target ${cut}`).toBe(cut);
    }
  });
});

describe('meetsTarget', () => {
  it('agrees with a byte-wise comparison for 120,000 random pairs', () => {
    const random = createRandom(20_261_120);
    const hash = new Uint8Array(32);
    const targetBytes = new Uint8Array(32);
    const hashWords = new Uint32Array(hash.buffer);
    const targetWords = new Uint32Array(targetBytes.buffer);
    const view = new DataView(targetBytes.buffer);
    let met = 0;
    const wrong: string[] = [];
    for (let i = 0; i < 120_000; i++) {
      for (let w = 0; w < 8; w++) {
        hashWords[w] = random();
        targetWords[w] = random();
      }
      // Two thirds of the pairs share their most significant bytes, so every byte decides sometimes.
      if (i % 3 !== 0) {
        const same = random() % 33;
        hash.set(targetBytes.subarray(32 - same), 32 - same);
      }
      let target = 0n;
      for (let w = 3; w >= 0; w--) target = (target << 64n) | view.getBigUint64(8 * w, true);
      const expected = atMostByteWise(hash, targetBytes);
      if (expected) met++;
      if (meetsTarget(hash, target) !== expected) wrong.push(target.toString(16));
    }
    expect(wrong).toEqual([]);
    // Both answers are frequent: the comparison above had something to compare.
    expect(met).toBeGreaterThan(40_000);
    expect(met).toBeLessThan(80_000);
  });

  it('counts a hash equal to the target, and none one above it, at 100,000 random targets', () => {
    const random = createRandom(99);
    const wrong: string[] = [];
    for (let i = 0; i < 100_000; i++) {
      const exponent = BigInt(4 + (random() % 29));
      const target = bitsToTarget((exponent << 56n) | BigInt((random() & 0xff_ffff) | 1));
      if (!meetsTarget(u256ToBytes(target), target)) wrong.push(`= ${target.toString(16)}`);
      if (meetsTarget(u256ToBytes(target + 1n), target)) wrong.push(`+1 ${target.toString(16)}`);
    }
    expect(wrong).toEqual([]);
  });

  it('takes any hash for a target above 2^256 and none for a negative one', () => {
    const largest = new Uint8Array(32).fill(0xff);
    expect(meetsTarget(largest, TWO_256)).toBe(true);
    expect(meetsTarget(largest, TWO_256 - 1n)).toBe(true);
    expect(meetsTarget(largest, TWO_256 - 2n)).toBe(false);
    expect(meetsTarget(new Uint8Array(32), 0n)).toBe(true);
    expect(meetsTarget(new Uint8Array(32), -1n)).toBe(false);
  });
});

describe('difficulty', () => {
  it('of a pool is 2^256 / target', () => {
    expect(difficultyToTarget(1n)).toBe(TWO_256);
    expect(difficultyToTarget(2n)).toBe(1n << 255n);
    expect(difficultyToTarget(3n)).toBe(TWO_256 / 3n);
    expect(targetToDifficulty(difficultyToTarget(1_050_000n))).toBeCloseTo(1_050_000, 6);
    expect(targetToDifficulty(1n)).toBe(2 ** 256);
    expect(targetToDifficulty(0n)).toBe(Number.POSITIVE_INFINITY);
    expect(() => difficultyToTarget(0n)).toThrow('difficulty expected 1 or more, got 0');
  });

  it('grows as the target shrinks', () => {
    let last = 0;
    for (let shift = 0n; shift < 250n; shift += 5n) {
      const difficulty = targetToDifficulty(TWO_256 >> shift);
      expect(difficulty, `2^-${shift}`).toBe(2 ** Number(shift));
      expect(difficulty).toBeGreaterThan(last);
      last = difficulty;
    }
  });
});
