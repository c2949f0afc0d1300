/**
 * Listens for miners and owns their connections; who may come in is for `Admission` to say. One port
 * takes everything: TLS and plain, both dialects, and the header of trusted proxies before either.
 *
 * May surprise: one loop sweeps all connections once a second, so their timeouts are that coarse; a
 * proxy's own connections are counted in all, but for its clients only where the header names them.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Clock, endsWithin, systemClock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { type Rate, SourceLimits } from '../../src/util/token-bucket.ts';
import type { CloseReason, PoolService } from '../client.ts';
import type { PoolMeter } from '../meter.ts';
import { AddressList, hostOf, peerText, plainAddress } from './addresses.ts';
import { Admission, type AdmissionOptions, admissionOptions } from './admission.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { type Certificate, CertificateHolder, type Opened, Opening } from './opening.ts';
import { PeerWarnings } from './warnings.ts';

export interface ListenAddress {
  /** All interfaces if it is missing. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface PoolServerOptions extends Partial<ConnectionOptions>, Partial<AdmissionOptions> {
  readonly listen: readonly ListenAddress[];
  /** Without it, TLS clients are turned away. */
  readonly certificate?: Certificate;
  /** Networks whose connections must begin with a PROXY header: `10.0.0.0/8`, `192.0.2.7`. */
  readonly trustedProxies?: readonly string[];
  /** Logins of one address, or one /64 of IPv6. Default: 5/s, at once as many as it may connect. */
  readonly logins?: Rate;
}

export interface PoolServerParts {
  readonly pool: PoolService;
  readonly log: Logger;
  readonly meter: PoolMeter;
  readonly clock?: Clock;
}

/** What is open now, and who was turned away so far. */
export interface ConnectionCounts {
  readonly open: number;
  /** Of those: nothing was read yet but, perhaps, a part of a proxy's header. */
  readonly opening: number;
  readonly loggedIn: number;
  readonly btm: number;
  readonly v1: number;
  readonly tls: number;
  /** Closed on arrival. */
  readonly refused: { readonly banned: number; readonly limit: number };
}

const SWEEP_MS = 1000;
const BACKLOG = 4096;
const KEEP_ALIVE_MS = 60_000;
/** Addresses whose logins are remembered. */
const MAX_LOGIN_SOURCES = 65_536;
/** How long a drained server's clients get to take their last bytes. */
const GOODBYE_MS = 250;
/** How often a server that is drained looks whether all is answered. */
const ANSWER_POLL_MS = 50;

const CONNECTION_DEFAULTS: ConnectionOptions = {
  maxLineBytes: 10_240,
  messages: { perSecond: 20, burst: 100 },
  floodMs: 30_000,
  maxPendingSubmits: 16,
  maxQueuedBytes: 65_536,
  maxProtocolErrors: 4,
  loginTimeoutMs: 15_000,
  // Ten times what a B3 (780 H/s) at a fixed difficulty of 1,000,000 takes for a share, rounded up.
  idleMs: 4 * 3_600_000,
};

export class PoolServer {
  readonly #options: PoolServerOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #parts: PoolServerParts;
  readonly #clock: Clock;
  readonly #warnings: PeerWarnings;
  readonly #certificate = new CertificateHolder();
  readonly #trusted: AddressList;
  readonly #admission: Admission;
  readonly #logins: SourceLimits;
  readonly #openings = new Set<Opening>();
  readonly #connections = new Set<Connection>();
  readonly #ended = new AbortController();
  #servers: Server[] = [];
  /** Wakes who waits for the last connection to go. */
  #onEmpty: (() => void) | undefined;

  /** Throws an `InputError` for a bad network in `trustedProxies`, and what OpenSSL says of a bad certificate. */
  constructor(options: PoolServerOptions, parts: PoolServerParts) {
    const admission = admissionOptions(options);
    // All miners of a site come back at once when its line does.
    const { logins = { perSecond: 5, burst: admission.maxPerHost } } = options;
    this.#options = options;
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    const clock = this.#clock;
    this.#connectionOptions = connectionOptions(options);
    this.#warnings = new PeerWarnings({ log: parts.log, clock });
    this.#trusted = new AddressList(options.trustedProxies ?? [], 'trustedProxies');
    const { pool } = parts;
    this.#admission = new Admission(admission, { pool, warnings: this.#warnings, clock });
    this.#logins = new SourceLimits(logins, MAX_LOGIN_SOURCES, clock);
    if (options.certificate !== undefined) this.#certificate.set(options.certificate);
  }

