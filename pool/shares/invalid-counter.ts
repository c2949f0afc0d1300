/**
 * How many of a miner's shares are bad by its own fault, and when that is enough for a ban. A share
 * that is stale, or that we could not verify or keep, says nothing about it and is not counted here.
 *
 * A low-difficulty share is our word against the miner's: such shares count, all of them, once an
 * independent hasher has confirmed one. Until then a broken device of ours would ban everybody.
 */

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
