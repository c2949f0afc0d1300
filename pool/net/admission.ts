/**
 * Who may come in: nobody from a banned address, only so many connections from one host, from its
 * neighbours and in all, and only so many new ones at a time. What is refused for its own host takes
 * neither a place nor a token from the others.
 */
import type { Clock } from '../../src/util/clock.ts';
import { type Rate, SourceLimits, TokenBucket } from '../../src/util/token-bucket.ts';
import type { PoolService } from '../client.ts';
import { hostOf, peerText } from './addresses.ts';
import { Crowd } from './crowd.ts';
import type { Origin } from './opening.ts';
import type { PeerWarnings } from './warnings.ts';

export interface AdmissionOptions {
  /** In all. Below the descriptors of the process: without one the system closes what comes, unseen. */
  readonly maxConnections: number;
  /** From one address, or one /64 of IPv6. */
  readonly maxPerHost: number;
  /** From one /24, or one /48 of IPv6. */
  readonly maxPerNetwork: number;
  /** New connections from everywhere together. */
  readonly accepts: Rate;
  /** New connections of one host. */
  readonly acceptsPerHost: Rate;
}

export interface AdmissionParts {
  readonly pool: Pick<PoolService, 'isBanned'>;
  readonly warnings: PeerWarnings;
  readonly clock: Pick<Clock, 'now'>;
}

type Refusal = 'banned' | 'limit';

/** Hosts whose new connections are remembered. */
const MAX_SOURCES = 65_536;
/** Unless one host may have more. */
const MAX_PER_NETWORK = 4096;
/** Stands for an address in lines about what is nobody's doing alone. */
const EVERYBODY = 'all';

/** With the defaults where nothing is said. */
export function admissionOptions(given: Partial<AdmissionOptions>): AdmissionOptions {
  const { maxConnections = 32_768, maxPerHost = 1000 } = given;
  return {
    maxConnections,
    maxPerHost,
    maxPerNetwork: given.maxPerNetwork ?? Math.max(MAX_PER_NETWORK, maxPerHost),
    // All miners come back at once after a restart.
    accepts: given.accepts ?? { perSecond: 5000, burst: 40_000 },
    acceptsPerHost: given.acceptsPerHost ?? { perSecond: 20, burst: 2 * maxPerHost },
  };
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #parts: AdmissionParts;
  readonly #crowd: Crowd;
  readonly #accepts: TokenBucket;
  readonly #acceptsPerHost: SourceLimits;
  readonly #refused = { banned: 0, limit: 0 };

  constructor(options: AdmissionOptions, parts: AdmissionParts) {
    const { maxConnections, maxPerHost, maxPerNetwork, accepts, acceptsPerHost } = options;
    this.#options = options;
    this.#parts = parts;
    this.#crowd = new Crowd({
      inAll: maxConnections,
      perHost: maxPerHost,
      perNetwork: maxPerNetwork,
    });
    this.#accepts = new TokenBucket(accepts, parts.clock);
    this.#acceptsPerHost = new SourceLimits(acceptsPerHost, MAX_SOURCES, parts.clock);
  }

  /** Who was turned away so far. */
  get refused(): { readonly banned: number; readonly limit: number } {
    return { ...this.#refused };
  }

  /**
   * A socket has come. Why it may not stay; `undefined` if it may, and is counted until `leave`. Whose
   * client a proxy's socket brings is not known yet: `enter` follows.
   */
  arrive(origin: Origin, isProxy: boolean): Refusal | undefined {
    const refusal = isProxy ? undefined : this.enter(origin);
    if (refusal !== undefined) return refusal;
    const full = this.#takePlace();
    if (full === undefined) return undefined;
    if (!isProxy) this.#crowd.leave(origin.address);
    this.#refused.limit++;
    const { maxConnections } = this.#options;
    this.#parts.warnings.warn(`refused: ${full}`, EVERYBODY, {
      peer: peerText(origin),
      maxConnections,
    });
    return 'limit';
  }

  /** The client of a socket that has arrived is known: the same for its host. */
  enter(origin: Origin): Refusal | undefined {
    const refusal = this.#refusalOf(origin.address);
    if (refusal === undefined) return undefined;
    this.#refused[refusal]++;
    const fields = { peer: peerText(origin) };
    this.#parts.warnings.warn(`refused: ${refusal}`, origin.address, fields);
    return refusal;
  }

  /** A socket is gone; `entered` is its client's address, if that was let in. */
  leave(entered: string | undefined): void {
    this.#crowd.closeSocket();
    if (entered !== undefined) this.#crowd.leave(entered);
  }

  #refusalOf(address: string): Refusal | undefined {
    if (this.#parts.pool.isBanned(address)) return 'banned';
    if (!this.#crowd.enter(address)) return 'limit';
    if (this.#acceptsPerHost.tryTake(hostOf(address))) return undefined;
    this.#crowd.leave(address);
    return 'limit';
  }

  #takePlace(): string | undefined {
    if (!this.#crowd.openSocket()) return 'all places taken';
    if (this.#accepts.tryTake()) return undefined;
    this.#crowd.closeSocket();
    return 'too many at once';
  }
}
