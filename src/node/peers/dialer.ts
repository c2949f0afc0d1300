/**
 * Keeps connections up that we make ourselves: to the operator's targets always, and to as many of the
 * known addresses as there are places for. Bytom 1.x P2P: "Finding peers". Every failure makes the
 * pause before the next try longer.
 */
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { LruMap } from '../../util/lru.ts';
import type { Origin } from './admission.ts';
import type { Peer } from './peer.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Addresses worth dialling, the best first; never our own. */
export interface AddressSource {
  candidates(limit: number): readonly Address[];
}

export interface DialerOptions {
  /** The operator's targets. */
  readonly connect?: readonly Address[];
  /** Connections that we make, the targets included. Default 8; 0 dials targets alone. */
  readonly maxOutgoing?: number;
  /** How often places are filled. Default 5 s. */
  readonly intervalMs?: number;
}

export interface DialerParts {
  /** Rejects for whatever reason there is no such peer. */
  readonly dial: (address: Address, origin: Origin, signal: AbortSignal) => Promise<Peer>;
  /** Connections that we have made. */
  readonly outgoing: () => number;
  /** Whether an address need not be tried: connected, banned. */
  readonly skips: (address: Address) => boolean;
  readonly sources: readonly AddressSource[];
  /** Told how each try has ended, for an address book. */
  readonly dialled?: (address: Address, result: 'connected' | 'failed') => void;
  readonly clock: Clock;
  /** 0 … 1. */
  readonly random: () => number;
  readonly log: Logger;
}

const MAX_OUTGOING = 8;
const INTERVAL_MS = 5000;
/** Tries under way at a time, targets not counted. */
const MAX_DIALS = 4;
/** Candidates that are looked at for each free place. */
const CANDIDATES = 32;
/** Pauses after the first failure, and the longest ones. */
const TARGET_PAUSE = { firstMs: 1000, longestMs: 60_000 };
const ADDRESS_PAUSE = { firstMs: 30_000, longestMs: 3_600_000 };
/** A connection that lasted so long counts as no failure. */
const STABLE_MS = 60_000;
/** Addresses whose failures are remembered. */
const MAX_FAILURES = 1024;

export class Dialer {
  readonly #options: DialerOptions;
  readonly #parts: DialerParts;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #dialling = new Set<string>();
  readonly #failures = new LruMap<string, { readonly count: number; readonly until: number }>(
    MAX_FAILURES,
  );

  constructor(options: DialerOptions, parts: DialerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    for (const target of this.#options.connect ?? []) this.#running.push(this.#keep(target));
    this.#running.push(this.#fill());
  }

  /** Resolves when nothing is being dialled any more. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
  }

  /** Connects to a target again and again. Never rejects. */
  async #keep(target: Address): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; ) {
      const startedAt = clock.now();
      try {
        const peer = await this.#parts.dial(target, 'connect', signal);
        if (await peer.settled) this.#parts.dialled?.(target, 'connected');
        await peer.ended;
        const isStable = peer.ready && clock.now() - startedAt >= STABLE_MS;
        failures = isStable ? 1 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#parts.dialled?.(target, 'failed');
        const { host, port } = target;
        log.warn('connection failed', { host, port, reason: errorText(error) });
      }
      await clock.sleep(this.#pauseMs(TARGET_PAUSE, failures), signal);
    }
  }

  /** Fills the places for outgoing connections. Never rejects. */
  async #fill(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    const tries = new Set<Promise<void>>();
    while (!signal.aborted) {
      for (const address of this.#chosen()) {
        const attempt = this.#try(address).finally(() => tries.delete(attempt));
        tries.add(attempt);
      }
      await clock.sleep(this.#options.intervalMs ?? INTERVAL_MS, signal);
    }
    await Promise.all(tries);
  }

  #chosen(): readonly Address[] {
    const max = this.#options.maxOutgoing ?? MAX_OUTGOING;
    const free = max - this.#parts.outgoing() - this.#dialling.size;
    const wanted = Math.min(free, MAX_DIALS - this.#dialling.size);
    if (wanted <= 0) return [];
    const chosen = new Map<string, Address>();
    for (const source of this.#parts.sources) {
      for (const address of source.candidates(CANDIDATES)) {
        if (chosen.size >= wanted) return [...chosen.values()];
        const key = keyOf(address);
        const failed = this.#failures.get(key);
        const isPausing = failed !== undefined && this.#parts.clock.now() < failed.until;
        if (isPausing || this.#dialling.has(key) || this.#isTarget(address)) continue;
        if (!this.#parts.skips(address)) chosen.set(key, address);
      }
    }
    return [...chosen.values()];
  }

  /** Never rejects. */
  async #try(address: Address): Promise<void> {
    const { clock, log, dialled } = this.#parts;
    const { signal } = this.#stopped;
    const key = keyOf(address);
    this.#dialling.add(key);
    try {
      const peer = await this.#parts.dial(address, 'outgoing', signal);
      const isReady = await peer.settled;
      dialled?.(address, isReady ? 'connected' : 'failed');
      if (!isReady) this.#failed(key);
      // Not again at once, whoever ended it.
      else void peer.ended.then(() => this.#pauseAfter(key, clock.now() - peer.connectedAt));
    } catch (error) {
      if (signal.aborted) return;
      const { host, port } = address;
      log.debug('connection failed', { host, port, reason: errorText(error) });
      dialled?.(address, 'failed');
      this.#failed(key);
    } finally {
      this.#dialling.delete(key);
    }
  }

  #pauseAfter(key: string, lastedMs: number): void {
    if (lastedMs >= STABLE_MS) this.#failures.set(key, { count: 0, until: 0 });
    this.#failed(key);
  }

  #failed(key: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const until = this.#parts.clock.now() + this.#pauseMs(ADDRESS_PAUSE, count);
    this.#failures.set(key, { count, until });
  }

  /** Doubles with each failure; a quarter more or less, so that nodes do not return in step. */
  #pauseMs(
    pause: { readonly firstMs: number; readonly longestMs: number },
    failures: number,
  ): number {
    const ms = Math.min(pause.longestMs, pause.firstMs * 2 ** (failures - 1));
    return ms * (0.75 + 0.5 * this.#parts.random());
  }

  #isTarget(address: Address): boolean {
    return (this.#options.connect ?? []).some((target) => keyOf(target) === keyOf(address));
  }
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
