import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/p2p/discovery/limits.ts';
import { SourceLimits, TokenBucket } from '../../../src/p2p/discovery/rate-limit.ts';

/** How many of `times` uses are allowed. */
function allowed(times: number, use: () => boolean): number {
  return Array.from({ length: times }, use).filter(Boolean).length;
}

describe('TokenBucket', () => {
  it('allows a burst at once, then so many a second, and saves no more than a burst', () => {
    const bucket = new TokenBucket({ burst: 5, perSecond: 2 }, 1000);
    expect(allowed(9, () => bucket.take(1000))).toBe(5);
    expect(allowed(9, () => bucket.take(1499))).toBe(0);
    expect(allowed(9, () => bucket.take(2000))).toBe(2);
    expect(allowed(9, () => bucket.take(1_000_000))).toBe(5);
  });
});

describe('SourceLimits', () => {
  it('limits each source by itself, and forgets the one not heard of for longest', () => {
    const limits = new SourceLimits({ burst: 1, perSecond: 1 }, 2);
    expect(limits.take('a', 0)).toBe(true);
    expect(limits.take('b', 0)).toBe(true);
    expect(limits.take('a', 0)).toBe(false);
    expect(limits.take('c', 0)).toBe(true);
    expect(limits.take('a', 0)).toBe(false);
    expect(limits.take('b', 0)).toBe(true);
  });
});

describe('Limits', () => {
  const host = (i: number): { host: string; port: number } => ({
    host: `30.${i >> 8}.${i & 0xff}.1`,
    port: 1,
  });

  it('stop strangers before they use up what is for the others', () => {
    const limits = new Limits(0);
    expect(allowed(5000, (i = counter()) => limits.takePacket(host(i), true, 0))).toBe(200);
    expect(limits.takePacket(host(9000), false, 0)).toBe(true);
  });

  it('count all addresses of an IPv6 network as one source', () => {
    const limits = new Limits(0);
    const within = (): boolean =>
      limits.takePacket({ host: `2600:1:2::${counter().toString(16)}`, port: 1 }, false, 0);
    expect(allowed(500, within)).toBe(100);
  });

  let next = 0;
  function counter(): number {
    return next++ % 9000;
  }
});
