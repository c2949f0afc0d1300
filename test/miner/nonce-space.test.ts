import { describe, expect, it } from 'vitest';
import { NonceSpace } from '../../miner/nonce-space.ts';

describe('NonceSpace', () => {
  it('hands out neighbouring ranges up to its end, then nothing', () => {
    const space = new NonceSpace(10n, 20n);
    expect(space.take(4)).toEqual({ start: 10n, count: 4 });
    expect(space.take(4)).toEqual({ start: 14n, count: 4 });
    expect(space.take(4)).toEqual({ start: 18n, count: 2 });
    expect(space.take(4)).toBeUndefined();
    expect(space.left).toBe(0n);
  });

  it('hands out what came back before anything new, in pieces if need be', () => {
    const space = new NonceSpace(0n, 100n);
    const first = space.take(10)!;
    space.take(10);
    space.giveBack(first, 3);
    expect(space.left).toBe(87n);
    expect(space.take(4)).toEqual({ start: 3n, count: 4 });
    expect(space.take(4)).toEqual({ start: 7n, count: 3 });
    expect(space.take(4)).toEqual({ start: 20n, count: 4 });
  });

  it('joins what came back in any order', () => {
    const space = new NonceSpace(0n, 100n);
    const ranges = [space.take(10)!, space.take(10)!, space.take(10)!];
    space.take(10);
    for (const index of [2, 0, 1]) space.giveBack(ranges[index]!, 0);
    expect(space.take(100)).toEqual({ start: 0n, count: 30 });
    expect(space.take(100)).toEqual({ start: 40n, count: 60 });
  });

  it('forgets that it handed out what came back from the end', () => {
    const space = new NonceSpace(0n, 100n);
    space.giveBack(space.take(10)!, 4);
    expect(space.take(50)).toEqual({ start: 4n, count: 50 });
  });

  it('takes back a range that was searched to its end', () => {
    const space = new NonceSpace(0n, 10n);
    space.giveBack(space.take(10)!, 10);
    expect(space.take(1)).toBeUndefined();
  });

  it('counts in 64 bits', () => {
    const end = 1n << 63n;
    const space = new NonceSpace(end - 3n, end);
    expect(space.has(end - 1n)).toBe(true);
    expect(space.has(end)).toBe(false);
    expect(space.take(2 ** 50)).toEqual({ start: end - 3n, count: 3 });
    expect(new NonceSpace(0n, 1n << 62n).left).toBe(1n << 62n);
  });

  it('is empty where start and end are one', () => {
    expect(new NonceSpace(5n, 5n).take(1)).toBeUndefined();
  });

  it('refuses bounds that are none, and ranges that are not its own', () => {
    expect(() => new NonceSpace(2n, 1n)).toThrow(RangeError);
    expect(() => new NonceSpace(-1n, 1n)).toThrow(RangeError);
    expect(() => new NonceSpace(0n, (1n << 64n) + 1n)).toThrow(RangeError);
    const space = new NonceSpace(10n, 20n);
    const range = space.take(5)!;
    expect(() => space.giveBack({ start: 9n, count: 2 }, 0)).toThrow(RangeError);
    expect(() => space.giveBack({ start: 14n, count: 2 }, 0)).toThrow(RangeError);
    expect(() => space.giveBack(range, 6)).toThrow(RangeError);
    expect(() => space.giveBack(range, -1)).toThrow(RangeError);
  });

  it('covers every nonce exactly once, however devices take and give back', () => {
    // A fixed sequence of pseudo-random choices.
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const space = new NonceSpace(1000n, 6000n);
    const scanned: bigint[] = [];
    const held: { start: bigint; count: number }[] = [];
    for (;;) {
      const range = random(3) > 0 ? space.take(1 + random(90)) : undefined;
      if (range !== undefined) held.push(range);
      else if (held.length === 0) {
        if (space.left === 0n) break;
        continue;
      }
      if (held.length > 4 || range === undefined) {
        const [done] = held.splice(random(held.length), 1);
        const part = random(done!.count + 1);
        for (let i = 0; i < part; i++) scanned.push(done!.start + BigInt(i));
        space.giveBack(done!, part);
      }
    }
    scanned.sort((a, b) => (a < b ? -1 : 1));
    expect(scanned).toEqual(Array.from({ length: 5000 }, (_, i) => BigInt(1000 + i)));
  });
});
