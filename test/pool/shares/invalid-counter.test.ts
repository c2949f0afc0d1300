import { describe, expect, it } from 'vitest';
import { InvalidCounter } from '../../../pool/shares/invalid-counter.ts';

const OPTIONS = { banShares: 50, banInvalidPart: 0.5 };
const times = (n: number, act: () => unknown): unknown[] => Array.from({ length: n }, act);

describe('InvalidCounter', () => {
  it('bans at half of fifty, and not before', () => {
    const counter = new InvalidCounter(OPTIONS);
    expect(times(49, () => counter.bad())).not.toContain(true);
    expect(counter.bad()).toBe(true);
    // Anew after a ban.
    expect(times(49, () => counter.bad())).not.toContain(true);
  });

  it('does not ban below half', () => {
    const counter = new InvalidCounter(OPTIONS);
    times(26, () => counter.good());
    expect(times(25, () => counter.bad())).not.toContain(true);
    expect(counter.bad()).toBe(true);
  });

  it('forgets in time: many good shares do not pay for many bad ones', () => {
    const counter = new InvalidCounter(OPTIONS);
    times(1_000_000, () => counter.good());
    const bans = times(400, () => counter.bad());
    expect(bans.indexOf(true)).toBeGreaterThan(49);
    expect(bans.indexOf(true)).toBeLessThan(250);
  });

  it('counts low-difficulty shares once one of them is confirmed, then all of them', () => {
    const counter = new InvalidCounter(OPTIONS);
    expect(times(150, () => counter.lowDifficulty(false))).not.toContain(true);
    expect(counter.lowDifficulty(true)).toBe(true);
    const other = new InvalidCounter(OPTIONS);
    expect(times(1, () => other.lowDifficulty(true))).toEqual([false]);
    expect(times(48, () => other.lowDifficulty(false))).not.toContain(true);
    expect(other.lowDifficulty(false)).toBe(true);
  });
});
