import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/p2p/discovery/limits.ts';

/** How many of `times` uses are allowed. */
function allowed(times: number, use: () => boolean): number {
  return Array.from({ length: times }, use).filter(Boolean).length;
}

describe('Limits', () => {
  const host = (i: number): { host: string; port: number } => ({
    host: `30.${i >> 8}.${i & 0xff}.1`,
    port: 1,
  });

  it('stop strangers before they use up what is for the others', () => {
    const limits = new Limits({ now: () => 0 });
    expect(allowed(5000, (i = counter()) => limits.takePacket(host(i), true))).toBe(200);
    expect(limits.takePacket(host(9000), false)).toBe(true);
  });

  it('count all addresses of an IPv6 network as one source', () => {
    const limits = new Limits({ now: () => 0 });
    const within = (): boolean =>
      limits.takePacket({ host: `2600:1:2::${counter().toString(16)}`, port: 1 }, false);
    expect(allowed(500, within)).toBe(100);
  });

  let next = 0;
  function counter(): number {
    return next++ % 9000;
  }
});
