/**
 * The frames of the secret connection, each way with a cipher of its own. Bytom 1.x P2P: "Secret
 * connection". A frame is XSalsa20-Poly1305 (tag first) over the data's length in two bytes, the data
 * and zeros up to 1026 bytes; the nonce grows by 2, as a 192-bit big-endian number.
 */
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { WireError } from './wire.ts';

/** Data in one frame, at the most. */
const FRAME_DATA_BYTES = 1024;
const LENGTH_BYTES = 2;
const PLAIN_BYTES = LENGTH_BYTES + FRAME_DATA_BYTES;
/** Bytes of a frame on the wire. */
export const FRAME_BYTES: number = PLAIN_BYTES + 16;
/** What the cipher wants before the frame, to work in. */
const SCRATCH_BYTES = 16;

export class FrameSealer {
  readonly #key: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #plain: Uint8Array = new Uint8Array(PLAIN_BYTES);
  readonly #sealed: Uint8Array = new Uint8Array(SCRATCH_BYTES + FRAME_BYTES);

  /** `nonce`: of the first frame, 24 bytes. */
  constructor(key: Uint8Array, nonce: Uint8Array) {
    this.#key = key;
    this.#nonce = Uint8Array.from(nonce);
  }

  /** The frames of all parts, each of which begins a frame of its own; none for an empty part. */
  seal(parts: readonly Uint8Array[]): Uint8Array {
    const frames = parts.reduce((sum, { length }) => sum + Math.ceil(length / FRAME_DATA_BYTES), 0);
    const out = new Uint8Array(frames * FRAME_BYTES);
    let end = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length; at += FRAME_DATA_BYTES) {
        out.set(this.#frame(part.subarray(at, at + FRAME_DATA_BYTES)), end);
        end += FRAME_BYTES;
      }
    }
    return out;
  }

  /** One frame, in memory that the next call uses again. */
  #frame(data: Uint8Array): Uint8Array {
    const plain = this.#plain;
    plain[0] = data.length >> 8;
    plain[1] = data.length & 0xff;
    plain.set(data, LENGTH_BYTES);
    plain.fill(0, LENGTH_BYTES + data.length);
    const sealed = xsalsa20poly1305(this.#key, this.#nonce).encrypt(plain, this.#sealed);
    stepNonce(this.#nonce);
    return sealed;
  }
}

export class FrameOpener {
  readonly #key: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #opened: Uint8Array = new Uint8Array(FRAME_BYTES + 32);

  constructor(key: Uint8Array, nonce: Uint8Array) {
    this.#key = key;
    this.#nonce = Uint8Array.from(nonce);
  }

  /**
   * The data of a frame (0 … 1024 bytes), in memory that the next call uses again. Throws a
   * `WireError` if it is not the next frame of the peer, after which nothing more can be read.
   */
  open(frame: Uint8Array): Uint8Array {
    let plain: Uint8Array;
    try {
      plain = xsalsa20poly1305(this.#key, this.#nonce).decrypt(frame, this.#opened);
    } catch (cause) {
      const got = 'another, or a changed one';
      throw new WireError('bad-frame', 'frame', "the peer's next frame", got, { cause });
    }
    stepNonce(this.#nonce);
    const length = plain[0]! * 256 + plain[1]!;
    if (length > FRAME_DATA_BYTES) {
      throw new WireError('too-large', 'frame', `at most ${FRAME_DATA_BYTES} bytes`, `${length}`);
    }
    return plain.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  }
}

/** Adds 2 to a big-endian number; the two directions, one even and one odd, never meet. */
function stepNonce(nonce: Uint8Array): void {
  let carry = 2;
  for (let i = nonce.length - 1; i >= 0 && carry > 0; i--) {
    const sum = nonce[i]! + carry;
    nonce[i] = sum & 0xff;
    carry = sum >> 8;
  }
}
