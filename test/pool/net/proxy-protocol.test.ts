import { describe, expect, it } from 'vitest';
import { AddressList, hostOf, networkOf, plainAddress } from '../../../pool/net/addresses.ts';
import { decodeProxyHeader } from '../../../pool/net/proxy-protocol.ts';
import { seededRandom } from '../../support/random.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** A header of version 2. */
function v2(
  command: number,
  family: number,
  rest: readonly number[],
  length = rest.length,
): Buffer {
  const fixed = Uint8Array.of(command, family, length >> 8, length & 255);
  return Buffer.concat([Buffer.from(SIGNATURE, 'latin1'), fixed, Uint8Array.from(rest)]);
}

const ADDRESSES_4 = [192, 0, 2, 7, 127, 0, 0, 1, 0xa0, 0x28, 0x0d, 0x05];
const ADDRESSES_6 = [
  ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0xff, 0xff, 0x0d, 0x05],
];
const MAPPED = [...Array<number>(10).fill(0), 0xff, 0xff, 192, 0, 2, 9, ...ADDRESSES_6.slice(16)];

describe('decodeProxyHeader', () => {
  const good: readonly [string, Buffer, { address: string; port: number } | undefined][] = [
    [
      'TCP4',
      Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 41000 3333\r\n'),
      { address: '192.0.2.7', port: 41000 },
    ],
    [
      'TCP6',
      Buffer.from('PROXY TCP6 2001:DB8:0::7 ::1 0 65535\r\n'),
      { address: '2001:db8::7', port: 0 },
    ],
    [
      'mapped TCP6',
      Buffer.from('PROXY TCP6 ::ffff:192.0.2.9 ::1 5 6\r\n'),
      { address: '192.0.2.9', port: 5 },
    ],
    ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
    ['UNKNOWN and more', Buffer.from('PROXY UNKNOWN ffff::1 what ever\r\n'), undefined],
    ['version 2, IPv4', v2(0x21, 0x11, ADDRESSES_4), { address: '192.0.2.7', port: 41000 }],
    ['version 2, IPv6', v2(0x21, 0x21, ADDRESSES_6), { address: '2001:db8::7', port: 65535 }],
    ['version 2, mapped', v2(0x21, 0x21, MAPPED), { address: '192.0.2.9', port: 65535 }],
    [
      'version 2 with additions',
      v2(0x21, 0x11, [...ADDRESSES_4, 4, 0, 3, 1, 2, 3]),
      { address: '192.0.2.7', port: 41000 },
    ],
    ['LOCAL', v2(0x20, 0x00, []), undefined],
    ['LOCAL with addresses', v2(0x20, 0x11, ADDRESSES_4), undefined],
    ['unspecified', v2(0x21, 0x00, []), undefined],
    ['Unix', v2(0x21, 0x31, Array<number>(216).fill(0x61)), undefined],
  ];

  it.each(good)('reads %s, from as many bytes as it has and no fewer', (_, bytes, source) => {
    const whole = Buffer.concat([bytes, Buffer.from('{"method"')]);
    const expected = {
      kind: 'whole',
      bytes: bytes.length,
      ...(source === undefined ? {} : { source }),
    };
    expect(decodeProxyHeader(whole)).toEqual(expected);
    for (let n = 0; n < bytes.length; n++) {
      expect(decodeProxyHeader(bytes.subarray(0, n)), `${n} bytes`).toEqual({ kind: 'partial' });
    }
  });

  it.each([
    ['JSON', '{"method":"login"}\n'],
    ['TLS', '\x16\x03\x01'],
    ['another word', 'PROXX TCP4 '],
    ['another protocol', 'PROXY UDP4 192.0.2.7 127.0.0.1 1 2\r\n'],
    ['no protocol', 'PROXY \r\n'],
    ['a name for an address', 'PROXY TCP4 localhost 127.0.0.1 1 2\r\n'],
    ['an address of the other family', 'PROXY TCP4 ::1 127.0.0.1 1 2\r\n'],
    ['a bad target', 'PROXY TCP4 192.0.2.7 127.0.0.256 1 2\r\n'],
    ['a port too large', 'PROXY TCP4 192.0.2.7 127.0.0.1 65536 2\r\n'],
    ['a port with a leading zero', 'PROXY TCP4 192.0.2.7 127.0.0.1 01 2\r\n'],
    ['a missing port', 'PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n'],
    ['two blanks', 'PROXY TCP4  192.0.2.7 127.0.0.1 1 2\r\n'],
    ['one too many', 'PROXY TCP4 192.0.2.7 127.0.0.1 1 2 3\r\n'],
    ['no end in 107 bytes', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`],
    ['version 1 in version 2', `${SIGNATURE}\x11\x11\0\x0c`],
    ['an unknown command', `${SIGNATURE}\x22\x11\0\x0c`],
    ['more than 2,048 bytes', `${SIGNATURE}\x21\x11\x08\x01`],
  ])('calls %s malformed', (_, text) => {
    expect(decodeProxyHeader(Buffer.from(text, 'latin1')).kind).toBe('malformed');
  });

  it('calls addresses that are cut short, or of no family, malformed', () => {
    expect(decodeProxyHeader(v2(0x21, 0x11, ADDRESSES_4.slice(1))).kind).toBe('malformed');
    expect(decodeProxyHeader(v2(0x21, 0x21, ADDRESSES_4)).kind).toBe('malformed');
    expect(decodeProxyHeader(v2(0x21, 0x41, ADDRESSES_4)).kind).toBe('malformed');
  });

  it('throws nothing and asks for nothing beyond its limits, whatever comes', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 1000; i++) {
      const [, base] = good[Math.floor(random() * good.length)] ?? [];
      const bytes = Buffer.concat([base ?? Buffer.alloc(0), Buffer.alloc(3000, 1)]);
      for (let k = 0; k < 3; k++) bytes[Math.floor(random() * 60)] = Math.floor(random() * 256);
      const header = decodeProxyHeader(bytes);
      expect(header.kind).not.toBe('partial');
      if (header.kind === 'whole') expect(header.bytes).toBeLessThanOrEqual(16 + 2048);
    }
  });
});

describe('addresses', () => {
  it('have one spelling', () => {
    expect(plainAddress('192.0.2.1')).toBe('192.0.2.1');
    expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(plainAddress('2001:0DB8:0:0::0001')).toBe('2001:db8::1');
  });

  it.each([
    ['192.0.2.1', '192.0.2.1', '192.0.2'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2', '2001:db8:1'],
    ['2001:db8::6', '2001:db8:0:0', '2001:db8:0'],
    ['::1', '0:0:0:0', '0:0:0'],
    ['1::', '1:0:0:0', '1:0:0'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0', '64:ff9b:0'],
  ])('count against host and network: %s', (address, host, network) => {
    expect(hostOf(address)).toBe(host);
    expect(networkOf(address)).toBe(network);
  });

  it('are in a list, or are not', () => {
    const list = new AddressList(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'], 'x');
    for (const address of ['10.1.2.3', '192.0.2.7', '2001:db8:ffff::1']) {
      expect(list.has(address), address).toBe(true);
    }
    for (const address of ['11.1.2.3', '192.0.2.8', '2001:db9::1']) {
      expect(list.has(address), address).toBe(false);
    }
    for (const bad of ['', 'x', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0/8']) {
      expect(() => new AddressList([bad], 'proxies'), bad).toThrow('proxies: expected an address');
    }
  });
});
