import { describe, expect, it } from 'vitest';
import { WorkRate } from '../../../pool/shares/work-rate.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('WorkRate', () => {
  it('is the work of the last ten minutes, or since the start', async () => {
    const clock = new FakeClock();
    const rate = new WorkRate(clock);
    expect(rate.hashesPerSecond).toBe(0);
    rate.add(500n);
    expect(rate.hashesPerSecond).toBe(500);
    for (let second = 0; second < 3600; second++) {
      await clock.advance(1000);
      rate.add(1000n);
      if (second > 60) expect(Math.abs(rate.hashesPerSecond / 1000 - 1)).toBeLessThan(0.02);
    }
    await clock.advance(300_000);
    expect(Math.abs(rate.hashesPerSecond / 500 - 1)).toBeLessThan(0.05);
    await clock.advance(301_000);
    expect(rate.hashesPerSecond).toBe(0);
    await clock.advance(1e9);
    rate.add(600_000n);
    expect(Math.abs(rate.hashesPerSecond / 1000 - 1)).toBeLessThan(0.05);
  }, 10_000);
});
