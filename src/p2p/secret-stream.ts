/** What the two ends of a secret connection say to each other, in frames that nobody else can read. */
import type { ByteStream } from './byte-stream.ts';
import { FRAME_BYTES, FrameOpener, FrameSealer } from './frame-cipher.ts';

export interface SessionKeys {
  readonly key: Uint8Array;
  /** Of the first frame in either direction, 24 bytes. */
  readonly sendNonce: Uint8Array;
  readonly receiveNonce: Uint8Array;
}

const EMPTY: Uint8Array = new Uint8Array(0);

export class SecretStream {
  readonly #stream: ByteStream;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  /** Opened and not yet read; lies in the opener's memory. */
  #rest: Uint8Array = EMPTY;

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

  /** The next `length` bytes, wherever frames begin and end. Rejects with a `StreamError` or `WireError`. */
  async read(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const some = this.#rest.length > 0 ? this.#rest : await this.readSome();
      const taken = some.subarray(0, length - at);
      out.set(taken, at);
      at += taken.length;
      this.#rest = some.subarray(taken.length);
    }
    return out;
  }

  /** What is there, or else the data of the next frame; valid until the next call. Never empty. */
  async readSome(): Promise<Uint8Array> {
    let some = this.#rest;
    this.#rest = EMPTY;
    while (some.length === 0) some = this.#opener.open(await this.#stream.read(FRAME_BYTES));
    return some;
  }
}
