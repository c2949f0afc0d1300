/** The UDP socket of discovery, as little of it as discovery needs. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { CodedError, errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { type Endpoint, normalIp } from './endpoint.ts';
import { MAX_PACKET_BYTES } from './packet.ts';

/** Sends and receives datagrams; a test's may be a network in memory. */
export interface DatagramPort {
  /** What it is bound to. */
  readonly port: number;
  /** Which addresses it reaches. */
  readonly family: 4 | 6;
  /** Sends if it can: datagrams get lost anyway. Never throws. */
  send(datagram: Uint8Array, to: Endpoint): void;
  /** Sets the one receiver. `from.host` is in its usual form. */
  receive(receiver: (datagram: Uint8Array, from: Endpoint) => void): void;
  /** Idempotent; nothing is received after it. */
  close(): Promise<void>;
}

export type DiscoveryErrorDetail =
  /** The UDP port could not be had. */
  | { readonly code: 'bind'; readonly host: string; readonly port: number }
  | { readonly code: 'closed' };

export class DiscoveryError extends CodedError<DiscoveryErrorDetail> {
  constructor(detail: DiscoveryErrorDetail, problem: string, options?: ErrorOptions) {
    super(problem, detail, options);
  }
}

export interface UdpPortOptions {
  /** An IP of this machine; the reference binds all of them, whatever it listens on for TCP. */
  readonly host: string;
  /** The TCP port's number: others dial the port that our packets come from. 0: any. */
  readonly port: number;
}

/** Binds a UDP socket. Rejects `DiscoveryError` 'bind'. */
export async function openUdpPort(
  { host, port }: UdpPortOptions,
  log: Logger,
): Promise<DatagramPort> {
  const family = isIPv6(host) ? 6 : 4;
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only: family === 6 });
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void => {
      socket.close();
      const problem = `UDP port ${port} on ${host}: ${cause.message}`;
      reject(new DiscoveryError({ code: 'bind', host, port }, problem, { cause }));
    };
    socket.once('error', fail);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', fail);
      resolve();
    });
  });
  return new UdpPort(socket, family, log);
}

class UdpPort implements DatagramPort {
  readonly port: number;
  readonly family: 4 | 6;
  readonly #socket: Socket;
  readonly #log: Logger;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, family: 4 | 6, log: Logger) {
    this.#socket = socket;
    this.#log = log;
    this.family = family;
    this.port = socket.address().port;
    // Some systems report here what became of an earlier datagram; the socket stays usable.
    socket.on('error', (error) => log.debug('udp error', { problem: errorText(error) }));
  }

  send(datagram: Uint8Array, to: Endpoint): void {
    if (this.#closed !== undefined) return;
    const failed = (error: unknown): void =>
      this.#log.trace('udp not sent', { to: to.host, port: to.port, problem: errorText(error) });
    try {
      this.#socket.send(datagram, to.port, to.host, (error) => {
        if (error !== null && error !== undefined) failed(error);
      });
    } catch (error) {
      failed(error);
    }
  }

  receive(receiver: (datagram: Uint8Array, from: Endpoint) => void): void {
    this.#socket.on('message', (datagram, from) => {
      if (this.#closed !== undefined || datagram.length > MAX_PACKET_BYTES) return;
      const host = normalIp(from.address);
      if (host !== undefined) receiver(datagram, { host, port: from.port });
    });
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closed;
  }
}
