/**
 * The npm package `serialport`, loaded when it is first needed: it is optional, and brings native code.
 * This is all that is used of it, so that tests can hand in its mock.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errorText, oneLine } from '../src/util/errors.ts';
import { mendPort } from './serial-mend.ts';

export interface SerialPackage {
  /** Not open yet. */
  create(options: SerialSettings): SerialStream;
  /** Rejects on Linux where there is no `udevadm`. */
  list(): Promise<readonly SerialListing[]>;
  /** Has DTR stay up when an open port is closed. Never rejects. */
  keepLines(path: string): Promise<void>;
}

export interface SerialSettings {
  readonly path: string;
  readonly baudRate: number;
  readonly autoOpen: false;
  readonly lock: true;
  readonly hupcl: false;
}

export interface SerialListing {
  readonly path: string;
  readonly manufacturer?: string | undefined;
  readonly serialNumber?: string | undefined;
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
}

type Done = (error?: Error | null) => void;

/** What is used of a port of the package. */
export interface SerialStream {
  readonly isOpen: boolean;
  readonly port?: { getBaudRate(): Promise<{ readonly baudRate: number }> };
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'close' | 'error', listener: Done): unknown;
  open(done: Done): void;
  write(bytes: Buffer, done: Done): boolean;
  /** Without a line's name it is set, not left alone. */
  set(lines: { readonly dtr: boolean; readonly rts: boolean }, done: Done): void;
  get(done: Done): void;
  update(options: { readonly baudRate: number }, done: Done): void;
  flush(done: Done): void;
  close(done: Done): void;
}

/** Rejects with what the loader says; `packageProblem` makes a line of it. */
export async function loadSerialPackage(): Promise<SerialPackage> {
  const { SerialPort } = await import('serialport');
  return {
    create: (options) => {
      const stream = new SerialPort(options);
      stream.once('open', () => mendPort(stream.port));
      return stream;
    },
    list: () => SerialPort.list(),
    keepLines,
  };
}

/** Why the package did not load, in a line that says what to do about it. */
export function packageProblem(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' && errorText(error).includes("'serialport'");
  return isMissing
    ? 'it is not installed, and `npm install serialport` brings it'
    : `it does not load: ${oneLine(errorText(error))}`;
}

/**
 * The package's `hupcl: false` does not set the flag, but on unix does not clear it either. By the port's
 * name, not by its descriptor: a child that gets that makes it blocking, for us as well.
 */
async function keepLines(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const flag = process.platform === 'linux' ? '-F' : '-f';
  // Without it the board may be reset at the next close: no reason not to use it now.
  await promisify(execFile)('stty', [flag, path, '-hupcl'], { timeout: 2_000 }).catch(() => {});
}
