import { describe, expect, it } from 'vitest';
import { encodeVarint, WireError, WireReader, WireWriter } from '../../src/p2p/wire.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const reader = (hex: string): WireReader => new WireReader(hexToBytes(hex, 'test'));

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof WireError) return error.detail.code;
    throw error;
  }
  return 'none';
}

describe('the wire encoding', () => {
  it('writes lengths as their number of bytes and these', () => {
    const table: readonly (readonly [number, string])[] = [
      [0, '00'],
      [5, '0105'],
      [255, '01ff'],
      [300, '02012c'],
      [65_535, '02ffff'],
      [65_536, '03010000'],
      [Number.MAX_SAFE_INTEGER, '071fffffffffffff'],
    ];
    for (const [value, hex] of table) {
      expect(bytesToHex(encodeVarint(value)), String(value)).toBe(hex);
      const back = reader(hex);
      expect(back.varint('n', Number.MAX_SAFE_INTEGER), hex).toBe(value);
      back.end('n');
    }
  });

  it('refuses negative, overlong and excessive lengths', () => {
    expect(codeOf(() => reader('f105').varint('n', 10))).toBe('bad-value');
    expect(codeOf(() => reader('09000000000000000001').varint('n', 10))).toBe('bad-value');
    expect(codeOf(() => reader('010b').varint('n', 10))).toBe('too-large');
    expect(codeOf(() => reader('08ffffffffffffffff').varint('n', 2 ** 53))).toBe('too-large');
    expect(codeOf(() => reader('02ff').varint('n', 10))).toBe('truncated');
    expect(codeOf(() => reader('').varint('n', 10))).toBe('truncated');
  });

  it('takes leading zeros in a length, as the reference does', () => {
    expect(reader('080000000000000005').varint('n', 10)).toBe(5);
  });

  it('refuses a count whose elements cannot be there before it reads any', () => {
    let reads = 0;
    const read = (): number => reads++;
    expect(codeOf(() => reader('0203e8').list('list', 2000, 32, read))).toBe('truncated');
    expect(reads).toBe(0);
  });

  it('refuses heights above 2^53-1 and bytes after the end', () => {
    expect(reader('001fffffffffffff').height('h')).toBe(Number.MAX_SAFE_INTEGER);
    expect(codeOf(() => reader('0020000000000000').height('h'))).toBe('too-large');
    expect(codeOf(() => reader('00').end('message'))).toBe('trailing');
  });

  it('reads what the writer wrote, beyond its first capacity', () => {
    const random = seededRandom(1);
    const blob = Uint8Array.from({ length: 3000 }, () => Math.floor(random() * 256));
    const out = new WireWriter(4);
    out.byte(7);
    out.u64(0xfedc_ba98_7654_3210n);
    out.height(12_345);
    out.slice(blob);
    out.text('Grüße');
    out.ascii('00ff');
    out.hash(blob.subarray(0, 32));
    out.list([1, 2, 3], (n) => out.varint(n));
    const back = new WireReader(out.done());
    expect(back.byte('byte')).toBe(7);
    expect(back.u64('u64')).toBe(0xfedc_ba98_7654_3210n);
    expect(back.height('height')).toBe(12_345);
    expect(back.slice('slice', 3000)).toEqual(blob);
    expect(back.text('text', 100)).toBe('Grüße');
    expect(back.text('ascii', 100)).toBe('00ff');
    expect(back.hash('hash')).toEqual(blob.slice(0, 32));
    expect(back.list('list', 3, 1, () => back.varint('n', 9))).toEqual([1, 2, 3]);
    back.end('all');
  });

  it('takes values that do not fit for mistakes of ours', () => {
    const out = new WireWriter();
    expect(() => out.u64(-1n)).toThrow(RangeError);
    expect(() => out.u64(1n << 64n)).toThrow(RangeError);
    expect(() => out.height(2 ** 53)).toThrow(RangeError);
    expect(() => out.hash(new Uint8Array(31))).toThrow(RangeError);
    expect(() => out.varint(-1)).toThrow(RangeError);
    expect(() => out.varint(1.5)).toThrow(RangeError);
  });
});
