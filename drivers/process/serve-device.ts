/**
 * The work of a process once its device is open: does what it is told on any `Device` and tells what
 * came of it. Knows nothing of processes.
 */
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { Device, Telemetry } from '../driver.ts';
import {
  type CallResult,
  failureOf,
  type HashMessage,
  type LoadSeedMessage,
  type SearchMessage,
  type ToChild,
  type ToParent,
} from './messages.ts';

export interface ServeParts {
  readonly tell: (message: ToParent) => void;
  /** The matrix tables in the pipe. */
  readonly tables: Pick<TableReader, 'next' | 'release'>;
}

export class DeviceServer {
  readonly #device: Device;
  readonly #parts: ServeParts;
  readonly #calls = new Map<number, AbortController>();

  constructor(device: Device, parts: ServeParts) {
    this.#device = device;
    this.#parts = parts;
    void device.lost.then((error) => {
      if (error !== undefined) parts.tell({ kind: 'lost', reason: reasonOf(error) });
    });
  }

  get telemetry(): Telemetry {
    return this.#device.telemetry();
  }

  /** True while there is a call that has not been answered. */
  get isBusy(): boolean {
    return this.#calls.size > 0;
  }

  /** Takes a message about the open device; others are none of its business. */
  take(message: ToChild): void {
    switch (message.kind) {
      case 'load-seed':
        this.#run(message.call, (signal) => this.#loadSeed(message, signal));
        break;
      case 'hash':
        this.#run(message.call, (signal) => this.#hash(message, signal));
        break;
      case 'search':
        this.#run(message.call, (signal) => this.#search(message, signal), message.isAborted);
        break;
      case 'peak':
        this.#run(message.call, async () => this.#device.measurePeak?.());
        break;
      case 'abort':
        this.#calls.get(message.call)?.abort();
        break;
      case 'list':
      case 'open':
      case 'close':
        break;
    }
  }

  close(): Promise<void> {
    return this.#device.close();
  }

  #run(call: number, work: (signal: AbortSignal) => Promise<CallResult>, isAborted = false): void {
    const abort = new AbortController();
    if (isAborted) abort.abort();
    this.#calls.set(call, abort);
    const { tell } = this.#parts;
    void work(abort.signal).then(
      (result) => {
        this.#calls.delete(call);
        tell({ kind: 'done', call, result, telemetry: this.telemetry });
      },
      (error: unknown) => {
        this.#calls.delete(call);
        const failure = failureOf(error, abort.signal);
        tell({ kind: 'failed', call, failure, telemetry: this.telemetry });
      },
    );
  }

  async #loadSeed({ seed }: LoadSeedMessage, signal: AbortSignal): Promise<undefined> {
    // Taken from the pipe in any case: the next table stands behind it.
    const { tables } = this.#parts;
    const data = await tables.next();
    await this.#device.loadSeed(seed, { seed, data }, signal);
    // Of a call that failed nobody knows whether it has let go of it.
    tables.release(data);
  }

  async #hash({ seed, headerHashes }: HashMessage, signal: AbortSignal): Promise<Uint8Array> {
    const out = new Uint8Array(headerHashes.length);
    await this.#device.hash(seed, headerHashes, out, signal);
    return out;
  }

  #search({ call, work, range }: SearchMessage, signal: AbortSignal): Promise<CallResult> {
    return this.#device.search(work, range, signal, (nonce) =>
      this.#parts.tell({ kind: 'found', call, nonce }),
    );
  }
}

/** Cuts the bytes of a stream into matrix tables. */
export class TableReader {
  readonly #waiting: ((table: Int8Array<ArrayBuffer>) => void)[] = [];
  readonly #ready: Int8Array<ArrayBuffer>[] = [];
  /** One that has been used: memory that is new takes longer to fill. */
  #spare: Int8Array<ArrayBuffer> | undefined;
  /** The one that is coming in. */
  #table: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + TABLE_BYTES - this.#filled);
      // Not before its first bytes come: the last one may have been given back by then.
      this.#table ??= new Uint8Array(this.#takeSpare() ?? new ArrayBuffer(TABLE_BYTES));
      this.#table.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === TABLE_BYTES) this.#finish(this.#table.buffer);
    }
  }

  /** Tables come in the order in which they are asked for. */
  next(): Promise<Int8Array<ArrayBuffer>> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Takes a table back that nobody reads any more. */
  release(table: Int8Array<ArrayBuffer>): void {
    this.#spare = table;
  }

  #takeSpare(): ArrayBuffer | undefined {
    const buffer = this.#spare?.buffer;
    this.#spare = undefined;
    return buffer;
  }

  #finish(buffer: ArrayBuffer): void {
    const table = new Int8Array(buffer);
    this.#table = undefined;
    this.#filled = 0;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#ready.push(table);
    else waiting(table);
  }
}

/** The reason alone: who hears of it says by itself that the device is lost. */
function reasonOf(error: NonNullable<Awaited<Device['lost']>>): string {
  return error.detail.code === 'lost' ? error.detail.reason : error.message;
}
