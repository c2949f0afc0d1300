/**
 * Who is no longer served, and why: workers (address and whole login) for bad shares, addresses for
 * messages that are none. The list itself is kept elsewhere, over restarts.
 */
import type { Clock } from '../../src/util/clock.ts';
import { clip } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { LruMap } from '../../src/util/lru.ts';
import { type Rate, TokenBucket } from '../../src/util/token-bucket.ts';
import type { PoolMeter } from '../meter.ts';
import type { PoolSession } from './session.ts';

/** Names that are not served for a time. */
export interface Bans {
  isBanned(key: string): boolean;
  /** Until `ms` from now. */
  ban(key: string, ms: number, reason: string): void;
}

export interface BanDeskOptions {
  readonly banMs: number;
  /** Whether one confirmed lie about a hash is enough: where miners are taken at their word. */
  readonly bansLies: boolean;
  /** So many protocol errors of one host, within `banMs`, are abuse; each of its sessions may add two. */
  readonly addressErrors: number;
}

export interface BanDeskParts {
  readonly bans: Bans;
  readonly clock: Clock;
  readonly meter: Pick<PoolMeter, 'ban'>;
  readonly log: Logger;
}

/** Hosts whose errors are remembered. */
const MAX_SOURCES = 16_384;
const ERRORS_PER_SESSION = 2;

export class BanDesk {
  readonly #options: BanDeskOptions;
  readonly #parts: BanDeskParts;
  readonly #errorRate: Rate;
  /** By host. */
  readonly #errors = new LruMap<string, TokenBucket>(MAX_SOURCES);

  constructor(options: BanDeskOptions, parts: BanDeskParts) {
    this.#options = options;
    this.#parts = parts;
    const burst = options.addressErrors;
    // Without bans there is no limit that they enforce.
    const perSecond = options.banMs > 0 ? burst / (options.banMs / 1000) : Number.POSITIVE_INFINITY;
    this.#errorRate = { perSecond, burst };
  }

  /** Of a host (see `hostOf`), or a worker's key. */
  isBanned(key: string): boolean {
    return this.#parts.bans.isBanned(key);
  }

  tooManyInvalid(session: PoolSession): void {
    this.#banWorker(session, 'too many invalid shares');
  }

  /** It claimed a hash that is not the real one, confirmed. */
  lied(session: PoolSession): void {
    if (this.#options.bansLies) this.#banWorker(session, 'a false result');
  }

  /** `sessions`: how many the host has now. */
  protocolError(host: string, sessions: number, peer: string, what: string): void {
    const { bans, meter, log, clock } = this.#parts;
    const { banMs, addressErrors } = this.#options;
    const errors = this.#errors.get(host) ?? new TokenBucket(this.#errorRate, clock);
    this.#errors.set(host, errors);
    // The more miners are behind an address, the less one error says about it.
    const weight = addressErrors / (addressErrors + ERRORS_PER_SESSION * sessions);
    if (errors.tryTake(weight) || banMs <= 0) return;
    if (bans.isBanned(host)) return;
    bans.ban(host, banMs, 'protocol errors');
    meter.ban('address');
    log.warn('address banned', { address: host, peer, ms: banMs, reason: clip(what) });
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
