/**
 * Pauses between attempts: exponential with full jitter, so that rigs that lost the same server do
 * not all come back at the same moment.
 */

export interface BackoffOptions {
  /** Upper bound of the first pause. */
  readonly baseMs: number;
  /** Upper bound of every pause. */
  readonly maxMs: number;
}

/** Hands out pauses that grow until `reset`. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #attempts = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(options: BackoffOptions, random: () => number = Math.random) {
    const { baseMs, maxMs } = options;
    if (!(baseMs > 0 && maxMs >= baseMs && Number.isFinite(maxMs))) {
      throw new RangeError(`back-off expected 0 < baseMs <= maxMs, got ${baseMs} and ${maxMs}`);
    }
    this.#options = options;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt: 1 … min(maxMs, baseMs · 2^attempts). */
  next(): number {
    const { baseMs, maxMs } = this.#options;
    const bound = Math.min(maxMs, baseMs * 2 ** this.#attempts);
    // Stops counting at the cap, so that a year of retries cannot overflow the power.
    if (bound < maxMs) this.#attempts++;
    // Never 0: a pause that lets nothing else run would be a busy loop.
    return Math.max(1, Math.ceil(this.#random() * bound));
  }

  /** After a success: the next pause is short again. */
  reset(): void {
    this.#attempts = 0;
  }
}
