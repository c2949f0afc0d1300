import { describe, expect, it } from 'vitest';
import {
  bytesEqual,
  bytesToHex,
  concatBytes,
  hexToBytes,
  readU64,
  writeU64,
} from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { bytesToU256, u256ToBytes } from '../../src/util/u256.ts';

describe('hex', () => {
  it('goes both ways for every byte, in either case', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const hex = bytesToHex(all);
    expect(hex.slice(0, 8) + hex.slice(-4)).toBe('00010203feff');
    expect(hexToBytes(hex, 'f')).toEqual(all);
    expect(hexToBytes(hex.toUpperCase(), 'f', 256)).toEqual(all);
    expect(hexToBytes('', 'f')).toEqual(new Uint8Array(0));
  });

  it('of a view is that of its own bytes alone', () => {
    const whole = Uint8Array.of(1, 2, 3, 4);
    expect(bytesToHex(whole.subarray(1, 3))).toBe('0203');
  });

  it('that is wrong is refused with the field, the want and the find', () => {
    const cases: readonly (readonly [string, number | undefined, string])[] = [
      ['abc', undefined, 'seed: expected an even number of hex digits, got 3 digits'],
      ['zz', undefined, 'seed: expected an even number of hex digits, got "z" at position 0'],
      ['0x', undefined, '"x" at position 1'],
      ['0 ', undefined, '" " at position 1'],
      ['00😀', undefined, '"😀" at position 2'],
      ['ab', 2, 'seed: expected 4 hex digits, got 2 characters "ab"'],
      ['abcdef', 2, 'seed: expected 4 hex digits, got 6 characters "abcdef"'],
      ['abcg', 2, 'seed: expected 4 hex digits, got "g" at position 3'],
    ];
    for (const [hex, length, text] of cases) {
      expect(() => hexToBytes(hex, 'seed', length), hex).toThrow(text);
    }
    expect(() => hexToBytes('q', 'seed')).toThrow(InputError);
  });
});

describe('bytes', () => {
  it('compare by content and length', () => {
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
    expect(bytesEqual(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });

  it('join in order', () => {
    expect(concatBytes()).toEqual(new Uint8Array(0));
    const joined = concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3));
    expect(Array.from(joined)).toEqual([1, 2, 3]);
  });

  it('hold 64-bit integers little-endian at any offset of a view', () => {
    const whole = new Uint8Array(20);
    const view = whole.subarray(3, 19);
    writeU64(view, 1, 0x0102_0304_0506_0708n);
    expect(bytesToHex(whole)).toBe('0000000008070605040302010000000000000000');
    expect(readU64(view, 1)).toBe(0x0102_0304_0506_0708n);
    writeU64(view, 8, (1n << 64n) - 1n);
    expect(readU64(view, 8)).toBe((1n << 64n) - 1n);
    expect(() => writeU64(view, 0, 1n << 64n)).toThrow('got 18446744073709551616');
    expect(() => writeU64(view, 0, -1n)).toThrow('expected an unsigned 64-bit integer, got -1');
    expect(() => writeU64(view, 9, 0n)).toThrow(RangeError);
    expect(() => readU64(view, 9)).toThrow(RangeError);
  });
});

describe('u256', () => {
  it('reads the last byte as the most significant', () => {
    const bytes = new Uint8Array(32);
    bytes[0] = 1;
    expect(bytesToU256(bytes)).toBe(1n);
    bytes[31] = 0x80;
    expect(bytesToU256(bytes)).toBe((1n << 255n) + 1n);
  });

  it('goes both ways at every bit', () => {
    for (let bit = 0n; bit < 256n; bit++) {
      const value = (1n << bit) | (bit % 2n);
      const bytes = u256ToBytes(value);
      expect(bytesToU256(bytes), `bit ${bit}`).toBe(value);
      expect(bytes[Number(bit >> 3n)]! & (1 << Number(bit & 7n)), `bit ${bit}`).not.toBe(0);
    }
    expect(bytesToU256(u256ToBytes((1n << 256n) - 1n))).toBe((1n << 256n) - 1n);
  });

  it('refuses what does not fit', () => {
    expect(() => u256ToBytes(1n << 256n)).toThrow(RangeError);
    expect(() => u256ToBytes(-1n)).toThrow('expected an unsigned 256-bit integer, got -1');
    expect(() => bytesToU256(new Uint8Array(31))).toThrow('"bytes" expected 32 bytes, got 31');
  });
});
