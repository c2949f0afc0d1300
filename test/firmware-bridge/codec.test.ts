import { describe, expect, it } from 'vitest';
import { codec } from '../../firmware-bridge/codec.ts';
import { bytesToHex } from '../../src/util/bytes.ts';

interface Example {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: bigint;
  readonly f: Uint8Array;
  readonly g: Uint8Array;
}

const EXAMPLE = codec<Example>('EXAMPLE', [
  ['a', 'u8'],
  ['b', 'u16'],
  { skip: 2 },
  ['c', 'i16'],
  ['d', 'u32'],
  ['e', 'u64'],
  ['f', 3],
  ['g', 'rest'],
]);

const value: Example = {
  a: 0x12,
  b: 0x3456,
  c: -2,
  d: 0x89abcdef,
  e: 0xfedc_ba98_7654_3210n,
  f: Uint8Array.of(1, 2, 3),
  g: Uint8Array.of(4, 5),
};

describe('codec', () => {
  it('writes little-endian fields in order and reserved bytes as 0', () => {
    expect(bytesToHex(EXAMPLE.encode(value))).toBe(
      '12' + '5634' + '0000' + 'feff' + 'efcdab89' + '1032547698badcfe' + '010203' + '0405',
    );
    expect(EXAMPLE.bytes).toBe(22);
  });

  it('reads what it wrote, wherever in a buffer it lies, and ignores reserved bytes', () => {
    const bytes = EXAMPLE.encode(value);
    bytes.set([9, 9], 3);
    const within = new Uint8Array(40);
    within.set(bytes, 7);
    expect(EXAMPLE.decode(within.subarray(7, 7 + bytes.length))).toEqual(value);
    expect(EXAMPLE.decode(Buffer.from(bytes))).toEqual(value);
  });

  it('takes a payload without a rest, and gives bytes of its own', () => {
    const bytes = EXAMPLE.encode({ ...value, g: new Uint8Array(0) });
    const decoded = EXAMPLE.decode(bytes);
    expect(decoded.g).toEqual(new Uint8Array(0));
    bytes.fill(0xee);
    expect(decoded.f).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('ignores what a later version appends to a layout without a rest', () => {
    const short = codec<{ readonly a: number }>('SHORT', [['a', 'u8'], { skip: 1 }]);
    expect(short.decode(Uint8Array.of(5, 0, 1, 2))).toEqual({ a: 5 });
  });

  it('says what is missing of a payload that is too short', () => {
    for (const length of [0, 1, 21]) {
      const call = (): unknown => EXAMPLE.decode(new Uint8Array(length));
      expect(call).toThrow(`malformed EXAMPLE: expected 22 bytes or more, got ${length}`);
    }
  });

  it.each([
    ['a', 256, 'an integer of 0 … 255, got 256'],
    ['a', -1, 'an integer of 0 … 255, got -1'],
    ['a', 0.5, 'an integer of 0 … 255, got 0.5'],
    ['a', Number.NaN, 'an integer of 0 … 255, got NaN'],
    ['b', 65_536, 'an integer of 0 … 65535, got 65536'],
    ['c', 32_768, 'an integer of -32768 … 32767, got 32768'],
    ['c', -32_769, 'an integer of -32768 … 32767, got -32769'],
    ['d', 2 ** 32, 'an integer of 0 … 4294967295, got 4294967296'],
    ['e', 1n << 64n, 'an unsigned 64-bit bigint, got 18446744073709551616'],
    ['e', -1n, 'an unsigned 64-bit bigint, got -1'],
    ['e', 5, 'an unsigned 64-bit bigint, got 5'],
    ['f', new Uint8Array(4), '3 bytes, got 4 bytes'],
    ['f', 7, '3 bytes, got 7'],
    ['g', 7, 'bytes, got 7'],
    ['a', new Uint8Array(1), 'an integer of 0 … 255, got 1 bytes'],
  ])('refuses "%s" as %s', (key, wrong, text) => {
    const call = (): unknown => EXAMPLE.encode({ ...value, [key]: wrong } as Example);
    expect(call).toThrow(new RangeError(`"${key}" of EXAMPLE expected ${text}`));
  });
});
