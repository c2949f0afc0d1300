/** What people should hear of a board, for a listener that may come late. */

/** Kept for that one; more would only grow where nobody ever comes. */
const KEPT = 20;

export class Notices {
  readonly #kept: string[] = [];
  #listener: ((text: string) => void) | undefined;

  /** Hears the newest ones so far, and each from now on. */
  onNotice(listener: (text: string) => void): void {
    this.#listener = listener;
    for (const text of this.#kept.splice(0)) listener(text);
  }

  add(text: string): void {
    if (this.#listener !== undefined) {
      this.#listener(text);
      return;
    }
    this.#kept.push(text);
    if (this.#kept.length > KEPT) this.#kept.shift();
  }
}
