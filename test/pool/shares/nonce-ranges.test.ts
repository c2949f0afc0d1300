import { describe, expect, it } from 'vitest';
import { NonceRanges, nonceInRange } from '../../../pool/shares/nonce-ranges.ts';
import { seededRandom } from '../../support/random.ts';

describe('NonceRanges', () => {
  it('gives out server << 60 | index << 45, and another shift for more or fewer sessions', () => {
    const ranges = new NonceRanges({ serverId: 3, maxSessions: 32_768 });
    expect(ranges.bits).toBe(45);
    expect(ranges.take()?.start).toBe(0x3000_0000_0000_0000n);
    expect(ranges.take()?.start).toBe(0x3000_2000_0000_0000n);
    const few = new NonceRanges({ serverId: 0, maxSessions: 2 });
    expect([few.bits, few.take()?.start, few.take()?.start]).toEqual([59, 0n, 1n << 59n]);
    expect(few.take()).toBeUndefined();
  });

  it('never sets bit 63, and reuses the range that was free for longest', () => {
    const ranges = new NonceRanges({ serverId: 7, maxSessions: 4 });
    const all = Array.from({ length: 4 }, () => ranges.take()!);
    for (const { start } of all) expect((start + (1n << 58n) - 1n) >> 63n).toBe(0n);
    for (const i of [2, 0, 3]) ranges.free(all[i]!);
    ranges.free(all[2]!);
    expect([ranges.take(), ranges.take(), ranges.take(), ranges.take()]).toEqual([
      all[2],
      all[0],
      all[3],
      undefined,
    ]);
  });

  it('prefers ranges that nobody had yet', () => {
    const ranges = new NonceRanges({ serverId: 0, maxSessions: 4 });
    const first = ranges.take()!;
    ranges.free(first);
    const next = Array.from({ length: 4 }, () => ranges.take()?.index);
    expect(next).toEqual([1, 2, 3, first.index]);
  });

  it('gives no range to two at once, whoever comes and goes', () => {
    const random = seededRandom(1);
    const ranges = new NonceRanges({ serverId: 1, maxSessions: 64 });
    const used = new Map<bigint, ReturnType<NonceRanges['take']>>();
    for (let i = 0; i < 5000; i++) {
      if (random() < 0.55) {
        const range = ranges.take();
        expect(range === undefined).toBe(used.size === 64);
        if (range === undefined) continue;
        expect(used.has(range.start)).toBe(false);
        used.set(range.start, range);
      } else {
        const [start, range] = [...used][Math.floor(random() * used.size)] ?? [];
        if (start === undefined || range === undefined) continue;
        used.delete(start);
        ranges.free(range);
      }
    }
  });

  it('refuses servers of which nonces cannot be put in a block, and odd numbers of sessions', () => {
    expect(() => new NonceRanges({ serverId: 8, maxSessions: 4 })).toThrow(
      '"serverId" expected 0 … 7',
    );
    for (const maxSessions of [0, 1, 3, 2 ** 21, 1.5]) {
      expect(() => new NonceRanges({ serverId: 0, maxSessions })).toThrow('"maxSessions" expected');
    }
  });
});

describe('nonceInRange', () => {
  const start = 0x3000_2000_0000_0000n;
  it.each([
    ['the first', start, 16, start],
    ['the last', start + (1n << 45n) - 1n, 16, start + (1n << 45n) - 1n],
    ['one below', start - 1n, 16, undefined],
    ['one above', start + (1n << 45n), 16, undefined],
    ['bit 63 set', start | (1n << 63n), 16, undefined],
    ['low half, 8 digits', 0xffff_ffffn, 8, start | 0xffff_ffffn],
    ['low half, 9 digits', 0x14n, 9, undefined],
  ] as const)('%s', (_, nonce, digits, expected) => {
    expect(nonceInRange(nonce, digits, start, 45)).toBe(expected);
  });

  it('takes a short nonce as it is where that is in range, and narrower ranges', () => {
    expect(nonceInRange(0x14n, 2, 0n, 45)).toBe(0x14n);
    expect(nonceInRange(start | (1n << 40n), 16, start, 40)).toBeUndefined();
  });
});
