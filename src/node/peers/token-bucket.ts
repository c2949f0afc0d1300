/** Tokens that come back with time: how much of something a peer may cause. */
import type { Clock } from '../../util/clock.ts';

export interface TokenRate {
  readonly perSecond: number;
  /** Tokens at the start, and the most there ever are. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: TokenRate;
  readonly #clock: Pick<Clock, 'now'>;
  #tokens: number;
  #at: number;

  constructor(rate: TokenRate, clock: Pick<Clock, 'now'>) {
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
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
  }
}
