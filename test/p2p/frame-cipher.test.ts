import { describe, expect, it } from 'vitest';
import { FRAME_BYTES, FrameOpener, FrameSealer } from '../../src/p2p/frame-cipher.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { recorded } from '../support/p2p-session.ts';

const KEY = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(24).fill(0xff);

const frameAt = (sealed: Uint8Array, i: number): Uint8Array =>
  sealed.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES);

describe('frames', () => {
  it('are sealed as recorded', () => {
    const sealer = new FrameSealer(recorded('shared_secret'), recorded('send_nonce_start'));
    const frame = sealer.seal([recorded('auth_message_sent')]);
    expect(frame).toHaveLength(FRAME_BYTES);
    expect(FRAME_BYTES).toBe(1042);
    expect(bytesToHex(frame.subarray(0, 64))).toBe(
      bytesToHex(recorded('auth_frame_sent_first_64_bytes')),
    );
  });

  it('hold at most 1024 bytes, and each part begins one', () => {
    const sealed = new FrameSealer(KEY, NONCE).seal([
      new Uint8Array(1024).fill(1),
      new Uint8Array(1025).fill(2),
      new Uint8Array(0),
      Uint8Array.of(3),
    ]);
    expect(sealed).toHaveLength(4 * FRAME_BYTES);
    const opener = new FrameOpener(KEY, NONCE);
    const opened = [0, 1, 2, 3].map((i) => opener.open(frameAt(sealed, i)).slice());
    expect(opened.map((data) => data.length)).toEqual([1024, 1024, 1, 1]);
    expect(concatBytes(...opened.slice(1, 3))).toEqual(new Uint8Array(1025).fill(2));
    expect(opened[3]).toEqual(Uint8Array.of(3));
  });

  it('are sealed alike in one call and in several, over a carry of the whole nonce', () => {
    const parts = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
    const together = new FrameSealer(KEY, NONCE).seal(parts);
    const one = new FrameSealer(KEY, NONCE);
    expect(concatBytes(...parts.map((part) => one.seal([part])))).toEqual(together);
    // 2^192 - 1 and 2 more: the nonce of the second frame is 1.
    const nonce = new Uint8Array(24);
    nonce[23] = 1;
    expect(new FrameOpener(KEY, nonce).open(frameAt(together, 1))).toEqual(Uint8Array.of(2));
  });

  it('are refused when a byte was changed, or when they come twice or out of turn', () => {
    const sealed = new FrameSealer(KEY, NONCE).seal([Uint8Array.of(1), Uint8Array.of(2)]);
    const isRefused = (frames: readonly Uint8Array[]): boolean => {
      const opener = new FrameOpener(KEY, NONCE);
      try {
        for (const frame of frames) opener.open(frame);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
        expect(error).toMatchObject({ detail: { code: 'bad-frame' } });
        return true;
      }
      return false;
    };
    const [first, second] = [frameAt(sealed, 0), frameAt(sealed, 1)];
    expect(isRefused([first, second])).toBe(false);
    expect(isRefused([second])).toBe(true);
    expect(isRefused([first, first])).toBe(true);
    for (const at of [0, 15, 16, 17, 18, 500, FRAME_BYTES - 1]) {
      const changed = Uint8Array.from(first);
      changed[at]! ^= 0x80;
      expect(isRefused([changed]), `byte ${at}`).toBe(true);
    }
    expect(isRefused([first.subarray(1)])).toBe(true);
    expect(isRefused([new Uint8Array(0)])).toBe(true);
  });
});
