/** Bytes a second: in all, on average, and lately. */

/** What came this long ago counts for 1/e. */
const WINDOW_MS = 5000;

export class RateMeter {
  readonly #since: number;
  #total = 0;
  /** Bytes of late, each worth less the older it is, as of `#at`. */
  #recent = 0;
  #at: number;

  /** `now`: milliseconds that never go back, here and below. */
  constructor(now: number) {
    this.#since = now;
    this.#at = now;
  }

  get total(): number {
    return this.#total;
  }

  add(bytes: number, now: number): void {
    this.#age(now);
    this.#recent += bytes;
    this.#total += bytes;
  }

  /** Whole bytes a second since the beginning. */
  average(now: number): number {
    const ms = now - this.#since;
    return ms <= 0 ? 0 : Math.round((this.#total * 1000) / ms);
  }

  /** Whole bytes a second over the last seconds. */
  current(now: number): number {
    this.#age(now);
    return Math.round((this.#recent * 1000) / WINDOW_MS);
  }

  #age(now: number): void {
    this.#recent *= Math.exp((this.#at - now) / WINDOW_MS);
    this.#at = now;
  }
}
