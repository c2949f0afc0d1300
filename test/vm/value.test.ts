import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { boolToBytes, bytesToInt, intToBytes, isTrue } from '../../src/vm/value.ts';

const INTS: readonly [bigint, string][] = [
  [0n, ''],
  [1n, '01'],
  [16n, '10'],
  [17n, '11'],
  [128n, '80'],
  [255n, 'ff'],
  [256n, '0001'],
  [65_536n, '000001'],
  [-1n, 'ffffffffffffffff'],
  [-256n, '00ffffffffffffff'],
  [-(1n << 63n), '0000000000000080'],
  [(1n << 63n) - 1n, 'ffffffffffffff7f'],
  [1n << 56n, '0000000000000001'],
];

describe('values', () => {
  it('write integers as short as they can be, and read them again', () => {
    for (const [value, hex] of INTS) {
      expect(bytesToHex(intToBytes(value)), `${value}`).toBe(hex);
      expect(bytesToInt(hexToBytes(hex, 'value')), hex).toBe(value);
    }
  });

  it('read zeros at the end, but no more than 8 bytes', () => {
    expect(bytesToInt(hexToBytes('0500', 'value'))).toBe(5n);
    expect(bytesToInt(new Uint8Array(8))).toBe(0n);
    expect(bytesToInt(new Uint8Array(9))).toBeUndefined();
  });

  it('forget the value read before', () => {
    bytesToInt(hexToBytes('ffffffffffffffff', 'value'));
    expect(bytesToInt(hexToBytes('01', 'value'))).toBe(1n);
  });

  it('are true with any bit set, anywhere', () => {
    expect(isTrue(new Uint8Array(0))).toBe(false);
    expect(isTrue(new Uint8Array(300))).toBe(false);
    expect(isTrue(Uint8Array.of(0, 0, 0x80))).toBe(true);
    expect(bytesToHex(boolToBytes(true))).toBe('01');
    expect(bytesToHex(boolToBytes(false))).toBe('');
  });
});
