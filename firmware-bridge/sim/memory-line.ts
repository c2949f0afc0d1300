/**
 * A serial line in memory. What may surprise: it has a rate at each end, and bytes that are sent at
 * one rate and received at another arrive as other bytes, as they do on a wire.
 */
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import type { BytePort } from '../byte-port.ts';
import { PortError } from '../errors.ts';

/** The board's end of a line; a socket is one without rates. */
export interface BoardLine {
  /** Who hears the bytes, in order. One listener. */
  onBytes(listener: (bytes: Uint8Array) => void): void;
  /** Bytes for a host that is gone are dropped. */
  write(bytes: Uint8Array): void;
  /** Another rate from now on; absent where rates mean nothing. */
  setBaud?(rate: number): void;
  /** Ends the line: the host's port is gone. `reason` as the host words it. */
  close(reason: string): void;
}

export interface MemoryLineOptions {
  /** What the host's messages call it. */
  readonly name: string;
  /** Baud at both ends; undefined for a line without rates. */
  readonly rate: number | undefined;
  /** Rates at which nothing arrives as it was sent. Asked at each write. */
  readonly isBadRate: (rate: number) => boolean;
  /** What the reset lines do; absent if there are none. */
  readonly onReset?: () => void;
}

export interface MemoryLine {
  readonly host: BytePort;
  readonly board: BoardLine;
}

export function createMemoryLine(options: MemoryLineOptions): MemoryLine {
  const toHost = new Direction();
  const toBoard = new Direction();
  const closed: Deferred<PortError | undefined> = createDeferred();
  let isOpen = true;
  let hostRate = options.rate;
  let boardRate = options.rate;
  const onWire = (bytes: Uint8Array): Uint8Array => {
    const isRight =
      hostRate === boardRate && !(hostRate !== undefined && options.isBadRate(hostRate));
    return isRight ? bytes.slice() : bytes.map(garble);
  };
  const end = (error: PortError | undefined): void => {
    isOpen = false;
    toHost.close();
    toBoard.close();
    closed.resolve(error);
  };
  const checkOpen = (): void => {
    if (isOpen) return;
    throw new PortError({ code: 'gone', port: options.name, reason: 'it was closed' });
  };
  const { rate, onReset } = options;
  const host: BytePort = {
    name: options.name,
    get byteMs() {
      return hostRate === undefined ? 0 : 10_000 / hostRate;
    },
    closed: closed.promise,
    onBytes: (listener) => toHost.listen(listener),
    write: async (bytes) => {
      checkOpen();
      toBoard.send(onWire(bytes));
    },
    ...(rate !== undefined && {
      setBaud: async (next: number) => {
        checkOpen();
        hostRate = next;
      },
    }),
    ...(onReset !== undefined && {
      resetLines: async () => {
        checkOpen();
        onReset();
      },
    }),
    close: async () => end(undefined),
  };
  const board: BoardLine = {
    onBytes: (listener) => toBoard.listen(listener),
    write: (bytes) => {
      if (isOpen) toHost.send(onWire(bytes));
    },
    ...(rate !== undefined && {
      setBaud: (next: number) => {
        boardRate = next;
      },
    }),
    close: (reason) => end(new PortError({ code: 'gone', port: options.name, reason })),
  };
  return { host, board };
}

/** Bytes on their way: they arrive in order, after whatever is running has ended. */
class Direction {
  #waiting: Uint8Array[] = [];
  #listener: ((bytes: Uint8Array) => void) | undefined;
  #isOpen = true;
  #isFlushing = false;

  listen(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    this.#flushSoon();
  }

  send(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    this.#waiting.push(bytes);
    this.#flushSoon();
  }

  close(): void {
    this.#isOpen = false;
    this.#waiting = [];
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#listener === undefined || this.#waiting.length === 0) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      const chunks = this.#waiting;
      this.#waiting = [];
      for (const chunk of chunks) if (this.#isOpen) this.#listener?.(chunk);
      this.#flushSoon();
    });
  }
}

/** What a byte looks like at another rate: nothing that it was, but the same each time. */
function garble(byte: number): number {
  return (byte * 0x9d + 0x37) & 0xff;
}
