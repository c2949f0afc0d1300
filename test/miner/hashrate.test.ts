import { describe, expect, it } from 'vitest';
import { addSpeeds, HashrateMeter, NO_SPEED } from '../../miner/hashrate.ts';

/** A meter on a clock of its own, told of `rate` hashes per second in lumps. */
class Bench {
  now: number;
  readonly meter: HashrateMeter;

  constructor(startMs = 123_456) {
    this.now = startMs;
    this.meter = new HashrateMeter(() => this.now);
  }

  run(hashesPerSecond: number, seconds: number, lumpMs: number): void {
    const end = this.now + seconds * 1000;
    while (this.now < end - 1e-6) {
      const from = this.now;
      this.now = Math.min(end, from + lumpMs);
      this.meter.add((hashesPerSecond * (this.now - from)) / 1000, from);
    }
  }
}

describe('HashrateMeter', () => {
  it('has no speed before the first report', () => {
    expect(new Bench().meter.speeds()).toEqual(NO_SPEED);
  });

  it.each([
    [100, 0.2],
    [100, 1],
    [730, 5],
    [5000, 7],
    [5000, 65],
    [20_000, 200],
    [1000, 2000],
  ])('is right for lumps of %d ms after %d s', (lumpMs, seconds) => {
    const bench = new Bench();
    bench.run(50, seconds, lumpMs);
    const speeds = bench.meter.speeds();
    for (const [window, speed] of Object.entries(speeds)) {
      expect(speed, window).toBeCloseTo(50, 6);
    }
    expect(bench.meter.total).toBeCloseTo(50 * seconds, 6);
  });

  it('does not sink while the next lump is under way', () => {
    const bench = new Bench();
    bench.run(50, 30, 5000);
    bench.now += 4900;
    expect(bench.meter.speeds().tenSeconds).toBeCloseTo(50, 6);
  });

  it('sinks to zero in each window when reports stay away', () => {
    const bench = new Bench();
    bench.run(50, 100, 1000);
    bench.now += 5000;
    expect(bench.meter.speeds().tenSeconds).toBeCloseTo(25, 6);
    bench.now += 25_000;
    expect(bench.meter.speeds().tenSeconds).toBe(0);
    expect(bench.meter.speeds().minute).toBeCloseTo(25, 6);
    bench.now += 10_000_000;
    expect(bench.meter.speeds()).toMatchObject({ tenSeconds: 0, minute: 0, quarterHour: 0 });
    expect(bench.meter.speeds().max).toBeCloseTo(50, 6);
  });

  it('follows a change of speed, each window at its own pace', () => {
    const bench = new Bench();
    bench.run(40, 1000, 1000);
    bench.run(80, 30, 1000);
    const speeds = bench.meter.speeds();
    expect(speeds.tenSeconds).toBeCloseTo(80, 6);
    expect(speeds.minute).toBeCloseTo(60, 6);
    expect(speeds.quarterHour).toBeCloseTo((40 * 870 + 80 * 30) / 900, 6);
    bench.run(20, 60, 1000);
    expect(bench.meter.speeds().max).toBeCloseTo(80, 6);
  });

  it('counts pauses between reports as time without hashes', () => {
    const bench = new Bench();
    bench.run(100, 20, 1000);
    bench.now += 20_000;
    bench.run(100, 20, 1000);
    expect(bench.meter.speeds().minute).toBeCloseTo(100 * (40 / 60), 6);
  });

  it('spreads a hash that takes longer than a window', () => {
    const bench = new Bench();
    bench.run(0.01, 5000, 100_000);
    expect(bench.meter.speeds().tenSeconds).toBeCloseTo(0.01, 9);
    expect(bench.meter.speeds().quarterHour).toBeCloseTo(0.01, 9);
    bench.now += 150_000;
    expect(bench.meter.speeds().tenSeconds, 'not overdue yet').toBeCloseTo(0.01, 9);
  });

  it('survives reports of no time and of no hashes', () => {
    const bench = new Bench();
    bench.meter.add(10, bench.now);
    expect(bench.meter.speeds().tenSeconds).toBe(0);
    bench.now += 1000;
    bench.meter.add(0, bench.now);
    expect(bench.meter.speeds().tenSeconds).toBeCloseTo(10, 6);
  });

  it('does not call the first moments the maximum', () => {
    const bench = new Bench();
    bench.meter.add(100, bench.now - 10);
    bench.run(50, 60, 1000);
    expect(bench.meter.speeds().max).toBeLessThan(65);
  });
});

describe('addSpeeds', () => {
  it('adds what devices do', () => {
    const one = { tenSeconds: 1, minute: 2, quarterHour: 3, max: 4 };
    expect(addSpeeds([one, one])).toEqual({ tenSeconds: 2, minute: 4, quarterHour: 6, max: 8 });
    expect(addSpeeds([])).toEqual(NO_SPEED);
  });
});
