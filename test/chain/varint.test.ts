import { describe, expect, it } from 'vitest';
import {
  ByteReader,
  encodeVarint31,
  encodeVarint63,
  MAX_VARINT31,
  MAX_VARINT63,
} from '../../src/chain/varint.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';

const reader = (hex: string, base = 0): ByteReader =>
  new ByteReader(hexToBytes(hex, 'test'), 'message', base);

/** Values at every group boundary, with their minimal encodings derived by hand. */
const PAIRS: readonly (readonly [bigint, string])[] = [
  [0n, '00'],
  [1n, '01'],
  [127n, '7f'],
  [128n, '8001'],
  [300n, 'ac02'],
  [16_383n, 'ff7f'],
  [16_384n, '808001'],
  [0x7fff_ffffn, 'ffffffff07'],
  [0x8000_0000n, '8080808008'],
  [(1n << 53n) - 1n, 'ffffffffffffff0f'],
  [1n << 53n, '8080808080808010'],
  [(1n << 63n) - 1n, 'ffffffffffffffff7f'],
];

describe('varint63', () => {
  it('writes and reads every boundary minimally', () => {
    for (const [value, hex] of PAIRS) {
      expect(bytesToHex(encodeVarint63(value)), String(value)).toBe(hex);
      const r = reader(`${hex}ee`);
      expect(r.varint63('v'), hex).toBe(value);
      expect(r.remaining, hex).toBe(1);
    }
  });

  it('reads non-minimal forms of up to ten bytes', () => {
    expect(reader('8100').varint63('v')).toBe(1n);
    expect(reader('80808080808080808000').varint63('v')).toBe(0n);
    expect(reader('ffffffffffffffffff00').varint63('v')).toBe(MAX_VARINT63);
  });

  it('refuses what does not fit, naming field, position and value', () => {
    expect(() => reader('80808080808080808001').varint63('nonce')).toThrow(
      'message.nonce: expected at most 2^63−1 at byte 0, got 9223372036854775808',
    );
    expect(() => reader('ffffffffffffffffff01').varint63('nonce')).toThrow('18446744073709551615');
    expect(() => reader('ffffffffffffffffff7f').varint63('nonce')).toThrow('at most 2^63−1');
    expect(() => reader('8080808080808080808000').varint63('nonce')).toThrow(
      'a varint of at most 10 bytes at byte 0, got a longer one',
    );
    expect(() => encodeVarint63(MAX_VARINT63 + 1n, 'nonce')).toThrow(
      '"nonce" expected 0 … 2^63−1, got 9223372036854775808',
    );
    expect(() => encodeVarint63(-1n)).toThrow(RangeError);
  });

  it('refuses a varint cut short at any byte', () => {
    for (const [, hex] of PAIRS) {
      for (let end = 0; end < hex.length; end += 2) {
        const r = reader(hex.slice(0, end), 7);
        expect(() => r.varint63('v'), hex).toThrow(
          'message.v: expected a whole varint at byte 7, got the end of the data',
        );
      }
    }
  });
});

describe('varint31 and safe integers', () => {
  it('hold exactly their range', () => {
    expect(reader('ffffffff07').varint31('n')).toBe(MAX_VARINT31);
    expect(() => reader('8080808008').varint31('n')).toThrow('at most 2^31−1');
    expect(bytesToHex(encodeVarint31(MAX_VARINT31))).toBe('ffffffff07');
    for (const bad of [MAX_VARINT31 + 1, -1, 0.5, Number.NaN]) {
      expect(() => encodeVarint31(bad, 'n'), String(bad)).toThrow(RangeError);
    }
    expect(reader('ffffffffffffff0f').safeInteger('height')).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => reader('8080808080808010').safeInteger('height')).toThrow(
      'message.height: expected at most 2^53−1 at byte 0, got 9007199254740992',
    );
  });
});

