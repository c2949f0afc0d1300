import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../src/p2p/rate-limiter.ts';
import { RateMeter } from '../../src/p2p/rate-meter.ts';

describe('the rate limiter', () => {
  it('lets a second go at once and makes the rest wait', () => {
    const limiter = new RateLimiter(1000, 0);
    expect(limiter.spend(1000, 0)).toBe(0);
    expect(limiter.spend(500, 0)).toBe(500);
    expect(limiter.spend(500, 500)).toBe(500);
    expect(limiter.spend(1, 60_000)).toBe(0);
    expect(limiter.spend(1000, 60_000)).toBe(1);
  });

  it('comes to its rate over time, whatever is spent at once', () => {
    const limiter = new RateLimiter(512_000, 0);
    let now = 0;
    let spent = 0;
    while (now < 100_000) {
      spent += 16_672;
      now += limiter.spend(16_672, now);
    }
    expect(spent / 101).toBeGreaterThan(505_000);
    expect(spent / 101).toBeLessThan(515_000);
  });

  it('limits nothing where it is infinite', () => {
    const limiter = new RateLimiter(Number.POSITIVE_INFINITY, 0);
    expect(limiter.spend(1e15, 0)).toBe(0);
    expect(limiter.spend(1e15, 1)).toBe(0);
  });

  it('takes only what is free', () => {
    const limiter = new RateLimiter(2, 0, 3);
    expect([0, 0, 0, 0, 499, 500, 500].map((now) => limiter.take(1, now))).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
      false,
    ]);
  });
});

describe('the rate meter', () => {
  it('tells the sum, the average and the present rate', () => {
    const meter = new RateMeter(1000);
    expect([meter.total, meter.average(1000), meter.current(1000)]).toEqual([0, 0, 0]);
    for (let now = 1000; now < 61_000; now += 100) meter.add(100, now);
    expect(meter.total).toBe(60_000);
    expect(meter.average(61_000)).toBe(1000);
    expect(meter.current(61_000)).toBeGreaterThan(950);
    expect(meter.current(61_000)).toBeLessThan(1050);
    expect(meter.current(121_000)).toBe(0);
    expect(meter.average(121_000)).toBe(500);
  });
});
