/**
 * A bad line: a port through which bytes get lost, change, come twice, come late, or come from
 * nowhere, in both directions. What it never does is change their order: wires do not.
 */
import type { Clock } from '../../src/util/clock.ts';
import type { BytePort } from '../byte-port.ts';
import { PortError } from '../errors.ts';

/** Chances from 0 to 1, of each byte or of each chunk: what is written or arrives at once. */
export interface LineFaults {
  /** Of a byte: it is lost. */
  readonly dropByte?: number;
  /** Of a byte: one bit of it is another. */
  readonly flipBit?: number;
  /** Of a byte: it comes twice. */
  readonly repeatByte?: number;
  /** Of a byte: another, of any value, comes before it. */
  readonly insertByte?: number;
  /** Of a chunk: 1 to 64 bytes in a row are lost. */
  readonly dropRun?: number;
  /** Of a chunk: it comes twice. */
  readonly repeatChunk?: number;
  /** Of a chunk: its bytes come one by one. */
  readonly split?: number;
  /** Of a chunk: it is 1 to `mostLateMs` late, and what comes behind it waits for it. */
  readonly delay?: number;
  /** Default 300. */
  readonly mostLateMs?: number;
}

export interface FaultyPortOptions {
  readonly faults: LineFaults;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly clock: Clock;
}

export interface FaultyPort extends BytePort {
  /** Faults so far. */
  readonly faults: number;
  /** True: the line is good for what is sent from now on, until it is false again. At first it is false. */
  isGood: boolean;
}

const LONGEST_RUN = 64;
const MOST_LATE_MS = 300;

/** The port of a bad line to where `port` leads. The port is this one's from now on. */
export function faultyPort(port: BytePort, options: FaultyPortOptions): FaultyPort {
  const out = new Wire(options, (bytes) => port.write(bytes));
  let listener: ((bytes: Uint8Array) => void) | undefined;
  const back = new Wire(options, async (bytes) => listener?.(bytes));
  let gone: PortError | undefined;
  void port.closed.then((error) => {
    gone = error ?? new PortError({ code: 'gone', port: port.name, reason: 'it was closed' });
    out.close();
    back.close();
  });
  const { setBaud, resetLines } = port;
  return {
    name: port.name,
    get byteMs() {
      return port.byteMs;
    },
    closed: port.closed,
    get faults() {
      return out.faults + back.faults;
    },
    onBytes: (next) => {
      listener = next;
      // Only now: what comes before there is a listener is the port's to keep.
      port.onBytes((bytes) => back.take(bytes));
    },
    write: async (bytes) => {
      if (gone !== undefined) throw gone;
      out.take(bytes);
    },
    ...(setBaud !== undefined && { setBaud: (rate: number) => setBaud.call(port, rate) }),
    ...(resetLines !== undefined && { resetLines: () => resetLines.call(port) }),
    get isGood() {
      return out.isGood;
    },
    set isGood(value) {
      out.isGood = value;
      back.isGood = value;
    },
    close: () => port.close(),
  };
}

/** One direction. */
class Wire {
  faults = 0;
  isGood = false;
  readonly #faults: LineFaults;
  readonly #random: () => number;
  readonly #clock: Clock;
  readonly #deliver: (bytes: Uint8Array) => Promise<void>;
  /** With the time at which each arrives. */
  readonly #waiting: { readonly bytes: Uint8Array; readonly at: number }[] = [];
  readonly #closed: AbortController = new AbortController();
  #isDelivering = false;

  constructor(options: FaultyPortOptions, deliver: (bytes: Uint8Array) => Promise<void>) {
    this.#faults = options.faults;
    this.#random = options.random;
    this.#clock = options.clock;
    this.#deliver = deliver;
  }

  take(bytes: Uint8Array): void {
    const isLate = this.#happens(this.#faults.delay);
    const most = this.#faults.mostLateMs ?? MOST_LATE_MS;
    const at = this.#clock.now() + (isLate ? this.#below(most) + 1 : 0);
    const times = this.#happens(this.#faults.repeatChunk) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const changed = this.#change(bytes);
      const pieces = this.#happens(this.#faults.split) ? [...changed] : [changed];
      for (const piece of pieces) {
        const whole = typeof piece === 'number' ? Uint8Array.of(piece) : piece;
        this.#waiting.push({ bytes: whole, at });
      }
    }
    if (!this.#isDelivering) void this.#flush();
  }

  close(): void {
    this.#closed.abort();
  }

  async #flush(): Promise<void> {
    this.#isDelivering = true;
    const { signal } = this.#closed;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const lateMs = next.at - this.#clock.now();
      if (lateMs > 0) await this.#clock.sleep(lateMs, signal);
      if (signal.aborted) break;
      try {
        if (next.bytes.length > 0) await this.#deliver(next.bytes);
      } catch (error) {
        // The port is gone; whoever wrote the bytes was told that they are on their way.
        if (!(error instanceof PortError)) throw error;
      }
    }
    this.#isDelivering = false;
  }

  #change(bytes: Uint8Array): Uint8Array {
    const { dropByte, flipBit, repeatByte, insertByte, dropRun } = this.#faults;
    const from = this.#happens(dropRun) ? this.#below(bytes.length) : bytes.length;
    const to = from < bytes.length ? from + 1 + this.#below(LONGEST_RUN) : from;
    const out: number[] = [];
    for (const [at, byte] of bytes.entries()) {
      if ((at >= from && at < to) || this.#happens(dropByte)) continue;
      if (this.#happens(insertByte)) out.push(this.#below(256));
      const told = this.#happens(flipBit) ? byte ^ (1 << this.#below(8)) : byte;
      out.push(told);
      if (this.#happens(repeatByte)) out.push(told);
    }
    return Uint8Array.from(out);
  }

  #happens(chance = 0): boolean {
    if (this.isGood || chance === 0 || this.#random() >= chance) return false;
    this.faults++;
    return true;
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
}