  /** Listens on every address, or on none: rejects with the system's error for the one that failed. */
  async listen(): Promise<void> {
    try {
      for (const address of this.#options.listen) await this.#listen(address);
    } catch (error) {
      await this.#stopListening();
      throw error;
    }
    void this.#sweepUntilEnded();
  }

  /** Where it listens. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    });
  }

  get counts(): ConnectionCounts {
    const counts = { loggedIn: 0, btm: 0, v1: 0, tls: 0 };
    for (const connection of this.#connections) {
      if (connection.isLoggedIn) counts.loggedIn++;
      if (connection.isTls) counts.tls++;
      if (connection.dialect !== undefined) counts[connection.dialect]++;
    }
    const opening = this.#openings.size;
    const open = opening + this.#connections.size;
    return { open, opening, ...counts, refused: this.#admission.refused };
  }

  /** For handshakes from now on. Throws what OpenSSL says of a bad one; the old one stays then. */
  setCertificate(certificate: Certificate): void {
    this.#certificate.set(certificate);
  }

  /**
   * Takes no more connections or messages, and closes each connection as soon as all it asked is
   * answered; after `ms` those that are left.
   */
  async drain(ms: number): Promise<void> {
    const stopped = this.#stopListening();
    for (const opening of this.#openings) opening.fail('draining', 'the pool is closing');
    for (const connection of this.#connections) connection.drain();
    const until = this.#clock.now() + ms;
    while (this.#isAnswering() && this.#clock.now() < until) {
      await endsWithin(this.#empty(), ANSWER_POLL_MS, this.#clock);
    }
    for (const connection of this.#connections) connection.close('draining');
    // Who is gone without a word would not say goodbye however long one waits.
    await endsWithin(this.#empty(), GOODBYE_MS, this.#clock);
    await this.close();
    await stopped;
  }

  /** Ends everything at once. Idempotent. */
  async close(): Promise<void> {
    this.#ended.abort();
    const stopped = this.#stopListening();
    for (const opening of this.#openings) opening.fail('draining', 'the pool is closing');
    for (const connection of this.#connections) connection.destroy('draining');
    await this.#empty();
    await stopped;
  }

  async #listen({ host, port }: ListenAddress): Promise<void> {
    const server = createServer(
      // What a client asked before it closed its side is still answered.
      { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (socket) => this.#accept(socket),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, backlog: BACKLOG, ...(host === undefined ? {} : { host }) }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    // Seldom: without descriptors what comes is closed, and not told. Unheard, it would end the program.
    server.on('error', (error) =>
      this.#warnings.warn('cannot accept', 'listener', { reason: errorText(error) }),
    );
    this.#servers.push(server);
  }

  async #stopListening(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    await Promise.all(
      servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    // Gone again before we came to it.
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const origin = { address: plainAddress(remoteAddress), port: remotePort };
    const isProxy = this.#trusted.has(origin.address);
    const { meter } = this.#parts;
    meter.connectionOpened();
    const refusal = this.#admission.arrive(origin, isProxy);
    if (refusal !== undefined) {
      socket.destroy();
      meter.connectionClosed(refusal);
      return;
    }
    const openedAt = this.#clock.now();
    const certificate = this.#certificate;
    const opening = new Opening(
      socket,
      { origin, isProxy, certificate, openedAt },
      {
        opened: (opened) => {
          this.#openings.delete(opening);
          this.#connect(opened, isProxy ? undefined : origin.address, openedAt);
        },
        failed: (reason, what) => {
          this.#openings.delete(opening);
          socket.destroy();
          const fields = { peer: peerText(origin), what };
          if (reason === 'protocol' || reason === 'login-timeout') {
            this.#warnings.warn(`closed: ${reason}`, origin.address, fields);
          } else {
            this.#parts.log.debug('connection closed', { ...fields, reason });
          }
          this.#gone(reason, isProxy ? undefined : origin.address);
        },
      },
    );
    this.#openings.add(opening);
  }

  /** `counted`: the address that is counted already. */
  #connect(opened: Opened, counted: string | undefined, openedAt: number): void {
    const { origin, isProxied, isTls, stream, first } = opened;
    const refusal = isProxied ? this.#admission.enter(origin) : undefined;
    if (refusal !== undefined) {
      stream.destroy();
      this.#gone(refusal, counted);
      return;
    }
    const entered = isProxied ? origin.address : counted;
    const connection = new Connection(
      stream,
      { ...origin, isTls, openedAt },
      this.#connectionOptions,
      {
        pool: this.#parts.pool,
        log: this.#parts.log,
        warnings: this.#warnings,
        clock: this.#clock,
        mayLogIn: this.#mayLogIn,
        onClosed: (closed, reason) => {
          this.#connections.delete(closed);
          this.#gone(reason, entered);
        },
      },
    );
    this.#connections.add(connection);
    this.#parts.log.debug('connected', { peer: connection.peer, tls: isTls });
    connection.read(first);
  }

  readonly #mayLogIn = (address: string): boolean => {
    const mayLogIn = this.#logins.tryTake(hostOf(address));
    if (!mayLogIn) this.#parts.meter.login('limit');
    return mayLogIn;
  };

  #gone(reason: CloseReason, entered: string | undefined): void {
    this.#admission.leave(entered);
    this.#parts.meter.connectionClosed(reason);
    if (this.#openings.size + this.#connections.size === 0) this.#onEmpty?.();
  }

  #isAnswering(): boolean {
    for (const connection of this.#connections) if (!connection.isClosed) return true;
    return false;
  }

  #empty(): Promise<void> {
    if (this.#openings.size + this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const earlier = this.#onEmpty;
      this.#onEmpty = () => {
        earlier?.();
        resolve();
      };
    });
  }

  async #sweepUntilEnded(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#clock.sleep(SWEEP_MS, signal);
      if (!signal.aborted) this.#sweep();
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    const { loginTimeoutMs } = this.#connectionOptions;
    for (const opening of this.#openings) {
      if (now - opening.openedAt >= loginTimeoutMs) {
        opening.fail('login-timeout', 'nothing came');
      }
    }
    for (const connection of this.#connections) connection.sweep(now);
    this.#warnings.sweep();
  }
}

/** One object for all connections. */
function connectionOptions(options: PoolServerOptions): ConnectionOptions {
  const defaults = CONNECTION_DEFAULTS;
  return {
    maxLineBytes: options.maxLineBytes ?? defaults.maxLineBytes,
    messages: options.messages ?? defaults.messages,
    floodMs: options.floodMs ?? defaults.floodMs,
    maxPendingSubmits: options.maxPendingSubmits ?? defaults.maxPendingSubmits,
    maxQueuedBytes: options.maxQueuedBytes ?? defaults.maxQueuedBytes,
    maxProtocolErrors: options.maxProtocolErrors ?? defaults.maxProtocolErrors,
    loginTimeoutMs: options.loginTimeoutMs ?? defaults.loginTimeoutMs,
    idleMs: options.idleMs ?? defaults.idleMs,
  };
}
