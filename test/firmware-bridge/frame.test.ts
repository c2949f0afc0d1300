import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  FLAG_REPEAT,
  FRAME_OVERHEAD,
} from '../../firmware-bridge/frame.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const payload = Uint8Array.from({ length: 20 }, (_, i) => 200 + i);

describe('frames', () => {
  it('have the layout of the protocol', () => {
    const frame = encodeFrame(0x23, 0x1234, Uint8Array.of(0xaa, 0xbb), { flags: FLAG_REPEAT });
    // The CRC is zlib.crc32 of Python over the ten bytes before it.
    expect(bytesToHex(frame)).toBe('0123010034120200aabb05ca075c');
  });

  it('come back as they were sent', () => {
    for (const seq of [0, 1, 0xffff]) {
      const decoded = decodeFrame(encodeFrame(0xc3, seq, payload, { flags: 0x81, version: 2 }));
      expect(decoded).toEqual({
        ok: true,
        frame: { version: 2, type: 0xc3, flags: 0x81, seq, payload },
      });
    }
    expect(decodeFrame(encodeFrame(1, 2, new Uint8Array(0))).ok).toBe(true);
  });

  it('detect every bit and every byte that is wrong', () => {
    const frame = encodeFrame(0x10, 7, payload);
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const damaged = frame.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeFrame(damaged).ok, `bit ${bit}`).toBe(false);
    }
    const random = seededRandom(5);
    for (let run = 0; run < 300; run++) {
      const damaged = frame.slice();
      damaged[Math.floor(random() * frame.length)]! ^= 1 + Math.floor(random() * 255);
      expect(decodeFrame(damaged), `run ${run}`).toMatchObject({ ok: false, fault: 'BAD_CRC' });
    }
  });

  it('detect every cut', () => {
    const frame = encodeFrame(0x10, 0x0102, payload);
    for (let length = 0; length < frame.length; length++) {
      const decoded = decodeFrame(frame.subarray(0, length));
      const expected =
        length < FRAME_OVERHEAD
          ? { ok: false, fault: 'BAD_LEN' }
          : { ok: false, fault: 'BAD_CRC', seq: 0x0102, type: 0x10 };
      expect(decoded, `${length} bytes`).toEqual(expected);
    }
  });

  it('tell of a length that is not what the header says under a CRC that is right', () => {
    const frame = encodeFrame(0x10, 3, payload);
    frame[6]! -= 1;
    const resealed = seal(frame);
    expect(decodeFrame(resealed)).toEqual({ ok: false, fault: 'BAD_LEN', seq: 3, type: 0x10 });
  });

  it('give a payload of its own', () => {
    const bytes = encodeFrame(0x10, 3, payload);
    const decoded = decodeFrame(bytes);
    bytes.fill(0);
    expect(decoded.ok && decoded.frame.payload).toEqual(payload);
  });

  it('refuse a payload whose length is no u16', () => {
    expect(() => encodeFrame(1, 0, new Uint8Array(65_536))).toThrow(
      new RangeError('"payload" expected at most 65535 bytes, got 65536'),
    );
  });
});

/** The frame with the CRC that it should have. */
function seal(frame: Uint8Array): Uint8Array {
  const sealed = frame.slice();
  const end = sealed.length - 4;
  new DataView(sealed.buffer).setUint32(end, crc32(sealed.subarray(0, end)), true);
  return sealed;
}
