/**
 * What every port has in common, whatever carries its bytes: the bytes that came before anybody listened,
 * the time a write may take, and the end, which is told once.
 *
 * A write gets a time limit because its callback may never come: that is what serial ports do when they
 * are unplugged, and sockets whose other side has stopped reading.
 */
import type { Clock } from '../src/util/clock.ts';
import { createDeferred } from '../src/util/deferred.ts';
import { errorText } from '../src/util/errors.ts';
import { PortError } from './errors.ts';

/** Hands bytes to the system; tells when they are taken, or why not. */
export type SendBytes = (bytes: Buffer, done: (error?: Error | null) => void) => void;

export class PortCore {
  readonly name: string;
  readonly #writeMs: number;
  readonly #clock: Clock;
  readonly #closed = createDeferred<PortError | undefined>();
  readonly #writes = new Set<(error?: PortError) => void>();
  #listener: ((bytes: Uint8Array) => void) | undefined;
  #kept: Uint8Array[] = [];
  #queued = 0;
  #over: PortError | undefined;

  constructor(name: string, writeMs: number, clock: Clock) {
    this.name = name;
    this.#writeMs = writeMs;
    this.#clock = clock;
  }

  get closed(): Promise<PortError | undefined> {
    return this.#closed.promise;
  }

  /** Why nothing can be written any more; undefined while it can. */
  get over(): PortError | undefined {
    return this.#over;
  }

  /** Bytes that were given to the system and that it has not taken yet. */
  get queued(): number {
    return this.#queued;
  }

  onBytes(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) listener(bytes);
  }

  take(bytes: Buffer): void {
    // A plain view: `slice` of a Buffer shares its memory, which readers of a Uint8Array do not expect.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.#listener === undefined) this.#kept.push(view);
    else this.#listener(view);
  }

  /** Sends a copy of the bytes. `byteMs`: what each of them, and of those before it, takes on the wire. */
  write(bytes: Uint8Array, byteMs: number, send: SendBytes): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (bytes.length === 0) return Promise.resolve();
    this.#queued += bytes.length;
    const afterMs = Math.ceil(this.#writeMs + 2 * byteMs * this.#queued);
    const stop = new AbortController();
    return new Promise((resolve, reject) => {
      const settle = (error?: PortError): void => {
        if (!this.#writes.delete(settle)) return;
        stop.abort();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#writes.add(settle);
      void this.#clock.sleep(afterMs, stop.signal).then(() => {
        settle(new PortError({ code: 'write-timeout', port: this.name, afterMs }));
      });
      send(Buffer.from(bytes), (error) => {
        this.#queued -= bytes.length;
        settle(error ? this.gone(errorText(error), error) : undefined);
      });
    });
  }

  gone(reason: string, cause?: unknown): PortError {
    return new PortError({ code: 'gone', port: this.name, reason }, { cause });
  }

  /** From now on nothing can be written: we close it, or it is gone. Writes that wait are told. */
  refuseWrites(why: PortError): void {
    this.#over ??= why;
    for (const settle of [...this.#writes]) settle(this.#over);
  }

  /** The end: `error` is why it is gone, undefined if we closed it. Only the first call counts. */
  end(error?: PortError): void {
    this.refuseWrites(error ?? this.gone('closed'));
    this.#closed.resolve(error);
  }
}
