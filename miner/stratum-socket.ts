/**
 * The socket under a pool connection: TCP or TLS, with the certificate checked the usual way or
 * against a pinned fingerprint before a byte is sent.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { errorText } from '../src/util/errors.ts';
import { type PoolUrl, parseFingerprint } from './pool-url.ts';
import type { ConnectionErrorDetail } from './stratum-error.ts';

export interface SocketEvents {
  /** Connected, and with TLS the certificate accepted. */
  readonly connected: () => void;
  readonly data: (chunk: Uint8Array) => void;
  /** The other end sends nothing more. */
  readonly ended: () => void;
  /** Once, at the end, with why. */
  readonly closed: (detail: ConnectionErrorDetail) => void;
}

export interface PoolSocket {
  write(text: string): void;
  /** Sends what was written and closes, within half a second. Idempotent. */
  close(): void;
  /** Closes at once. Idempotent. */
  destroy(): void;
  /** Resolves when the socket is closed; never rejects. */
  readonly closed: Promise<void>;
}

/** How long `close` waits for the other end. */
const FLUSH_MS = 500;
const TCP_KEEP_ALIVE_MS = 30_000;

/** Opens a socket to `url`. `fingerprint` (64 lower-case hex digits) only matters with TLS. */
export function dial(
  url: PoolUrl,
  fingerprint: string | undefined,
  events: SocketEvents,
): PoolSocket {
  let isConnected = false;
  let failure: ConnectionErrorDetail | undefined;
  const { host, port } = url;
  const pinned = url.tls && fingerprint !== undefined;
  // A pinned certificate is usually self-signed: it is checked below, before anything is sent.
  const secure = url.tls
    ? connectTls({ host, port, servername: serverName(host), rejectUnauthorized: !pinned })
    : undefined;
  const socket: Socket = secure ?? connectTcp({ host, port });
  socket.once(url.tls ? 'secureConnect' : 'connect', () => {
    if (secure !== undefined && pinned) {
      const actual = fingerprintOf(secure);
      if (actual !== fingerprint) {
        failure = { code: 'certificate', reason: `its SHA-256 is ${actual}, not ${fingerprint}` };
        socket.destroy();
        return;
      }
    }
    isConnected = true;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    events.connected();
  });
  // Without a good certificate nothing is read either.
  socket.on('data', (chunk: Uint8Array) => {
    if (isConnected) events.data(chunk);
  });
  socket.once('end', () => {
    if (isConnected) events.ended();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= detailOf(error, secure, isConnected);
  });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      events.closed(failure ?? { code: 'closed', by: 'pool' });
      resolve();
    });
  });
  return {
    closed,
    write: (text) => {
      if (!socket.destroyed) socket.write(text);
    },
    close: () => {
      if (!isConnected) {
        socket.destroy();
      } else if (!socket.destroyed) {
        // Ended, not destroyed: bytes still unread here would reset the connection, and the reset
        // could take the last share with it.
        socket.end();
        setTimeout(() => socket.destroy(), FLUSH_MS).unref();
      }
    },
    destroy: () => socket.destroy(),
  };
}

/**
 * The name to ask for in the handshake, which Node does not take from the host: where one address
 * serves several names, the wrong certificate would come without it. Addresses have none.
 */
function serverName(host: string): string {
  return isIP(host) === 0 ? host.replace(/\.$/, '') : '';
}

function detailOf(
  error: NodeJS.ErrnoException,
  secure: TLSSocket | undefined,
  isConnected: boolean,
): ConnectionErrorDetail {
  if (isConnected) return { code: 'broken', reason: socketErrorText(error) };
  if (secure?.authorizationError) {
    return {
      code: 'certificate',
      // Node's text goes on with advice for its own command line.
      reason: `${socketErrorText(error).split(';')[0]} (${secure.authorizationError})`,
    };
  }
  if (secure !== undefined && /^(EPROTO|ERR_SSL_)/.test(error.code ?? '')) {
    return { code: 'connect', reason: `TLS failed (${error.code}); is it a TLS port?` };
  }
  return { code: 'connect', reason: socketErrorText(error) };
}

/** When all addresses of a name fail, the error is an `AggregateError` without a message. */
function socketErrorText(error: NodeJS.ErrnoException): string {
  if (error instanceof AggregateError) {
    return (
      [...new Set(error.errors.map(errorText))].join(', ') ||
      (error as { code?: string }).code ||
      'no address answered'
    );
  }
  return error.message || error.code || 'unknown socket error';
}

function fingerprintOf(socket: TLSSocket): string {
  const text: string | undefined = socket.getPeerCertificate().fingerprint256;
  return text === undefined ? 'missing' : parseFingerprint(text);
}
