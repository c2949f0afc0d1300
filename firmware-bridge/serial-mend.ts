/**
 * Two faults of the package `serialport` 13 on unix, mended from outside:
 * - A port that is unplugged while bytes come in reads as empty from then on. The package takes that for nothing
 *   yet, reads again at once, and so on for ever: a core at full load, and nobody hears that the port is gone.
 * - Waiting for bytes makes it forget that it waits for room as well, and the other way about. A long write
 *   stands still from the moment something comes in until something comes in again.
 */
import { read as readFile } from 'node:fs';
import { promisify } from 'node:util';

const READABLE = 1;
const WRITABLE = 2;

/** An open port of the package, as it is on unix. */
interface UnixPort {
  readonly isOpen: boolean;
  /** Null once it is closed. */
  readonly fd: number | null;
  readonly poller: Poller;
  read(buffer: Buffer, offset: number, length: number): Promise<ReadBytes>;
}

interface ReadBytes {
  readonly bytesRead: number;
  readonly buffer: Buffer;
}

/** What it waits with until there are bytes, or room for some. */
interface Poller {
  once(event: 'readable', listener: (error: Error | null) => void): unknown;
  listenerCount(event: 'readable' | 'writable'): number;
  poll(events: number): void;
}

/** Does nothing to a port that is built in another way: that of Windows, or of another version. */
export function mendPort(port: object | undefined): void {
  if (!isUnixPort(port)) return;
  watchBoth(port.poller);
  port.read = (buffer, offset, length) => readSome(port, buffer, offset, length);
}

function isUnixPort(port: object | undefined): port is UnixPort {
  const { fd, poller, read } = (port ?? {}) as Partial<UnixPort>;
  return typeof fd === 'number' && typeof poller?.poll === 'function' && typeof read === 'function';
}

/** Whatever it asks for next, what it waits for already is asked for, too. */
function watchBoth(poller: Poller): void {
  const poll = poller.poll.bind(poller);
  poller.poll = (events) => {
    const reads = poller.listenerCount('readable') > 0 ? READABLE : 0;
    const writes = poller.listenerCount('writable') > 0 ? WRITABLE : 0;
    poll(events | reads | writes);
  };
}

/** At least one byte. Rejects when the port is gone, or with the package's own error when it is closed. */
async function readSome(
  port: UnixPort,
  buffer: Buffer,
  offset: number,
  length: number,
): Promise<ReadBytes> {
  for (;;) {
    if (port.fd === null) throw Object.assign(new Error('the port is closed'), { canceled: true });
    try {
      const { bytesRead } = await promisify(readFile)(port.fd, buffer, offset, length, null);
      if (bytesRead > 0) return { bytesRead, buffer };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN' && code !== 'EINTR') throw error;
      if (port.isOpen) await untilReadable(port.poller);
      continue;
    }
    // Opened as it is, a port without bytes says "again": empty is what one says that has hung up.
    throw new Error('the port has hung up');
  }
}

function untilReadable(poller: Poller): Promise<void> {
  return new Promise((resolve, reject) => {
    poller.once('readable', (error) => (error ? reject(error) : resolve()));
  });
}
