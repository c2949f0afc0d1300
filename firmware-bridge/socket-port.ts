/** A board behind a socket: a TCP server that passes its bytes on, or an emulator's unix socket. */
import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../src/util/clock.ts';
import { errorText } from '../src/util/errors.ts';
import type { BytePort } from './byte-port.ts';
import { PortError } from './errors.ts';
import type { PortAddress } from './port-address.ts';
import type { PortCore } from './port-core.ts';
import { permissionAdvice } from './port-permission.ts';

type SocketAddress = Exclude<PortAddress, { readonly kind: 'serial' }>;

export interface SocketPortOptions {
  readonly connectMs: number;
  readonly signal?: AbortSignal;
}

/** After so long without a byte the system asks whether the other side is still there. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Connects. Rejects `PortError` `no-such-port` (no such socket file) | `no-permission` | `in-use` (others wait
 * already) | `failed` (nobody listens, no such host, no answer within `connectMs`), or the signal's reason.
 */
export async function openSocketPort(
  address: SocketAddress,
  core: PortCore,
  { connectMs, signal }: SocketPortOptions,
  clock: Clock,
): Promise<BytePort> {
  const socket = connect(address);
  const settled = new AbortController();
  const stop = (): void => void socket.destroy(signal?.reason);
  signal?.addEventListener('abort', stop);
  const port = new OpenSocketPort(socket, core);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(signal?.aborted ? signal.reason : new Error('closed')));
      void clock.sleep(connectMs, settled.signal).then(() => {
        if (!settled.signal.aborted) reject(new Error(`no answer within ${connectMs} ms`));
      });
    });
    return port;
  } catch (error) {
    socket.destroy();
    if (signal?.aborted) throw signal.reason;
    throw await connectError(address, core.name, error);
  } finally {
    settled.abort();
    signal?.removeEventListener('abort', stop);
  }
}

class OpenSocketPort implements BytePort {
  readonly name: string;
  readonly byteMs = 0;
  readonly closed: Promise<PortError | undefined>;
  readonly #socket: Socket;
  readonly #core: PortCore;
  #error: Error | undefined;
  #isClosing = false;

  constructor(socket: Socket, core: PortCore) {
    this.name = core.name;
    this.closed = core.closed;
    this.#socket = socket;
    this.#core = core;
    socket.on('data', (bytes) => core.take(bytes));
    socket.on('error', (error) => {
      this.#error = error;
    });
    // The other side is done: what we write from now on goes nowhere.
    socket.on('end', () => this.#lost());
    socket.on('close', () => {
      if (this.#isClosing) core.end();
      else this.#lost();
    });
  }

  onBytes(listener: (bytes: Uint8Array) => void): void {
    this.#core.onBytes(listener);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#core.write(bytes, this.byteMs, (copy, done) => this.#socket.write(copy, done));
  }

  async close(): Promise<void> {
    const isStuck = this.#core.queued > 0;
    this.#isClosing = true;
    this.#core.refuseWrites(this.#core.gone('closed'));
    // A socket that is ended waits for bytes that nobody takes.
    if (isStuck) this.#socket.destroy();
    else this.#socket.destroySoon();
    await this.closed;
  }

  #lost(): void {
    if (this.#isClosing) return;
    const reason = this.#error === undefined ? 'closed by the other side' : socketText(this.#error);
    this.#core.end(this.#core.gone(reason, this.#error));
    this.#socket.destroy();
  }
}

function connect(address: SocketAddress): Socket {
  if (address.kind === 'unix') return createConnection({ path: address.path });
  const { host, port } = address;
  return createConnection({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
}

async function connectError(
  address: SocketAddress,
  port: string,
  cause: unknown,
): Promise<PortError> {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new PortError({ code: 'no-such-port', port }, { cause });
  // An emulator serves one at a time, and lets one more wait: the next is turned away.
  if (code === 'EAGAIN') return new PortError({ code: 'in-use', port }, { cause });
  if (address.kind === 'unix' && (code === 'EACCES' || code === 'EPERM')) {
    const advice = await permissionAdvice(address.path);
    return new PortError({ code: 'no-permission', port, advice }, { cause });
  }
  return new PortError({ code: 'failed', port, reason: socketText(cause) }, { cause });
}

function socketText(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ECONNREFUSED':
      return "connection refused: is the board's server running?";
    case 'ENOTFOUND':
      return 'no such host';
    case 'EAI_AGAIN':
      return 'the name of the host cannot be looked up now';
    case 'ETIMEDOUT':
      return 'the host does not answer';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'the host cannot be reached';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'cut off by the other side';
    default:
      return errorText(error);
  }
}
