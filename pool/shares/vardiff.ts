/**
 * Which difficulty gives one miner a share every `shareSeconds`. Shares come at random, so the question
 * is always whether what was seen can still be chance:
 *
 * - *Too many*: more than twice as many as chance allows, after at least 32, which tell the rate to
 *   18 %. A flood is cut short: 96 are enough however fast they came.
 * - *Too few*: less than half, and fewer than chance allows.
 * - *None*: of whom nothing is known may be wrong by any factor, so its difficulty is raised to 0.3; two
 *   such steps lead from 2^40 to 12, and 96 shares are what it costs if that was too far. Who had shares
 *   may only have paused, and is lowered by a fixed factor.
 *
 * All of it is in units of the difficulty that the miner has (`applied`), which load and the network's
 * difficulty may hold off its own.
 */

export interface VardiffOptions {
  /** Seconds from share to share that are aimed at. */
  readonly shareSeconds: number;
  readonly minDifficulty: bigint;
  readonly maxDifficulty: bigint;
}

/** So many shares tell the rate well enough, if it is far off. */
const ENOUGH = 32;
/** So many tell it whatever the time they took. */
const FLOOD = 96;
/** Shares seen or missing, after which all is well and measuring starts anew. */
const WINDOW = 64;
/** No rate is measured over less: what a stalled line held back comes at once. */
const MIN_ELAPSED_MS = 1000;
/** Within this factor a difficulty is right. */
const BAND = 2;
/** After so many shares a miner is known: what looks odd is more likely chance, or a pause. */
const KNOWN_SHARES = 8;
/** Nearly 5 σ, as twice a log likelihood ratio: it is asked every second, all day. */
const SIGNIFICANT_KNOWN = 24;
const SIGNIFICANT_NEW = 16;
/** So many expected shares in a row that did not come are a silence. */
const SILENT_KNOWN = 12;
const SILENT_NEW = 9;
/** What its difficulty is divided by after one; `SEEN` had shares, but is not known yet. */
const STEP_KNOWN = 4;
const STEP_SEEN = 16;
/** What the difficulty of one that never had a share is raised to. */
const EXPONENT_NEW = 0.3;

export class Vardiff {
  readonly #options: VardiffOptions;
  /** Its own difficulty; what it has may be another. */
  #own: number;
  /** Milliseconds from share to share at the right hash rate, at the difficulty it has. */
  #intervalMs: number;
  #applied: bigint;
  #windowStart: number;
  #lastShareAt: number;
  #shares = 0;
  #sharesEver = 0;

  /** `applied` until it is told otherwise is `start`, brought within the bounds. */
  constructor(options: VardiffOptions, start: bigint, nowMs: number) {
    this.#options = options;
    this.#own = this.#bounded(Number(start));
    this.#applied = this.difficulty;
    this.#intervalMs = options.shareSeconds * 1000;
    this.#windowStart = nowMs;
    this.#lastShareAt = nowMs;
  }

  /** What is right for it, within the bounds; expected hashes behind a share. */
  get difficulty(): bigint {
    const { minDifficulty, maxDifficulty } = this.#options;
    const exact = BigInt(Math.round(this.#own));
    // Once more as whole numbers: a double rounds bounds above 2^53.
    return exact < minDifficulty ? minDifficulty : exact > maxDifficulty ? maxDifficulty : exact;
  }

  /** It has jobs of this difficulty from now on. Measuring starts anew if that is a change. */
  applied(difficulty: bigint, nowMs: number): void {
    if (difficulty === this.#applied) return;
    this.#applied = difficulty;
    this.#restart(nowMs);
  }

  /** The miner's own word; as good as a start. */
  suggest(difficulty: bigint, nowMs: number): void {
    this.#own = this.#bounded(Number(difficulty));
    this.#restart(nowMs);
  }

  /**
   * A valid share for a job of `difficulty` was read. True if its own difficulty changed. One of
   * another difficulty than the present is on its way since before, and no measure of it.
   */
  share(difficulty: bigint, nowMs: number): boolean {
    this.#sharesEver++;
    this.#lastShareAt = Math.max(this.#lastShareAt, nowMs);
    if (difficulty !== this.#applied) return false;
    this.#shares++;
    if (this.#shares < ENOUGH) return false;
    if (nowMs - this.#windowStart < MIN_ELAPSED_MS && this.#shares < FLOOD) return false;
    const expected = this.#expected(nowMs);
    if (this.#shares > expected * BAND && this.#likelihood(expected) >= SIGNIFICANT_KNOWN) {
      return this.#change(this.#measured(nowMs), nowMs);
    }
    if (this.#shares >= WINDOW) this.#restart(nowMs);
    return false;
  }

  /** For `ms` until now it could not be heard, which says nothing about it. */
  skip(ms: number, nowMs: number): void {
    this.#windowStart = Math.min(nowMs, this.#windowStart + ms);
    this.#lastShareAt = Math.min(nowMs, this.#lastShareAt + ms);
  }

  /** To be called now and then. True if its own difficulty changed. */
  tick(nowMs: number): boolean {
    const isKnown = this.#sharesEver >= KNOWN_SHARES;
    const silentMs = nowMs - Math.max(this.#lastShareAt, this.#windowStart);
    if (silentMs >= this.#intervalMs * (isKnown ? SILENT_KNOWN : SILENT_NEW)) {
      // However long it was, say on a machine that slept, it is one step.
      const lower = isKnown
        ? this.#own / STEP_KNOWN
        : this.#sharesEver > 0
          ? this.#own / STEP_SEEN
          : this.#own ** EXPONENT_NEW;
      return this.#change(lower, nowMs);
    }
    const expected = this.#expected(nowMs);
    if (this.#shares > 0 && this.#shares * BAND < expected) {
      const significant = isKnown ? SIGNIFICANT_KNOWN : SIGNIFICANT_NEW;
      if (this.#likelihood(expected) >= significant) {
        return this.#change(this.#measured(nowMs), nowMs);
      }
    }
    if (expected >= WINDOW) this.#restart(nowMs);
    return false;
  }

  /** Shares that should have come since measuring began. */
  #expected(nowMs: number): number {
    return Math.max(nowMs - this.#windowStart, MIN_ELAPSED_MS) / this.#intervalMs;
  }

  /** Twice the logarithm of how much likelier the rate that was seen is than the right one. */
  #likelihood(expected: number): number {
    const n = this.#shares;
    return 2 * (n * Math.log(n / expected) - (n - expected));
  }

  #measured(nowMs: number): number {
    return (this.#own * this.#shares) / this.#expected(nowMs);
  }

  #change(difficulty: number, nowMs: number): boolean {
    const before = this.difficulty;
    this.#own = this.#bounded(difficulty);
    this.#restart(nowMs);
    return this.difficulty !== before;
  }

  #restart(nowMs: number): void {
    this.#windowStart = nowMs;
    this.#shares = 0;
    const held = Number(this.#applied) / this.#own;
    this.#intervalMs = this.#options.shareSeconds * 1000 * held;
  }

  #bounded(difficulty: number): number {
    const { minDifficulty, maxDifficulty } = this.#options;
    return Math.min(Math.max(difficulty, Number(minDifficulty), 1), Number(maxDifficulty));
  }
}
