/**
 * A socket as a source and sink of bytes: reads exactly what is asked for and nothing ahead beyond the
 * socket's own small buffer, waits while the other end does not read, and never leaves an error
 * without somebody who listens.
 */
import type { Duplex } from 'node:stream';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import { CodedError, errorText } from '../util/errors.ts';

/** Why no more bytes come or go. */
export interface StreamEnd {
  readonly code: 'closed' | 'remote' | 'socket';
  readonly reason: string;
}

export class StreamError extends CodedError<StreamEnd> {
  constructor(end: StreamEnd) {
    super(end.reason, end);
  }
}

export class ByteStream {
  /** Resolves once, when it has ended. Never rejects. */
  readonly ended: Promise<StreamEnd>;
  readonly #stream: Duplex;
  readonly #end = createDeferred<StreamEnd>();
  readonly #onSent: (bytes: number) => void;
  readonly #onReceived: (bytes: number) => void;
  #isEnded: StreamEnd | undefined;
  #readable: Deferred<void> | undefined;
  #drained: Deferred<void> | undefined;

  /** The counters are told of every byte. */
  constructor(
    stream: Duplex,
    count: {
      readonly sent?: (bytes: number) => void;
      readonly received?: (bytes: number) => void;
    } = {},
  ) {
    this.#stream = stream;
    this.#onSent = count.sent ?? (() => {});
    this.#onReceived = count.received ?? (() => {});
    this.ended = this.#end.promise;
    stream.on('readable', () => this.#readable?.resolve());
    stream.on('drain', () => this.#drained?.resolve());
    stream.on('error', (error) => this.#finish({ code: 'socket', reason: errorText(error) }));
    stream.on('end', () => this.#finish(PEER_CLOSED));
    stream.on('close', () => this.#finish({ code: 'socket', reason: 'the connection is closed' }));
  }

  /** The next `length` bytes (at least 1). One read at a time. Rejects with a `StreamError`. */
  async read(length: number): Promise<Uint8Array> {
    for (;;) {
      this.#throwIfEnded();
      const bytes: Buffer | null = this.#stream.read(length);
      if (bytes !== null && bytes.length === length) {
        this.#onReceived(length);
        return bytes;
      }
      // Fewer bytes than asked for come only at the end.
      if (bytes !== null) this.#finish(PEER_CLOSED);
      this.#throwIfEnded();
      this.#readable = createDeferred();
      await this.#readable.promise;
    }
  }

  /** Writes; resolves when more may be written. One write at a time. Rejects with a `StreamError`. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#throwIfEnded();
    this.#onSent(bytes.length);
    if (this.#stream.write(bytes)) return;
    this.#drained = createDeferred();
    await this.#drained.promise;
    this.#throwIfEnded();
  }

  /** Ends it at once; what was not sent is lost. Idempotent. */
  destroy(reason = 'closed'): void {
    this.#finish({ code: 'closed', reason });
  }

  #finish(end: StreamEnd): void {
    if (this.#isEnded !== undefined) return;
    this.#isEnded = end;
    this.#stream.destroy();
    this.#readable?.resolve();
    this.#drained?.resolve();
    this.#end.resolve(end);
  }

  #throwIfEnded(): void {
    if (this.#isEnded !== undefined) throw new StreamError(this.#isEnded);
  }
}

const PEER_CLOSED: StreamEnd = { code: 'remote', reason: 'the peer closed the connection' };
