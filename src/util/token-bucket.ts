/** How much of something others may cause. */
import type { Clock } from './clock.ts';
import { LruMap } from './lru.ts';

export interface Rate {
  /** In the long run; `Infinity` limits nothing. */
  readonly perSecond: number;
  /** At once: tokens at the start, and the most there ever are. */
  readonly burst: number;
}

/** Tokens that come back with time. */
export class TokenBucket {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'now'>;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, clock: Pick<Clock, 'now'>) {
    this.#rate = rate;
    this.#clock = clock;
    this.#tokens = rate.burst;
    this.#at = clock.now();
  }

  /** Takes them even if they are not there. Gives the ms until the debt is paid; 0 if there is none. */
  take(count = 1): number {
    this.#refill();
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate.perSecond) * 1000;
  }

  /** Takes them if all of them are there. */
  tryTake(count = 1): boolean {
    this.#refill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  #refill(): void {
    const { perSecond, burst } = this.#rate;
    const now = this.#clock.now();
    // No time at all is no tokens, at no matter what rate.
    if (now === this.#at) return;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
  }
}

/**
 * One such bucket for each source. Only so many sources are remembered: who comes back after being
 * forgotten starts anew, so there has to be a limit for all of them together as well.
 */
export class SourceLimits {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #buckets: LruMap<string, TokenBucket>;

  constructor(rate: Rate, maxSources: number, clock: Pick<Clock, 'now'>) {
    this.#rate = rate;
    this.#clock = clock;
    this.#buckets = new LruMap(maxSources);
  }

  tryTake(source: string, count = 1): boolean {
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#rate, this.#clock);
      this.#buckets.set(source, bucket);
    }
    return bucket.tryTake(count);
  }
}
