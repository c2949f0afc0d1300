import { describe, expect, it } from 'vitest';
import { addressGroup, normalizeAddress } from '../../src/p2p/remote-address.ts';

describe('addresses of sockets', () => {
  it('have one form', () => {
    const table: readonly (readonly [string, string])[] = [
      ['203.0.113.9', '203.0.113.9'],
      ['::ffff:203.0.113.9', '203.0.113.9'],
      ['::FFFF:203.0.113.9', '203.0.113.9'],
      ['::ffff:cb00:7109', '203.0.113.9'],
      ['2001:DB8::1', '2001:db8::1'],
      ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['', ''],
    ];
    for (const [given, expected] of table) expect(normalizeAddress(given), given).toBe(expected);
  });

  it('belong to one subscriber: an IPv4 address, or 64 bits of an IPv6 one', () => {
    const same: readonly (readonly [string, string])[] = [
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::6'],
      ['2001:db8::6', '2001:db8:0:0:1::'],
      ['::1', '::'],
    ];
    for (const [a, b] of same) expect(addressGroup(a), a).toBe(addressGroup(b));
    const all = ['203.0.113.9', '203.0.113.8', '2001:db8:1:2::', '2001:db8:1:3::', '::1', 'name'];
    expect(new Set(all.map(addressGroup)).size).toBe(all.length);
  });
});
