import { describe, expect, it } from 'vitest';
import { LruMap } from '../../src/util/lru.ts';
import { seededRandom } from '../support/random.ts';

describe('LruMap', () => {
  it('pushes out what was neither read nor written for the longest time', () => {
    const map = new LruMap<string, number>(3);
    map.set('a', 1);
    map.set('b', 2);
    map.set('c', 3);
    expect(map.get('a')).toBe(1);
    map.set('b', 20);
    map.set('d', 4);
    expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([1, 20, undefined, 4]);
    expect(map.size).toBe(3);
  });

  it('does not grow when a key is written again', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('b', 3);
    expect(map.size).toBe(2);
    expect(map.get('a')).toBe(1);
  });

  it('is empty once cleared, and goes on', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.clear();
    expect([map.size, map.get('a')]).toEqual([0, undefined]);
    map.set('b', 2);
    expect(map.get('b')).toBe(2);
  });

  it('keeps values that count as false', () => {
    const map = new LruMap<string, number | string | boolean | null>(4);
    for (const value of [0, '', false, null]) {
      map.set('key', value);
      expect(map.get('key')).toBe(value);
    }
  });

  it('agrees with a list that is kept in order of use, over 5,000 random calls', () => {
    const random = seededRandom(3);
    const map = new LruMap<number, number>(5);
    let used: (readonly [key: number, value: number])[] = [];
    for (let i = 0; i < 5_000; i++) {
      const key = Math.floor(random() * 9);
      const found = used.find(([each]) => each === key);
      const write = random() < 0.5;
      if (write) map.set(key, i);
      else expect(map.get(key), `call ${i}, key ${key}`).toBe(found?.[1]);
      if (!write && found === undefined) continue;
      used = [...used.filter(([each]) => each !== key), [key, write ? i : found![1]] as const];
      used = used.slice(-5);
      expect(map.size).toBe(used.length);
    }
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a capacity of %d', (capacity) => {
    expect(() => new LruMap(capacity)).toThrow(
      new RangeError(`"capacity" expected a whole number from 1, got ${capacity}`),
    );
  });
});
