import { describe, expect, it } from 'vitest';
import { formatDifficulty, formatHashrate } from '../../../miner/report/format.ts';

describe('formatDifficulty', () => {
  it.each([
    [0, '0'],
    [0.25, '0.25'],
    [1, '1'],
    [4, '4'],
    [999, '999'],
    [999.6, '1K'],
    [1_024, '1.02K'],
    [100_001, '100K'],
    [500_000, '500K'],
    [999_999, '1M'],
    [1_050_000, '1.05M'],
    [1_050_202.3, '1.05M'],
    [4_000_000n, '4M'],
    [12_345_678_901_234n, '12.3T'],
    [Number.POSITIVE_INFINITY, '∞'],
    [Number.NaN, '?'],
  ])('writes %s as %s', (difficulty, text) => {
    expect(formatDifficulty(difficulty)).toBe(text);
  });
});

describe('formatHashrate', () => {
  it.each([
    [0, '0.00 H/s'],
    [0.873, '0.87 H/s'],
    [31.25, '31.3 H/s'],
    [1_847.2, '1847.2 H/s'],
    [9_999.94, '9999.9 H/s'],
    [9_999.96, '10.00 kH/s'],
    [18_472, '18.47 kH/s'],
    [1_850_000, '1.85 MH/s'],
    [2.5e9, '2.50 GH/s'],
    [Number.NaN, '0.00 H/s'],
  ])('writes %s as %s', (rate, text) => {
    expect(formatHashrate(rate)).toBe(text);
  });
});
