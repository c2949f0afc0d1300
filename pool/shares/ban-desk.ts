/**
 * Who is no longer served, and why: workers (address and whole login) for bad shares, addresses for
 * messages that are none, or for bad shares under ever new names. The list itself is kept elsewhere, over
 * restarts.
 *
 * May surprise: of several rigs of one worker only the connection of the bad one ends, and a ban of an
 * address keeps out who connects: neighbours that are there are judged by their own shares.
 */
import type { Clock } from '../../src/util/clock.ts';
import { clip } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { LruMap } from '../../src/util/lru.ts';
import { SourceLimits } from '../../src/util/token-bucket.ts';
import type { PoolMeter } from '../meter.ts';
import { InvalidCounter, type InvalidCounterOptions, InvalidCounters } from './invalid-counter.ts';
import type { PoolSession } from './session.ts';

/** Names that are not served for a time. */
export interface Bans {
  isBanned(key: string): boolean;
  /** Until `ms` from now. */
  ban(key: string, ms: number, reason: string): void;
}

export interface BanDeskOptions extends InvalidCounterOptions {
  readonly banMs: number;
  /** Whether one confirmed lie about a hash is enough: where miners are taken at their word. */
  readonly bansLies: boolean;
  /** So many protocol errors of one host, within `banMs`, are abuse; each of its sessions may add two. */
  readonly addressErrors: number;
  /** Names whose counters are remembered. */
  readonly maxRemembered: number;
}

export interface BanDeskParts {
  readonly bans: Bans;
  readonly clock: Clock;
  readonly meter: Pick<PoolMeter, 'ban'>;
  readonly log: Logger;
}

/** The shares of a host that must have been counted: so many, and so many times those of a worker. */
const HOST_SHARES = 500;
const HOST_WORKERS = 10;
/** Hosts whose errors and shares are remembered. */
const MAX_SOURCES = 16_384;
const ERRORS_PER_SESSION = 2;

export class BanDesk {
  readonly #options: BanDeskOptions;
  readonly #parts: BanDeskParts;
  /** By host. */
  readonly #errors: SourceLimits;
  /** By worker. */
  readonly #counters: InvalidCounters;
  /** By host: of all its names, since a new one costs nothing. */
  readonly #hosts = new LruMap<string, InvalidCounter>(MAX_SOURCES);

  constructor(options: BanDeskOptions, parts: BanDeskParts) {
    this.#options = options;
    this.#parts = parts;
    this.#counters = new InvalidCounters(options, options.maxRemembered);
    const burst = options.addressErrors;
    // Without bans there is no limit that they enforce.
    const perSecond = options.banMs > 0 ? burst / (options.banMs / 1000) : Number.POSITIVE_INFINITY;
    this.#errors = new SourceLimits({ perSecond, burst }, MAX_SOURCES, parts.clock);
  }

  /** Of a host (see `hostOf`), or a worker's key. */
  isBanned(key: string): boolean {
    return this.#parts.bans.isBanned(key);
  }

  /** Whether nothing more is taken from it. */
  isShutOut(session: PoolSession): boolean {
    return session.isShutOut || this.isBanned(session.banKey);
  }

  /** What a new session of this worker is counted with, until it leaves. */
  enter(banKey: string): InvalidCounter {
    return this.#counters.take(banKey);
  }

  leave({ banKey, counter }: PoolSession): void {
    this.#counters.giveBack(banKey, counter);
  }

  good(session: PoolSession): void {
    session.counter.good();
    this.#hostOf(session).good();
  }

  /** A share was bad by the miner's fault. */
  bad(session: PoolSession): void {
    this.#judge(session, session.counter.bad(), this.#hostOf(session).bad());
  }

  /** `isConfirmed`: by an independent hasher. */
  lowDifficulty(session: PoolSession, isConfirmed: boolean): void {
    const isTooMuch = session.counter.lowDifficulty(isConfirmed);
    this.#judge(session, isTooMuch, this.#hostOf(session).lowDifficulty(isConfirmed));
  }

  /** It claimed a hash that is not the real one, confirmed. */
  lied(session: PoolSession): void {
    if (this.#options.bansLies) this.#banWorker(session, 'a false result');
  }

  /** `sessions`: how many the host has now. */
  protocolError(host: string, sessions: number, peer: string, what: string): void {
    const { addressErrors } = this.#options;
    // The more miners are behind an address, the less one error says about it.
    const weight = addressErrors / (addressErrors + ERRORS_PER_SESSION * sessions);
    if (!this.#errors.tryTake(host, weight))
      this.#banHost(host, 'protocol errors', peer, clip(what));
  }

  #hostOf({ host }: PoolSession): InvalidCounter {
    const { banShares, banInvalidPart } = this.#options;
    let counter = this.#hosts.get(host);
    if (counter === undefined) {
      const least = Math.max(HOST_SHARES, HOST_WORKERS * banShares);
      counter = new InvalidCounter({ banShares: least, banInvalidPart });
      this.#hosts.set(host, counter);
    }
    return counter;
  }

  #judge(session: PoolSession, isTooMuch: boolean, isTooMuchOfHost: boolean): void {
    const reason = 'too many invalid shares';
    if (isTooMuchOfHost) this.#banHost(session.host, reason, session.client.peer, reason);
    if (!isTooMuch || session.isShutOut || this.#options.banMs <= 0) return;
    const { banKey, counter } = session;
    const now = this.#parts.clock.now();
    const { sessions, struck } = this.#counters.strike(banKey, counter, now, this.#options.banMs);
    if (2 * struck > sessions) {
      this.#banWorker(session, reason);
      return;
    }
    session.isShutOut = true;
    this.#parts.log.warn('connection banned', {
      peer: session.client.peer,
      login: clip(session.login),
      reason,
      hint: `the others of this name go on: ${sessions - struck} without such a fault`,
    });
  }

  #banHost(host: string, reason: string, peer: string, what: string): void {
    const { bans, meter, log } = this.#parts;
    const { banMs } = this.#options;
    if (banMs <= 0 || bans.isBanned(host)) return;
    bans.ban(host, banMs, reason);
    meter.ban('address');
    log.warn('address banned', { address: host, peer, ms: banMs, reason: what });
  }

  #banWorker(session: PoolSession, reason: string): void {
    const { bans, meter, log } = this.#parts;
    const { banMs } = this.#options;
    if (banMs <= 0 || bans.isBanned(session.banKey)) return;
    bans.ban(session.banKey, banMs, reason);
    meter.ban('worker');
    const login = clip(session.login);
    log.warn('worker banned', { peer: session.client.peer, login, ms: banMs, reason });
  }
}