describe('ByteReader', () => {
  it('keeps the position in the whole message across nested readers', () => {
    const r = reader('aa03010203bb');
    expect(r.byte('first')).toBe(0xaa);
    const inner = r.nested('inner');
    expect([inner.position, inner.remaining]).toEqual([2, 3]);
    expect(bytesToHex(inner.bytes(2, 'two'))).toBe('0102');
    expect(inner.position).toBe(4);
    expect(() => inner.bytes(2, 'more')).toThrow(
      'message.more: expected 2 bytes at byte 4, got 1 left',
    );
    expect(r.position).toBe(5);
    expect(r.byte('last')).toBe(0xbb);
    expect(() => r.byte('none')).toThrow('message.none: expected 1 byte at byte 6, got 0 left');
  });

  it('refuses a nested length beyond the end before taking memory for it', () => {
    expect(() => reader('ffffffff07').nested('inner')).toThrow(
      'message.inner: expected 2147483647 bytes at byte 5, got 0 left',
    );
  });

  it('hands out copies', () => {
    const bytes = Uint8Array.of(1, 2);
    const taken = new ByteReader(bytes, 'm').bytes(2, 'f');
    bytes.fill(9);
    expect(Array.from(taken)).toEqual([1, 2]);
  });
});

describe('fields that are views', () => {
  it('share the bytes they are read from; bytes() does not, not even of a Buffer', () => {
    for (const source of [Uint8Array.of(1, 2, 3, 4, 5, 6), Buffer.of(1, 2, 3, 4, 5, 6)]) {
      const r = new ByteReader(source, 'message');
      const [copy, view] = [r.bytes(2, 'copy'), r.view(2, 'view')];
      const whole = r.since(1);
      source.fill(9);
      expect([copy, view, whole]).toEqual([
        Uint8Array.of(1, 2),
        Uint8Array.of(9, 9),
        Uint8Array.of(9, 9, 9),
      ]);
      expect(r.remaining).toBe(2);
    }
  });

  it('count positions from the start of the whole message', () => {
    const r = reader('aa03010203', 100);
    r.byte('flag');
    const start = r.position;
    const inner = r.nested('inner');
    expect([start, inner.position, r.position]).toEqual([101, 102, 105]);
    inner.byte('a');
    inner.byte('b');
    expect(inner.since(102)).toEqual(Uint8Array.of(1, 2));
    expect(r.since(start)).toEqual(Uint8Array.of(3, 1, 2, 3));
  });

  it('have their length before them where they are byte strings', () => {
    expect(reader('02aabbcc').byteString('text')).toEqual(Uint8Array.of(0xaa, 0xbb));
    expect(reader('00').byteString('text')).toEqual(new Uint8Array(0));
    expect(() => reader('03aabb').byteString('text')).toThrow(
      'message.text: expected 3 bytes at byte 1, got 2 left',
    );
    expect(() => reader('ffffffff07aabb').byteString('text')).toThrow(
      'message.text: expected 2147483647 bytes at byte 5, got 2 left',
    );
  });
});

describe('counts', () => {
  it('are at most what the rest can hold', () => {
    expect(reader('02aabbccdd').count('things', 2)).toBe(2);
    expect(reader('00').count('things', 100)).toBe(0);
    expect(() => reader('03aabbccdd').count('things', 2)).toThrow(
      'message.things: expected at most 2 (4 bytes follow) at byte 0, got 3',
    );
  });
});

describe('errors', () => {
  it('take the prefix of the moment, also in nested readers', () => {
    const r = reader('00');
    r.prefix = 'block.transactions[3].';
    const inner = r.nested('inner');
    r.prefix = 'block.';
    expect(() => inner.byte('flag')).toThrow('block.transactions[3].flag: expected 1 byte');
    expect(() => r.byte('flag')).toThrow('block.flag: expected 1 byte at byte 1, got 0 left');
  });

  it('say what follows the end', () => {
    const r = reader('0102');
    expect(() => r.end('nothing')).toThrow(
      'message.end: expected nothing after the nothing at byte 0, got 2 bytes',
    );
    r.view(2, 'all');
    expect(() => r.end('nothing')).not.toThrow();
  });
});
