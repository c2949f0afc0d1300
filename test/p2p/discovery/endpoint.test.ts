import { describe, expect, it } from 'vitest';
import {
  bytesToIp,
  endpointKey,
  ipKind,
  ipToBytes,
  mayTell,
  networkOf,
  normalIp,
  toEndpoint,
} from '../../../src/p2p/discovery/endpoint.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';

describe('normalIp', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:0102:0304', '1.2.3.4'],
    ['2600:0:0:0:0:0:0:1', '2600::1'],
    ['2600::1', '2600::1'],
    ['2600:0:0:1:0:0:0:1', '2600:0:0:1::1'],
    ['2600:0:0:1:1:0:0:1', '2600::1:1:0:0:1'],
    ['2600:0:1:1:1:1:1:1', '2600:0:1:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['FE80::ABCD', 'fe80::abcd'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ])('writes %s as %s', (text, normal) => {
    expect(normalIp(text)).toBe(normal);
    expect(bytesToIp(ipToBytes(normal)!)).toBe(normal);
  });

  it.each([
    '',
    'seed.example',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    'fe80::1%eth0',
    '1.2.3.4:5',
    '[::1]',
  ])('takes no "%s"', (text) => {
    expect(normalIp(text)).toBeUndefined();
  });

  it('reads the bytes of both kinds, and none of another length', () => {
    expect(bytesToHex(ipToBytes('2600::1:2')!)).toBe(`2600${'0'.repeat(20)}00010002`);
    expect(bytesToHex(ipToBytes('::ffff:1.2.3.4')!)).toBe('01020304');
    for (const length of [0, 3, 5, 15, 17])
      expect(bytesToIp(new Uint8Array(length))).toBeUndefined();
  });
});

describe('ipKind', () => {
  it.each([
    ['global', ['1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.0.1', '100.128.0.1', '126.0.0.1']],
    ['global', ['172.15.0.1', '172.32.0.1', '192.167.0.1', '223.255.255.255', '2600::1']],
    ['lan', ['10.0.0.1', '10.255.255.255', '100.64.0.1', '169.254.1.1', '172.16.0.1']],
    ['lan', ['172.31.255.255', '192.168.0.1', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1']],
    ['loopback', ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1']],
    ['unusable', ['0.0.0.0', '0.1.2.3', '192.0.2.1', '198.51.100.9', '203.0.113.1', '198.19.0.1']],
    ['unusable', ['224.0.0.1', '239.1.1.1', '240.0.0.1', '255.255.255.255', '::', 'ff02::1']],
    ['unusable', ['2001:db8::1', '2002::1', '64:ff9b::1', '4000::1', 'name', '']],
  ] as const)('is %s for %j', (kind, ips) => {
    for (const ip of ips) expect(ipKind(ip), ip).toBe(kind);
  });
});

describe('mayTell', () => {
  it('takes loopback and LAN addresses only from those who are there', () => {
    const ips = ['8.8.8.8', '192.168.1.1', '127.0.0.1', '224.0.0.1'];
    const told = (teller: string): boolean[] => ips.map((ip) => mayTell(teller, ip));
    expect(told('8.8.4.4')).toEqual([true, false, false, false]);
    expect(told('10.0.0.1')).toEqual([true, true, false, false]);
    expect(told('127.0.0.1')).toEqual([true, true, true, false]);
  });
});

describe('toEndpoint', () => {
  it('takes addresses that a node can have, in their usual form', () => {
    expect(toEndpoint('::ffff:1.2.3.4', 46_657)).toEqual({ host: '1.2.3.4', port: 46_657 });
    expect(toEndpoint('1.2.3.4', 65_535)).toBeDefined();
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      expect(toEndpoint('1.2.3.4', port), String(port)).toBeUndefined();
    }
    expect(toEndpoint('0.0.0.0', 1)).toBeUndefined();
    expect(toEndpoint('seed.example', 1)).toBeUndefined();
  });

  it('has a key that says it all', () => {
    expect(endpointKey({ host: '1.2.3.4', port: 5 })).toBe('1.2.3.4:5');
    expect(endpointKey({ host: '2600::1', port: 5 })).toBe('[2600::1]:5');
  });
});

describe('networkOf', () => {
  it('is the same within a network and differs outside', () => {
    expect(networkOf('1.2.3.4', 24)).toBe(networkOf('1.2.3.99', 24));
    expect(networkOf('1.2.3.4', 24)).not.toBe(networkOf('1.2.4.4', 24));
    expect(networkOf('1.2.3.4', 16)).toBe(networkOf('1.2.9.9', 16));
    expect(networkOf('1.2.3.4', 16)).not.toBe(networkOf('1.3.3.4', 16));
    expect(networkOf('2600:1:2::1', 24)).toBe(networkOf('2600:1:2:ffff::1', 24));
    expect(networkOf('2600:1:2::1', 24)).not.toBe(networkOf('2600:1:3::1', 24));
    expect(networkOf('2600:1::1', 16)).not.toBe(networkOf('2600:2::1', 16));
  });
});
