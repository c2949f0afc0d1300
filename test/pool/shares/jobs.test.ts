import { describe, expect, it } from 'vitest';
import {
  freshnessOf,
  JobIds,
  JobTable,
  PoolJob,
  plainJobId,
  Work,
} from '../../../pool/shares/jobs.ts';
import { makeTemplate } from './desk-rig.ts';

describe('plainJobId', () => {
  it.each([
    ['1', '1'],
    ['0017', '17'],
    ['0', '0'],
    ['000', '0'],
    ['18446744073709551615', '18446744073709551615'],
    ['0'.repeat(5000), '0'],
    ['18446744073709551616', undefined],
    ['1'.repeat(5000), undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.0', undefined],
    ['zz', undefined],
    [' 1', undefined],
    ['1\n', undefined],
  ])('%j', (text, expected) => {
    expect(plainJobId(text)).toBe(expected);
  });
});

describe('JobIds', () => {
  it('go on from the wall clock, below 2^53, each once', () => {
    const ids = new JobIds(1_800_000_000_000);
    const first = ids.next();
    expect(first).toBe('1800000000000001');
    expect(ids.next()).toBe('1800000000000002');
    expect(Number(first)).toBeLessThan(2 ** 53);
  });
});

describe('JobIds.has', () => {
  it('is true for those that were given out, and no others', () => {
    const ids = new JobIds(1_800_000_000_000);
    const all = [ids.next(), ids.next(), ids.next()];
    expect(all.map((id) => ids.has(id))).toEqual([true, true, true]);
    const others = ['0', '1800000000000000', '1800000000000004', '18446744073709551615'];
    expect(others.map((id) => ids.has(id))).toEqual([false, false, false, false]);
  });
});

describe('JobTable', () => {
  const work = new Work(makeTemplate(), { endedAt: undefined });
  function remembered(times: readonly number[]): readonly number[] {
    const table = new JobTable();
    times.forEach((time, i) => {
      table.add(new PoolJob(`${i}`, work, 1n, 1n, 0n, false, time));
    });
    return times.flatMap((_, i) => (table.find(`${i}`) === undefined ? [] : [i]));
  }

  it('remembers the last eight, however old', () => {
    const hours = Array.from({ length: 10 }, (_, i) => i * 3_600_000);
    expect(remembered(hours)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('remembers all that were the newest in the last minute', () => {
    const often = Array.from({ length: 20 }, (_, i) => i * 10_000);
    expect(remembered(often)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    const oftener = Array.from({ length: 30 }, (_, i) => i * 3000);
    // Job 7 was replaced 63 s ago, job 8 just 60 s ago.
    expect(remembered(oftener)[0]).toBe(8);
  });

  it('remembers no more than 32', () => {
    const rush = Array.from({ length: 50 }, (_, i) => i);
    expect(remembered(rush)).toHaveLength(32);
    expect(remembered(rush)[0]).toBe(18);
  });
});

describe('freshnessOf', () => {
  it('counts the grace from the end of the parent, or of the client being told to wait', () => {
    const current = new Work(makeTemplate({ height: 2 }), { endedAt: undefined });
    const old = new Work(makeTemplate({ height: 1 }), { endedAt: 1000 });
    const never = { from: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY };
    expect(freshnessOf(current, current, 1e9, 10, never)).toBe('current');
    expect(freshnessOf(old, current, 1010, 10, never)).toBe('late');
    expect(freshnessOf(old, current, 1011, 10, never)).toBe('stale');
    const held = { from: 900, until: 5000 };
    expect(freshnessOf(old, current, 5010, 10, held)).toBe('late');
    expect(freshnessOf(old, current, 5011, 10, held)).toBe('stale');
    // To wait after the grace excuses nothing.
    expect(freshnessOf(old, current, 5010, 10, { from: 1010, until: 5000 })).toBe('late');
    expect(freshnessOf(old, current, 5010, 10, { from: 1011, until: 5000 })).toBe('stale');
  });

  it('ends every grace a minute after the parent', () => {
    const current = new Work(makeTemplate({ height: 2 }), { endedAt: undefined });
    const old = new Work(makeTemplate({ height: 1 }), { endedAt: 1000 });
    const held = { from: 900, until: 60_995 };
    expect(freshnessOf(old, current, 61_000, 10, held)).toBe('late');
    expect(freshnessOf(old, current, 61_001, 10, held)).toBe('stale');
  });
});
