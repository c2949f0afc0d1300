/** What the two ends of a secret connection say to each other, in frames that nobody else can read. */
import type { ByteStream } from './byte-stream.ts';
import { FRAME_BYTES, FrameOpener, FrameSealer } from './frame-cipher.ts';
import { WireError } from './wire.ts';

export interface SessionKeys {
  readonly key: Uint8Array;
  /** Of the first frame in either direction, 24 bytes. */
  readonly sendNonce: Uint8Array;
  readonly receiveNonce: Uint8Array;
}

const EMPTY: Uint8Array = new Uint8Array(0);
/**
 * Frames that `read` opens in all. Proof and node info take some forty of the reference, and a byte of
 * data costs the peer as little as none, where opening a frame costs us the same.
 */
const MAX_READ_FRAMES = 512;

export class SecretStream {
  readonly #stream: ByteStream;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  /** Opened and not yet read; lies in the opener's memory. */
  #rest: Uint8Array = EMPTY;
  #framesRead = 0;

  constructor(stream: ByteStream, keys: SessionKeys) {
    this.#stream = stream;
    this.#sealer = new FrameSealer(keys.key, keys.sendNonce);
    this.#opener = new FrameOpener(keys.key, keys.receiveNonce);
  }

  /**
   * Sends the parts, each from the beginning of a frame, in one write of the socket. Resolves when
   * more may be sent. One call at a time. Rejects with a `StreamError`.
   */
  async write(...parts: readonly Uint8Array[]): Promise<void> {
    await this.#stream.write(this.#sealer.seal(parts));
  }

  /**
   * The next `length` bytes, wherever frames begin and end. For handshakes: it reads few frames in all.
   * Rejects with a `StreamError` or `WireError`.
   */
  async read(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (this.#rest.length === 0 && ++this.#framesRead > MAX_READ_FRAMES) {
        throw new WireError('flood', 'frames', `at most ${MAX_READ_FRAMES}`, 'more');
      }
      const some = await this.readSome();
      const taken = some.subarray(0, length - at);
      out.set(taken, at);
      at += taken.length;
      this.#rest = some.subarray(taken.length);
    }
    return out;
  }

  /** What is there, or else the data of the next frame, which may have none; valid until the next call. */
  async readSome(): Promise<Uint8Array> {
    const rest = this.#rest;
    this.#rest = EMPTY;
    return rest.length > 0 ? rest : this.#opener.open(await this.#stream.read(FRAME_BYTES));
  }
}
