import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/chain/byte-writer.ts';
import { encodeVarint63 } from '../../src/chain/varint.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter();
  write(out);
  return bytesToHex(out.finish());
}

describe('ByteWriter', () => {
  it('writes its fields one after the other', () => {
    const hex = written((out) => {
      out.byte(7);
      out.u64(0x0102030405060708n, 'u64');
      out.varint63(127n, 'a');
      out.varint63(128n, 'b');
      out.varint31(127, 'c');
      out.varint31(300, 'd');
      out.byteString(Uint8Array.of(0xaa, 0xbb), 'e');
      out.byteStrings([Uint8Array.of(1), new Uint8Array(0)], 'f');
      out.nested('g', (inner) => inner.bytes(Uint8Array.of(5, 6)));
      out.hash(new Uint8Array(32).fill(0xcc), 'h');
    });
    expect(hex).toBe(
      `07${'0807060504030201'}7f${'8001'}7f${'ac02'}${'02aabb'}${'02010100'}${'020506'}${'cc'.repeat(32)}`,
    );
  });

  it('writes varints of every length as they are encoded alone', () => {
    for (let bit = 0n; bit < 63n; bit++) {
      for (const value of [(1n << bit) - 1n, 1n << bit]) {
        expect(written((out) => out.varint63(value, 'v'))).toBe(bytesToHex(encodeVarint63(value)));
      }
    }
  });

  it('grows, and keeps what it has', () => {
    const parts = Array.from({ length: 60 }, (_, i) => new Uint8Array(i * 7).fill(i));
    const hex = written((out) => {
      for (const part of parts) out.bytes(part);
    });
    expect(hex).toBe(bytesToHex(concatBytes(...parts)));
    const integers = written((out) => {
      for (let i = 0n; i < 100n; i++) out.u64(i, 'i');
    });
    expect(integers.slice(-16)).toBe('6300000000000000');
    const large = new Uint8Array(1_000_000).fill(9);
    expect(written((out) => out.bytes(large)).length).toBe(2_000_000);
  });

  it('starts again after clear, and hands out copies with finish', () => {
    const out = new ByteWriter();
    out.bytes(Uint8Array.of(1, 2, 3));
    const first = out.finish();
    out.clear();
    out.byte(9);
    expect([...first]).toEqual([1, 2, 3]);
    expect([...out.view()]).toEqual([9]);
  });

  it('refuses what does not fit, naming the field', () => {
    const out = new ByteWriter();
    expect(() => out.u64(-1n, 'a')).toThrow('"a" expected 0 … 2^64−1, got -1');
    expect(() => out.u64(1n << 64n, 'a')).toThrow(RangeError);
    expect(() => out.varint63(1n << 63n, 'b')).toThrow('"b" expected 0 … 2^63−1');
    expect(() => out.varint63(-1n, 'b')).toThrow(RangeError);
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 31]) {
      expect(() => out.varint31(bad, 'c'), `${bad}`).toThrow('"c" expected an integer 0 … 2^31−1');
    }
    expect(() => out.hash(new Uint8Array(20), 'd')).toThrow('"d" expected 32 bytes, got 20');
    expect(out.view().length).toBe(0);
  });
});
