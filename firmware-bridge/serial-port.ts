/**
 * A serial port: 8 data bits, no parity, one stop bit, no flow control.
 *
 * What may surprise:
 * - The package's errors carry no codes, only texts: they are matched here, and nowhere else.
 * - Opening raises DTR and RTS on unix, which no program can prevent (on Windows both are low). Nothing
 *   touches them after that but `resetLines`, and closing leaves them as they are.
 * - A pseudo-terminal has no lines; its port has no `resetLines`.
 * - A new rate throws away what is on its way in both directions.
 */
import type { Clock } from '../src/util/clock.ts';
import { errorText } from '../src/util/errors.ts';
import type { BytePort } from './byte-port.ts';
import { PortError } from './errors.ts';
import type { PortCore } from './port-core.ts';
import { permissionAdvice } from './port-permission.ts';
import { packageProblem, type SerialPackage, type SerialStream } from './serial-package.ts';

export interface SerialPortParts {
  readonly clock: Clock;
  readonly loadSerial: () => Promise<SerialPackage>;
}

/** How long a board is held in reset: its capacitor needs some of that. */
const RESET_MS = 100;
/** A start bit, 8 data bits, a stop bit. */
const BITS_PER_BYTE = 10;
/** Senders and receivers agree up to a few percent; drivers round a rate to what their chip can do. */
const RATE_TOLERANCE = 0.03;
/** What the system calls "bad file descriptor" or "input/output error". */
const UNPLUGGED = 'unplugged, or its other side has hung up';

/**
 * Opens and locks a port at `baudRate`. Rejects `PortError` `no-package` | `no-such-port` | `in-use` |
 * `no-permission` | `failed`.
 */
export async function openSerialPort(
  path: string,
  core: PortCore,
  baudRate: number,
  { clock, loadSerial }: SerialPortParts,
): Promise<BytePort> {
  checkRate(baudRate);
  const serial = await loadSerial().catch((cause: unknown) => {
    const reason = packageProblem(cause);
    throw new PortError({ code: 'no-package', port: core.name, reason }, { cause });
  });
  const stream = serial.create({ path, baudRate, autoOpen: false, lock: true, hupcl: false });
  const port = new OpenSerialPort(stream, core, baudRate, clock);
  try {
    await called((done) => stream.open(done));
  } catch (error) {
    throw await openError(path, core.name, error);
  }
  try {
    await serial.keepLines(path);
    await port.findLines();
    await port.checkActualRate(baudRate);
    return port;
  } catch (error) {
    await port.close();
    throw error;
  }
}

class OpenSerialPort implements BytePort {
  readonly name: string;
  readonly closed: Promise<PortError | undefined>;
  resetLines?: () => Promise<void>;
  readonly #stream: SerialStream;
  readonly #core: PortCore;
  readonly #clock: Clock;
  #rate: number;
  #closing: Promise<void> | undefined;

  constructor(stream: SerialStream, core: PortCore, baudRate: number, clock: Clock) {
    this.name = core.name;
    this.closed = core.closed;
    this.#stream = stream;
    this.#core = core;
    this.#clock = clock;
    this.#rate = baudRate;
    stream.on('data', (bytes) => core.take(bytes));
    stream.on('error', (error) => this.#lost(error));
    stream.on('close', (error) => this.#lost(error));
  }

  get byteMs(): number {
    return (BITS_PER_BYTE * 1_000) / this.#rate;
  }

  onBytes(listener: (bytes: Uint8Array) => void): void {
    this.#core.onBytes(listener);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#core.write(bytes, this.byteMs, (copy, done) => {
      // The stream would keep them for the next time it is opened, and call nobody.
      if (!this.#stream.isOpen) return queueMicrotask(() => done(new Error(UNPLUGGED)));
      this.#stream.write(copy, (cause) => done(cause && new Error(UNPLUGGED, { cause })));
    });
  }

  async setBaud(rate: number): Promise<void> {
    checkRate(rate);
    await this.#ask((done) => this.#stream.update({ baudRate: rate }, done));
    await this.checkActualRate(rate);
    this.#rate = rate;
  }

  /** The system takes any rate, and says nothing when the chip does another one. Rejects `failed`. */
  async checkActualRate(rate: number): Promise<void> {
    // Only Linux tells; 0 is what a driver says that does not know.
    const found = await this.#stream.port?.getBaudRate().catch(() => undefined);
    const actual = found?.baudRate ?? 0;
    if (actual > 0 && Math.abs(actual / rate - 1) > RATE_TOLERANCE) {
      const reason = `it does not do ${rate} baud: it is at ${actual} now`;
      throw new PortError({ code: 'failed', port: this.name, reason });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Asking for their state changes nothing, and fails where there are none. */
  async findLines(): Promise<void> {
    const found = await called((done) => this.#stream.get(done)).then(
      () => true,
      () => false,
    );
    if (found) this.resetLines = () => this.#resetLines();
  }

  /**
   * RTS alone holds a board with the usual two transistors (ESP32, K210) in reset; DTR, as it is raised again,
   * resets those that have a capacitor there. Never DTR alone: that selects the boot loader.
   */
  async #resetLines(): Promise<void> {
    await this.#ask((done) => this.#stream.set({ dtr: false, rts: true }, done));
    await this.#clock.sleep(RESET_MS);
    await this.#ask((done) => this.#stream.set({ dtr: true, rts: true }, done));
  }

  async #ask(call: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#core.over !== undefined) throw this.#core.over;
    try {
      await called(call);
    } catch (cause) {
      if (this.#core.over !== undefined) throw this.#core.over;
      const reason = packageText(cause);
      throw new PortError({ code: 'failed', port: this.name, reason }, { cause });
    }
  }

  async #close(): Promise<void> {
    const isStuck = this.#core.queued > 0;
    this.#core.refuseWrites(this.#core.gone('closed'));
    if (this.#stream.isOpen) {
      // Or the system waits, for up to half a minute, for bytes that do not leave.
      if (isStuck) await called((done) => this.#stream.flush(done)).catch(() => {});
      await called((done) => this.#stream.close(done)).catch(() => {});
    }
    this.#core.end();
  }

  #lost(error: Error | null | undefined): void {
    if (this.#closing !== undefined) return;
    this.#core.end(this.#core.gone(UNPLUGGED, error));
    if (this.#stream.isOpen) this.#stream.close(() => {});
  }
}

function checkRate(rate: number): void {
  if (!(Number.isSafeInteger(rate) && rate > 0)) {
    throw new RangeError(`baud rate: expected a whole number above 0, got ${rate}`);
  }
}

function called(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}

async function openError(path: string, port: string, cause: unknown): Promise<PortError> {
  const text = errorText(cause);
  const options = { cause };
  if (/no such (file|device)|file not found|does not exist/i.test(text)) {
    return new PortError({ code: 'no-such-port', port }, options);
  }
  // Windows denies access to a port that somebody has open, and to no other.
  if (/lock|resource busy|access denied/i.test(text)) {
    return new PortError({ code: 'in-use', port }, options);
  }
  if (/permission denied|operation not permitted/i.test(text)) {
    const advice = await permissionAdvice(path);
    return new PortError({ code: 'no-permission', port, advice }, options);
  }
  const isOther = /inappropriate ioctl|is a directory/i.test(text);
  const reason = isOther ? 'no serial port' : packageText(cause);
  return new PortError({ code: 'failed', port, reason }, options);
}

/** The text of an error of the package, without the `Error` that it begins its texts with. */
function packageText(error: unknown): string {
  return errorText(error).replace(/^(Error:? )+/, '');
}
