/**
 * Pauses between attempts that double up to a bound. Without chance in them: a pool is one client among
 * few, and its nodes are its own.
 */
import type { Clock } from '../../src/util/clock.ts';

export interface PauseBounds {
  readonly baseMs: number;
  readonly maxMs: number;
}

export class Pauses {
  readonly #bounds: PauseBounds;
  #nextMs: number;

  constructor(bounds: PauseBounds) {
    const { baseMs, maxMs } = bounds;
    if (!(baseMs > 0 && maxMs >= baseMs && Number.isFinite(maxMs))) {
      throw new RangeError(`pauses expected 0 < baseMs <= maxMs, got ${baseMs} and ${maxMs}`);
    }
    this.#bounds = bounds;
    this.#nextMs = baseMs;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(2 * ms, this.#bounds.maxMs);
    return ms;
  }

  /** After a success: the next pause is short again. */
  reset(): void {
    this.#nextMs = this.#bounds.baseMs;
  }
}

/** A sleep that news can end. News that comes while nobody sleeps ends the next one, unless dropped. */
export class Nap {
  readonly #clock: Clock;
  #isWoken = false;
  #end: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#end();
  }

  /** Whatever comes from now on is news. */
  drop(): void {
    this.#isWoken = false;
  }

  /** Ends after `ms`, when woken, or as the signal aborts. Never rejects. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      const ended = new AbortController();
      const end = (): void => ended.abort();
      this.#end = end;
      signal.addEventListener('abort', end, { once: true });
      await this.#clock.sleep(ms, ended.signal);
      signal.removeEventListener('abort', end);
      this.#end = () => {};
    }
    this.#isWoken = false;
  }
}
