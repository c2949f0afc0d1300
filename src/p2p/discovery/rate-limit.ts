/** How much of our time and traffic a stranger gets. */
import { LruMap } from '../../util/lru.ts';

export interface Rate {
  /** Allowed at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Allows `burst` uses at once, and `perSecond` in the long run. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** `now`: milliseconds of the clock that every later call is given too. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** True, and one use less, if there is one. */
  take(now: number): boolean {
    const { burst, perSecond } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/**
 * One such bucket for each source. Only so many sources are remembered: who comes back after being
 * forgotten starts anew, so there has to be a limit for all of them together as well.
 */
export class SourceLimits {
  readonly #rate: Rate;
  readonly #buckets: LruMap<string, TokenBucket>;

  constructor(rate: Rate, maxSources: number) {
    this.#rate = rate;
    this.#buckets = new LruMap(maxSources);
  }

  take(source: string, now: number): boolean {
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#rate, now);
      this.#buckets.set(source, bucket);
    }
    return bucket.take(now);
  }
}
