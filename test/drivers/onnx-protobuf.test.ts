import { describe, expect, it } from 'vitest';
import { bytesField, intField, repeated, textField, varint } from '../../drivers/onnx/protobuf.ts';
import { bytesToHex } from '../../src/util/bytes.ts';

describe('varint', () => {
  it.each([
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    // The example of the format's own document.
    [150, '9601'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2 ** 31, '8080808008'],
    [2 ** 32 - 1, 'ffffffff0f'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
    [2n ** 63n - 1n, 'ffffffffffffffff7f'],
    [2n ** 64n - 1n, 'ffffffffffffffffff01'],
    // Negative numbers are 64 bits in two's complement.
    [-1, 'ffffffffffffffffff01'],
    [-128, '80ffffffffffffffff01'],
    [-(2n ** 63n), '80808080808080808001'],
  ])('of %s', (value, hex) => {
    expect(bytesToHex(varint(value))).toBe(hex);
  });

  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %s', (value) => {
    expect(() => varint(value)).toThrow('"value" expected a safe integer');
  });
});

describe('fields', () => {
  it('begin with their number and kind', () => {
    expect(bytesToHex(intField(1, 150))).toBe('089601');
    expect(bytesToHex(bytesField(2, 'testing'))).toBe('120774657374696e67');
    expect(bytesToHex(bytesField(3, intField(1, 150)))).toBe('1a03089601');
    // From 16 on the number takes a second byte.
    expect(bytesToHex(intField(15, 1))).toBe('7801');
    expect(bytesToHex(intField(16, 1))).toBe('800101');
    expect(bytesToHex(intField(20, 5))).toBe('a00105');
  });

  it('count bytes, not characters', () => {
    expect(bytesToHex(bytesField(1, '½'))).toBe('0a02c2bd');
    const long = bytesField(1, 'x'.repeat(128));
    expect(bytesToHex(long.subarray(0, 4))).toBe('0a800178');
    expect(long).toHaveLength(131);
  });

  it('keep an empty message, and leave out an empty text', () => {
    expect(bytesToHex(bytesField(1, new Uint8Array()))).toBe('0a00');
    expect(bytesToHex(bytesField(1, ''))).toBe('0a00');
    expect(textField(1, '')).toHaveLength(0);
    expect(textField(1, undefined)).toHaveLength(0);
    expect(bytesToHex(textField(1, 'a'))).toBe('0a0161');
  });

  it('repeat one by one, in order', () => {
    expect(bytesToHex(repeated([3, 270], (value) => intField(4, value)))).toBe('2003208e02');
    expect(repeated([], (value: number) => intField(4, value))).toHaveLength(0);
  });
});
