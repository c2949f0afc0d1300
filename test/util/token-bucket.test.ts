import { describe, expect, it } from 'vitest';
import { type Rate, SourceLimits, TokenBucket } from '../../src/util/token-bucket.ts';

function bucketOf(rate: Rate): { readonly bucket: TokenBucket; readonly at: (ms: number) => void } {
  let now = 0;
  const bucket = new TokenBucket(rate, { now: () => now });
  return {
    bucket,
    at: (ms) => {
      now = ms;
    },
  };
}

/** How many of `times` uses are allowed. */
function allowed(times: number, use: () => boolean): number {
  return Array.from({ length: times }, use).filter(Boolean).length;
}

describe('a token bucket', () => {
  it('allows a burst at once, then so many a second, and saves no more than a burst', () => {
    const { bucket, at } = bucketOf({ burst: 5, perSecond: 2 });
    const takeNine = (): number => allowed(9, () => bucket.tryTake());
    expect(takeNine()).toBe(5);
    at(499);
    expect(takeNine()).toBe(0);
    at(1000);
    expect(takeNine()).toBe(2);
    at(1_000_000);
    expect(takeNine()).toBe(5);
  });

  it('fills up to its burst, and lends against time', () => {
    const { bucket, at } = bucketOf({ perSecond: 10, burst: 5 });
    expect([bucket.tryTake(6), bucket.tryTake(5), bucket.tryTake()]).toEqual([false, true, false]);
    at(100);
    expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false]);
    at(60_000);
    expect([bucket.take(5), bucket.take(), bucket.take(2)]).toEqual([0, 100, 300]);
    at(60_300);
    expect(bucket.take(0)).toBe(0);
    expect(bucket.tryTake()).toBe(false);
  });

  it('comes to its rate over time, whatever is taken at once', () => {
    const { bucket, at } = bucketOf({ perSecond: 512_000, burst: 512_000 });
    let taken = 0;
    for (let now = 0; now < 100_000; at(now)) {
      taken += 16_672;
      now += bucket.take(16_672);
    }
    expect(taken / 101).toBeGreaterThan(505_000);
    expect(taken / 101).toBeLessThan(515_000);
  });

  it('limits nothing where it is infinite', () => {
    const { bucket, at } = bucketOf({ perSecond: Infinity, burst: Infinity });
    expect([bucket.take(1e15), bucket.take(1e15), bucket.tryTake(1e15)]).toEqual([0, 0, true]);
    at(1);
    expect([bucket.take(1e15), bucket.tryTake(1e15)]).toEqual([0, true]);
  });
});

describe('limits by source', () => {
  it('limit each source by itself, and forget the one not heard of for longest', () => {
    const limits = new SourceLimits({ burst: 1, perSecond: 1 }, 2, { now: () => 0 });
    const taken = ['a', 'b', 'a', 'c', 'a', 'b'].map((source) => limits.tryTake(source));
    expect(taken).toEqual([true, true, false, true, false, true]);
  });
});
