import { describe, expect, it } from 'vitest';
import { blockWork, nextBits, retargetAnchorHeight } from '../../src/consensus/difficulty.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { load } from '../chain/vectors.ts';
import { seededRandom } from '../support/random.ts';

interface DifficultyVectors {
  readonly compact: readonly { readonly bits: string; readonly work: string }[];
  readonly retarget: readonly {
    readonly last_height: number;
    readonly last_bits: string;
    readonly last_timestamp: number;
    readonly compare_timestamp: number;
    readonly next_bits: string;
  }[];
}

const vectors = load('difficulty.json') as DifficultyVectors;

const START = 1_500_000_000;

/** The bits after a period of so many seconds that had `bits`. */
function retarget(bits: bigint, seconds: number): bigint {
  return nextBits(
    { height: 4032, timestamp: START + seconds, bits },
    { height: 2016, timestamp: START },
  );
}

/**
 * The same by the text of the rule, on hex digits: the exact fraction rounded down, then the first
 * three bytes of its magnitude, rounded up for a negative number, which is down for the number.
 */
function retargetByDigits(bits: bigint, seconds: number): bigint {
  const product = bitsToTarget(bits) * BigInt(seconds);
  const remainder = ((product % 302_400n) + 302_400n) % 302_400n;
  const target = (product - remainder) / 302_400n;
  if (target === 0n) return 0n;
  const digits = `${target}`.startsWith('-') ? (-target).toString(16) : target.toString(16);
  const padded = digits.length % 2 === 0 ? digits : `0${digits}`;
  const rest = padded.slice(6);
  const first = BigInt(`0x${padded.slice(0, 6).padEnd(6, '0')}`);
  const roundUp = target < 0n && /[^0]/.test(rest);
  const exponent = BigInt(padded.length / 2);
  return exponent * 2n ** 56n + (target < 0n ? 2n ** 55n : 0n) + first + (roundUp ? 1n : 0n);
}

describe('nextBits', () => {
  it('is what the reference asks for', () => {
    expect(vectors.retarget.length).toBe(104);
    let changed = 0;
    for (const v of vectors.retarget) {
      const { last_height: height, last_timestamp: timestamp } = v;
      const bits = BigInt(v.last_bits);
      const anchorHeight = retargetAnchorHeight(height);
      const anchor =
        anchorHeight === undefined
          ? undefined
          : { height: anchorHeight, timestamp: v.compare_timestamp };
      const next = nextBits({ height, timestamp, bits }, anchor);
      expect(next, `${v.last_bits} at ${height}`).toBe(BigInt(v.next_bits));
      if (next !== bits) changed++;
    }
    expect(changed).toBeGreaterThan(80);
  });

  it('changes only after a parent at a multiple of 2016, and not after genesis', () => {
    const anchors = [0, 1, 2015, 2016, 2017, 4031, 4032, 4033].map(retargetAnchorHeight);
    expect(anchors).toEqual([
      undefined,
      undefined,
      undefined,
      0,
      undefined,
      undefined,
      2016,
      undefined,
    ]);
    for (const height of [0, 1, 2015, 2017]) {
      expect(nextBits({ height, timestamp: 5, bits: 77n }), `${height}`).toBe(77n);
    }
  });

  it('does not go on without the header at the start of the period, or with another', () => {
    const parent = { height: 4032, timestamp: START, bits: 77n };
    expect(() => nextBits(parent)).toThrow('"anchor" expected the header at height 2016, got none');
    for (const height of [0, 2015, 2017, 4032]) {
      expect(() => nextBits(parent, { height, timestamp: START })).toThrow(`got that at ${height}`);
    }
  });

  it('agrees with the rule on digits for spans of any length and sign', () => {
    const random = seededRandom(2016);
    const wrong: string[] = [];
    const seen = { negative: 0, above256: 0, kept: 0 };
    for (let i = 0; i < 20_000; i++) {
      const exponent = BigInt(Math.floor(random() * 48));
      const mantissa = BigInt(Math.floor(random() * 2 ** 24));
      const sign = i % 10 === 0 ? 2n ** 55n : 0n;
      const bits = exponent * 2n ** 56n + sign + mantissa;
      const size = 2 ** Math.floor(random() * 30);
      const seconds = Math.floor((random() - 0.3) * size);
      const next = retarget(bits, seconds);
      if (next !== retargetByDigits(bits, seconds)) wrong.push(`${bits} over ${seconds} s`);
      const target = bitsToTarget(next);
      if (target < 0n) seen.negative++;
      if (target >= 2n ** 256n) seen.above256++;
      if (target === bitsToTarget(bits)) seen.kept++;
    }
    expect(wrong).toEqual([]);
    // Every kind of answer was among them.
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(20);
  });

  it('keeps the target over exactly 2016 × 150 seconds', () => {
    for (const bits of [2_161_727_821_137_910_632n, 2_305_843_009_214_532_812n]) {
      expect(retarget(bits, 302_400)).toBe(bits);
      // A few seconds: one may be lost in the cut to three bytes.
      expect(bitsToTarget(retarget(bits, 302_395))).toBeLessThan(bitsToTarget(bits));
      expect(bitsToTarget(retarget(bits, 302_405))).toBeGreaterThan(bitsToTarget(bits));
    }
  });

  it('never falls when the period took longer', () => {
    const random = seededRandom(7);
    const bits = 2_161_727_821_137_910_632n;
    let seconds = -1_000_000;
    let last = bitsToTarget(retarget(bits, seconds));
    while (seconds < 3_000_000) {
      seconds += 1 + Math.floor(random() * 2_000);
      const target = bitsToTarget(retarget(bits, seconds));
      expect(target >= last, `${seconds} s`).toBe(true);
      last = target;
    }
  });

  it('has no limits: no span gives 0, a span back in time a target below 0', () => {
    const bits = 2_161_727_821_137_910_632n;
    expect(retarget(bits, 0)).toBe(0n);
    expect(bitsToTarget(retarget(bits, -302_400))).toBe(-bitsToTarget(bits));
    // Rounded down, not towards zero: the smallest target over the shortest way back is −1.
    const one = (3n << 56n) | 1n;
    expect(bitsToTarget(one)).toBe(1n);
    expect(bitsToTarget(retarget(one, -1))).toBe(-1n);
    expect(bitsToTarget(retarget(one, 302_399))).toBe(0n);
    expect(bitsToTarget(retarget((33n << 56n) | 0x7f_ffffn, 302_400 * 1000))).toBeGreaterThan(
      2n ** 256n,
    );
  });
});

describe('blockWork', () => {
  it('is what the reference counts', () => {
    expect(vectors.compact.length).toBe(82);
    for (const v of vectors.compact) {
      expect(blockWork(BigInt(v.bits)), v.bits).toBe(BigInt(v.work));
    }
  });

  it('is nothing for targets of zero, below, and above 2^256', () => {
    expect(blockWork(0n)).toBe(0n);
    expect(blockWork((32n << 56n) | (1n << 55n) | 0xffn)).toBe(0n);
    expect(blockWork((34n << 56n) | 0xff_ffffn)).toBe(0n);
  });
});
