import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../src/p2p/rate-meter.ts';

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
