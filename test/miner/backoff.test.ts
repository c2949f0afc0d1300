import { describe, expect, it } from 'vitest';
import { Backoff } from '../../miner/backoff.ts';

describe('Backoff', () => {
  it('doubles the bound of its pauses up to the cap, and starts over on reset', () => {
    const almostOne = (): number => 1 - Number.EPSILON;
    const backoff = new Backoff({ baseMs: 100, maxMs: 1000 }, almostOne);
    const pauses = Array.from({ length: 6 }, () => backoff.next());
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it('spreads pauses over the whole range below the bound, never at zero', () => {
    const sequence = [0, 0.25, 0.5];
    const backoff = new Backoff({ baseMs: 1000, maxMs: 1000 }, () => sequence.shift()!);
    expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([1, 250, 500]);
  });

  it('stays at the cap however long it goes on', () => {
    const backoff = new Backoff({ baseMs: 1, maxMs: 60_000 }, () => 0.999);
    for (let i = 0; i < 5000; i++) backoff.next();
    expect(backoff.next()).toBe(59_940);
  });

  it('refuses bounds that make no sense', () => {
    for (const [baseMs, maxMs] of [
      [0, 10],
      [10, 5],
      [1, Number.POSITIVE_INFINITY],
      [Number.NaN, 1],
    ] as const) {
      expect(() => new Backoff({ baseMs, maxMs }), `${baseMs} ${maxMs}`).toThrow(RangeError);
    }
  });
});
