/**
 * How many of a miner's shares are bad by its own fault, and when that is enough for a ban. A share
 * that is stale, or that we could not verify or keep, says nothing about it and is not counted here.
 *
 * A low-difficulty share is our word against the miner's: such shares count, all of them, once an
 * independent hasher has confirmed one. Until then a broken device of ours would ban everybody.
 *
 * Rigs of one name behind one address have a counter each, so that one that is broken does not stop them
 * all; only when most of them are is it the name's fault.
 */
import { LruMap } from '../../src/util/lru.ts';

export interface InvalidCounterOptions {
  /** So many shares must have been counted. */
  readonly banShares: number;
  /** The part of them, 0 … 1, that must be bad. */
  readonly banInvalidPart: number;
}

export class InvalidCounter {
  readonly #options: InvalidCounterOptions;
  #good = 0;
  #bad = 0;
  #low = 0;
  #isLowConfirmed = false;
  /** When it was last enough (monotonic ms). */
  struckAt: number = Number.NEGATIVE_INFINITY;

  constructor(options: InvalidCounterOptions) {
    this.#options = options;
  }

  /** Whether there were good ones of late. */
  get hasGood(): boolean {
    return this.#good > 0;
  }

  good(): void {
    this.#good++;
    this.#forget();
  }

  /** True if it is to be banned now; the counters then start anew. */
  bad(): boolean {
    this.#bad++;
    return this.#decide();
  }

  /** As `bad`. `isConfirmed`: by an independent hasher. */
  lowDifficulty(isConfirmed: boolean): boolean {
    this.#low++;
    this.#isLowConfirmed ||= isConfirmed;
    return this.#decide();
  }

  #decide(): boolean {
    const invalid = this.#bad + (this.#isLowConfirmed ? this.#low : 0);
    const counted = this.#good + invalid;
    const { banShares, banInvalidPart } = this.#options;
    if (counted >= banShares && invalid >= counted * banInvalidPart) {
      this.#good = this.#bad = this.#low = 0;
      this.#isLowConfirmed = false;
      return true;
    }
    this.#forget();
    return false;
  }

  /** Halves: what a miner did long ago neither excuses nor accuses it. */
  #forget(): void {
    if (this.#good + this.#bad + this.#low < 4 * this.#options.banShares) return;
    this.#good = Math.floor(this.#good / 2);
    this.#bad = Math.floor(this.#bad / 2);
    this.#low = Math.floor(this.#low / 2);
  }
}

/** Counters of one name that are kept for its rigs that left. */
const MAX_LEFT = 16;

/**
 * The counters of all sessions, which outlive connections: who comes back takes one of its name up again
 * that no session has, the one that was left last. The oldest names are forgotten.
 */
export class InvalidCounters {
  readonly #options: InvalidCounterOptions;
  readonly #live = new Map<string, Set<InvalidCounter>>();
  readonly #left: LruMap<string, InvalidCounter[]>;

  constructor(options: InvalidCounterOptions, maxRemembered: number) {
    this.#options = options;
    this.#left = new LruMap(maxRemembered);
  }

  /** For a new session of this name, until `giveBack`. */
  take(key: string): InvalidCounter {
    const counter = this.#left.get(key)?.pop() ?? new InvalidCounter(this.#options);
    const live = this.#live.get(key);
    if (live === undefined) this.#live.set(key, new Set([counter]));
    else live.add(counter);
    return counter;
  }

  giveBack(key: string, counter: InvalidCounter): void {
    const live = this.#live.get(key);
    live?.delete(counter);
    if (live?.size === 0) this.#live.delete(key);
    const left = this.#left.get(key) ?? [];
    left.push(counter);
    if (left.length > MAX_LEFT) left.shift();
    this.#left.set(key, left);
  }

  /**
   * This one has counted enough. Gives the sessions of its name, with those that struck within `withinMs`
   * and are gone, and how many of them struck.
   */
  strike(
    key: string,
    counter: InvalidCounter,
    nowMs: number,
    withinMs: number,
  ): { readonly sessions: number; readonly struck: number } {
    counter.struckAt = nowMs;
    const hasStruck = (each: InvalidCounter): boolean => nowMs - each.struckAt <= withinMs;
    const gone = (this.#left.get(key) ?? []).filter(hasStruck);
    const all = new Set([counter, ...gone, ...(this.#live.get(key) ?? [])]);
    return { sessions: all.size, struck: [...all].filter(hasStruck).length };
  }
}
