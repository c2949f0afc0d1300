/** How large batches become and when the engine looks for them, against a GPU that only takes time. */
import { describe, expect, it } from 'vitest';
import { Pace } from '../../drivers/webgpu/engine/pace.ts';

interface Gpu {
  /** Milliseconds of a batch that begins at `at`. */
  readonly batchMs: (count: number, at: number) => number;
  readonly depth: number;
  readonly guess: number;
  readonly aimMs?: number;
  readonly most?: number;
  readonly seconds?: number;
}

interface Outcome {
  /** Of the GPU's time. */
  readonly busy: number;
  /** Of the time: how much was spent asking for what was not there yet. */
  readonly asking: number;
  readonly sizes: readonly number[];
  readonly msPerHash: number;
}

/** Runs a search without an end on it, as the queue does: launch, sleep, ask. */
function run({ batchMs, depth, guess, aimMs = 40, most = 8192, seconds = 20 }: Gpu): Outcome {
  const pace = new Pace({ msPerHash: guess, aimMs, most });
  const flights: { readonly count: number; readonly end: number }[] = [];
  const sizes: number[] = [];
  let now = 0;
  let freeAt = 0;
  let busyMs = 0;
  let askingMs = 0;
  while (now < seconds * 1000) {
    while (flights.length < depth) {
      if (flights.length === 0) pace.began(now);
      const count = pace.batchSize(Number.MAX_SAFE_INTEGER);
      const begin = Math.max(now, freeAt);
      const ms = batchMs(count, begin);
      freeAt = begin + ms;
      busyMs += ms;
      flights.push({ count, end: freeAt });
      sizes.push(count);
    }
    const { count, end } = flights.shift()!;
    now = Math.max(now, Math.ceil(pace.predictEnd(count, now)));
    const asked = now;
    now = Math.max(now, end) + 0.2;
    askingMs += now - asked;
    pace.ended(count, asked, now, false);
  }
  return { busy: busyMs / now, asking: askingMs / now, sizes, msPerHash: pace.msPerHash };
}

describe('the pace of batches', () => {
  it('keeps the GPU busy and hardly ever asks too early', () => {
    const { busy, asking, sizes } = run({ batchMs: (n) => 0.01 * n, depth: 2, guess: 0.01 });
    expect(busy).toBeGreaterThan(0.99);
    expect(asking).toBeLessThan(0.035);
    expect(Math.min(...sizes.slice(10))).toBeGreaterThan(3800);
    expect(Math.max(...sizes.slice(10))).toBeLessThan(4300);
  });

  it.each([
    ['ten times too slow', 0.1],
    ['ten times too fast', 0.001],
  ])('recovers from a guess that is %s', (_name, guess) => {
    const { msPerHash, busy, sizes } = run({ batchMs: (n) => 0.01 * n, depth: 2, guess });
    expect(msPerHash).toBeGreaterThan(0.0092);
    expect(msPerHash).toBeLessThan(0.0103);
    expect(busy).toBeGreaterThan(0.95);
    expect(sizes.at(-1)).toBeGreaterThan(3800);
  });

  it.each([
    ['twice as fast', 0.5],
    ['three times as slow', 3],
  ])('follows a GPU that becomes %s', (_name, factor) => {
    const { msPerHash, busy, asking } = run({
      batchMs: (n, at) => 0.02 * n * (at < 10_000 ? 1 : factor),
      depth: 2,
      guess: 0.02,
    });
    expect(msPerHash / (0.02 * factor)).toBeGreaterThan(0.92);
    expect(msPerHash / (0.02 * factor)).toBeLessThan(1.03);
    expect(busy).toBeGreaterThan(0.97);
    expect(asking).toBeLessThan(0.06);
  });

  it('does the same with a batch at a time that takes a second', () => {
    const { busy, asking, sizes } = run({
      batchMs: (n) => 1000 * n,
      depth: 1,
      guess: 700,
      seconds: 100,
    });
    expect(busy).toBeGreaterThan(0.98);
    expect(asking).toBeLessThan(0.03);
    expect(new Set(sizes)).toEqual(new Set([1]));
  });

  it('bears times that vary by a tenth', () => {
    let state = 1;
    const random = (): number => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state / 0x7fff_ffff;
    };
    const { busy, asking, msPerHash } = run({
      batchMs: (n) => 0.01 * n * (0.9 + 0.2 * random()),
      depth: 2,
      guess: 0.01,
    });
    expect(busy).toBeGreaterThan(0.97);
    expect(asking).toBeLessThan(0.08);
    expect(msPerHash).toBeGreaterThan(0.008);
    expect(msPerHash).toBeLessThan(0.012);
  });

  it('never makes a batch larger than it may be, nor smaller than one hash', () => {
    const fast = run({ batchMs: (n) => 0.0001 * n, depth: 2, guess: 0.0001, seconds: 1, most: 64 });
    expect(Math.max(...fast.sizes)).toBe(64);
    const slow = run({ batchMs: (n) => 500 * n, depth: 1, guess: 500, seconds: 10 });
    expect(new Set(slow.sizes)).toEqual(new Set([1]));
  });

  it('cuts what is left into batches of about the same size', () => {
    const pace = new Pace({ msPerHash: 0.4, aimMs: 40, most: 8192 });
    expect(pace.batchSize(1)).toBe(1);
    expect(pace.batchSize(100)).toBe(100);
    expect(pace.batchSize(101)).toBe(51);
    expect(pace.batchSize(250)).toBe(84);
  });

  it('learns nothing of the speed from a batch too small to fill the GPU, but how long it takes', () => {
    const pace = new Pace({ msPerHash: 0.01, aimMs: 40, most: 8192 });
    for (let i = 0, now = 0; i < 10; i++, now += 100) {
      pace.began(now);
      pace.ended(1, now, now + 6, false);
    }
    expect(pace.msPerHash).toBe(0.01);
    pace.began(5000);
    expect(pace.predictEnd(1, 5000) - 5000).toBeGreaterThan(5.5);
    expect(pace.predictEnd(1, 5000) - 5000).toBeLessThanOrEqual(6);
  });

  it('learns nothing from batches between which the GPU did something else', () => {
    const pace = new Pace({ msPerHash: 0.01, aimMs: 40, most: 8192 });
    pace.disturbed();
    pace.began(0);
    pace.ended(4000, 0, 500, false);
    expect(pace.msPerHash).toBe(0.01);
    pace.ended(4000, 510, 540, false);
    expect(pace.msPerHash).toBeCloseTo(0.01, 4);
  });
});
