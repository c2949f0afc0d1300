/**
 * Links over TCP: dials, listens, and shakes hands. Who may connect is for the caller to say; how many
 * strangers may be in the middle of a handshake is decided here, since nobody has seen them yet.
 */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { ByteBudget } from '../util/byte-budget.ts';
import type { Clock } from '../util/clock.ts';
import { createDeferred } from '../util/deferred.ts';
import { CodedError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { type Rate, SourceLimits, TokenBucket } from '../util/token-bucket.ts';
import { HandshakeError, openLink } from './handshake.ts';
import type { NodeIdentity } from './identity.ts';
import { DEFAULT_LINK_LIMITS, type LinkLimits } from './link-limits.ts';
import type { NodeInfo } from './node-info.ts';
import type { PeerLink } from './peer-link.ts';
import { ReceiveBudget } from './receive-budget.ts';
import { addressGroup, normalizeAddress } from './remote-address.ts';

export interface TransportOptions {
  /** What we say of ourselves; the key is the identity's. May change: it is asked for each time. */
  readonly nodeInfo: () => Omit<NodeInfo, 'publicKey'>;
  /** For a TCP connection to come about. */
  readonly dialMs?: number;
  /** For the secret connection, and again for the node info. */
  readonly handshakeMs?: number;
  /** Strangers in the middle of a handshake: in all, and from one host (IPv6: one /64). */
  readonly maxHandshakes?: number;
  readonly maxHandshakesPerHost?: number;
  /** Bytes of unfinished messages of all links, and of messages waiting to be sent. */
  readonly receiveBytes?: number;
  readonly sendBytes?: number;
  readonly link?: Partial<LinkLimits>;
}

export interface TransportParts {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  /** 32 bytes for the key of each connection; random ones if it is not given. */
  readonly ephemeral?: () => Uint8Array;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export type DialErrorDetail =
  | { readonly code: 'connect'; readonly reason: string }
  | { readonly code: 'timeout'; readonly afterMs: number }
  /** The caller's signal, or the transport is closed. */
  | { readonly code: 'aborted' };

/** No TCP connection came about. */
export class DialError extends CodedError<DialErrorDetail> {
  constructor(detail: DialErrorDetail, options?: ErrorOptions) {
    super(describeDial(detail), detail, options);
  }
}

/** An address that cannot be listened at: taken, not ours, not allowed. */
export class ListenError extends CodedError<{
  readonly code: 'listen';
  readonly reason: string;
}> {
  constructor(address: HostPort, reason: string, options?: ErrorOptions) {
    const where = `${address.host}:${address.port}`;
    super(`cannot listen at ${where}: ${reason}`, { code: 'listen', reason }, options);
  }
}

const DEFAULTS = {
  dialMs: 10_000,
  handshakeMs: 30_000,
  maxHandshakes: 16,
  maxHandshakesPerHost: 3,
  receiveBytes: 128 << 20,
  sendBytes: 192 << 20,
} as const;
const TCP_KEEP_ALIVE_MS = 60_000;
/** A handshake is a matter of three round trips: who takes longer makes room for others. */
const HANDSHAKE_GRACE_MS = 3000;
/** Handshakes begun with strangers, each of which costs us some 2 ms: with one host, and with all. */
const HANDSHAKES_OF_HOST: Rate = { perSecond: 1, burst: 64 };
const HANDSHAKES: Rate = { perSecond: 64, burst: 256 };
const REMEMBERED_HOSTS = 4096;

/** Of `addressGroup`. */
interface Stranger {
  readonly host: string;
  readonly since: number;
}

export class P2pTransport {
  readonly #options: Required<Omit<TransportOptions, 'link'>>;
  readonly #limits: LinkLimits;
  readonly #parts: TransportParts;
  readonly #receiveBudget: ReceiveBudget;
  readonly #sendBudget: ByteBudget;
  readonly #servers = new Set<Server>();
  readonly #links = new Set<PeerLink>();
  /** Every socket that is not closed yet, with a promise that it is. */
  readonly #sockets = new Map<Socket, Promise<void>>();
  /** Strangers who are shaking hands, those who began first before the others. */
  readonly #handshakes = new Map<Socket, Stranger>();
  readonly #hostRates: SourceLimits;
  readonly #rate: TokenBucket;
  readonly #closing = new AbortController();

  constructor(options: TransportOptions, parts: TransportParts) {
    const { link, ...own } = options;
    this.#options = { ...DEFAULTS, ...own };
    this.#limits = { ...DEFAULT_LINK_LIMITS, ...link };
    this.#parts = parts;
    this.#receiveBudget = new ReceiveBudget(this.#options.receiveBytes);
    this.#sendBudget = new ByteBudget(this.#options.sendBytes);
    this.#hostRates = new SourceLimits(HANDSHAKES_OF_HOST, REMEMBERED_HOSTS, parts.clock);
    this.#rate = new TokenBucket(HANDSHAKES, parts.clock);
  }

  /**
   * Connects to a node and shakes hands with it. Rejects with a `DialError` if no connection comes
   * about, with a `HandshakeError` if no link does.
   */
  async dial(address: HostPort, signal?: AbortSignal): Promise<PeerLink> {
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    for (const each of [signal, this.#closing.signal]) {
      if (each?.aborted === true) abort();
      each?.addEventListener('abort', abort);
    }
    try {
      const socket = await this.#connect(address, stop.signal);
      const remote = {
        address: normalizeAddress(socket.remoteAddress ?? address.host),
        port: address.port,
      };
      return await this.#open(socket, { outbound: true, remote }, stop.signal);
    } finally {
      for (const each of [signal, this.#closing.signal]) each?.removeEventListener('abort', abort);
    }
  }

  /**
   * Takes connections at an address (port 0: a free one) until `close`. `admit` is asked before a byte
   * is exchanged, with the address alone; `onLink` is handed those that shook hands. Rejects with a
   * `ListenError`.
   */
  async listen(
    address: HostPort,
    onLink: (link: PeerLink) => void,
    admit: (remoteAddress: string) => boolean,
  ): Promise<{ readonly port: number }> {
    if (this.#closing.signal.aborted) throw new ListenError(address, 'the transport is closed');
    const server = createServer((socket) => void this.#accept(socket, onLink, admit));
    const listening = createDeferred<void>();
    server.once('listening', listening.resolve);
    server.on('error', (error) => {
      listening.reject(error);
      this.#parts.log.warn('listening failed', { reason: errorText(error) });
    });
    this.#servers.add(server);
    server.listen(address.port, address.host);
    try {
      await listening.promise;
    } catch (error) {
      this.#servers.delete(server);
      throw new ListenError(address, errorText(error), { cause: error });
    }
    return { port: (server.address() as AddressInfo).port };
  }

  /** Ends every link, dial, handshake and listener; resolves when all sockets are closed. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const link of this.#links) link.close('this node stops');
    for (const socket of this.#sockets.keys()) socket.destroy();
    const servers = [...this.#servers].map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    await Promise.all([...servers, ...this.#sockets.values()]);
  }

  async #connect({ host, port }: HostPort, signal: AbortSignal): Promise<Socket> {
    if (signal.aborted) throw new DialError({ code: 'aborted' });
    const { dialMs } = this.#options;
    const outcome = createDeferred<void>();
    const socket = connect({ host, port });
    this.#track(socket);
    socket.once('connect', outcome.resolve);
    socket.once('error', (cause) =>
      outcome.reject(new DialError({ code: 'connect', reason: socketErrorText(cause) }, { cause })),
    );
    const abort = (): void => outcome.reject(new DialError({ code: 'aborted' }));
    signal.addEventListener('abort', abort);
    const done = new AbortController();
    void this.#parts.clock.sleep(dialMs, done.signal).then(() => {
      outcome.reject(new DialError({ code: 'timeout', afterMs: dialMs }));
    });
    try {
      await outcome.promise;
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      done.abort();
      signal.removeEventListener('abort', abort);
    }
  }

  async #accept(
    socket: Socket,
    onLink: (link: PeerLink) => void,
    admit: (remoteAddress: string) => boolean,
  ): Promise<void> {
    this.#track(socket);
    const address = normalizeAddress(socket.remoteAddress ?? '');
    const remote = { address, port: socket.remotePort ?? 0 };
    const host = addressGroup(address);
    // An address that is missing: it has hung up already.
    const isGone = address === '' || this.#closing.signal.aborted;
    if (isGone || !admit(address) || !this.#makeRoom(host)) {
      socket.destroy();
      return;
    }
    this.#handshakes.set(socket, { host, since: this.#parts.clock.now() });
    try {
      const link = await this.#open(socket, { outbound: false, remote }, this.#closing.signal);
      onLink(link);
    } catch (error) {
      socket.destroy();
      const fields = { address, reason: errorText(error) };
      if (error instanceof HandshakeError) this.#parts.log.debug('handshake failed', fields);
      else this.#parts.log.error('handshake failed', fields);
    } finally {
      this.#handshakes.delete(socket);
    }
  }

  async #open(
    socket: Socket,
    end: { readonly outbound: boolean; readonly remote: PeerLink['remote'] },
    signal: AbortSignal,
  ): Promise<PeerLink> {
    const { identity, clock, log, ephemeral = () => randomBytes(32) } = this.#parts;
    const link = await openLink(
      socket,
      {
        ...end,
        info: { ...this.#options.nodeInfo(), publicKey: identity.publicKey },
        phaseMs: this.#options.handshakeMs,
        limits: this.#limits,
      },
      {
        identity,
        clock,
        log,
        ephemeral,
        receiveBudget: this.#receiveBudget,
        sendBudget: this.#sendBudget,
      },
      signal,
    );
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    if (this.#closing.signal.aborted) link.close('this node stops');
    return link;
  }

  /** Whether a stranger may begin; if need be, in place of whoever has been at it for longest. */
  #makeRoom(host: string): boolean {
    const { maxHandshakes, maxHandshakesPerHost } = this.#options;
    // Also what is refused below: whoever knocks all the time must not be there first each time.
    if (!this.#hostRates.tryTake(host)) return false;
    let same = 0;
    for (const each of this.#handshakes.values()) if (each.host === host) same++;
    if (same >= maxHandshakesPerHost) return false;
    if (this.#handshakes.size < maxHandshakes) return this.#rate.tryTake();
    const [first] = this.#handshakes;
    if (first === undefined) return false;
    const [socket, { since }] = first;
    const isSlow = this.#parts.clock.now() - since >= HANDSHAKE_GRACE_MS;
    if (!isSlow || !this.#rate.tryTake()) return false;
    this.#handshakes.delete(socket);
    socket.destroy();
    return true;
  }

  #track(socket: Socket): void {
    const closed = createDeferred<void>();
    this.#sockets.set(socket, closed.promise);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      closed.resolve();
    });
    // Whoever uses it hears of its errors as well; this one is there before and after.
    socket.on('error', () => {});
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
  }
}

/** When all addresses of a name fail, the error is an `AggregateError` without a message. */
function socketErrorText(error: NodeJS.ErrnoException): string {
  if (!(error instanceof AggregateError)) return errorText(error) || (error.code ?? 'socket error');
  return [...new Set(error.errors.map(errorText))].join(', ') || 'no address answered';
}

function describeDial(detail: DialErrorDetail): string {
  switch (detail.code) {
    case 'connect':
      return `no connection: ${detail.reason}`;
    case 'timeout':
      return `no connection within ${detail.afterMs / 1000} s`;
    case 'aborted':
      return 'stopped';
  }
}
