/** How often a board was wrong lately. */

const WINDOW_MS = 600_000;
const TOO_MANY = 3;

export class Mistakes {
  readonly #now: () => number;
  #times: number[] = [];
  #total = 0;
  #isTooMany = false;

  /** `now` gives monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get total(): number {
    return this.#total;
  }

  /** Three within ten minutes, or one that was final, at any time since the start. */
  get isTooMany(): boolean {
    return this.#isTooMany;
  }

  /** `isFinal`: this one alone is too many. */
  add(isFinal: boolean): void {
    const now = this.#now();
    this.#total++;
    this.#times = [...this.#times.filter((time) => now - time < WINDOW_MS), now];
    if (isFinal || this.#times.length >= TOO_MANY) this.#isTooMany = true;
  }
}
