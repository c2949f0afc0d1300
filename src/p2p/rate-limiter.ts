/** A limit on how much of something may happen in a second, with one second's worth at once. */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  #free: number;
  #at: number;

  /** `Infinity` limits nothing. `now`: milliseconds that never go back, here and below. */
  constructor(perSecond: number, now: number, burst: number = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#free = burst;
    this.#at = now;
  }

  /** Takes `amount` in any case; returns the ms to wait until it would have been free. */
  spend(amount: number, now: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return 0;
    this.#refill(now);
    this.#free -= amount;
    return this.#free >= 0 ? 0 : Math.ceil((-this.#free * 1000) / this.#perSecond);
  }

  /** Takes `amount` if it is free. */
  take(amount: number, now: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true;
    this.#refill(now);
    if (this.#free < amount) return false;
    this.#free -= amount;
    return true;
  }

  #refill(now: number): void {
    const gained = ((now - this.#at) * this.#perSecond) / 1000;
    this.#free = Math.min(this.#burst, this.#free + gained);
    this.#at = now;
  }
}
