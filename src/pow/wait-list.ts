/**
 * What waits at one priority, in the order of arrival: taken from the front, and where there are too
 * many, pushed out from the back.
 */
export class WaitList<T> implements Iterable<T> {
  readonly #items = new Set<T>();
  /** The newest last. What has left is dropped when it is met, or when it is the greater part. */
  #stack: T[] = [];

  add(item: T): void {
    this.#items.add(item);
    this.#stack.push(item);
    if (this.#stack.length > 2 * this.#items.size + 16) this.#stack = [...this.#items];
  }

  /** True if it was there. */
  delete(item: T): boolean {
    const found = this.#items.delete(item);
    if (this.#items.size === 0) this.#stack = [];
    return found;
  }

  newest(): T | undefined {
    for (let last = this.#stack.at(-1); last !== undefined; last = this.#stack.at(-1)) {
      if (this.#items.has(last)) return last;
      this.#stack.pop();
    }
    return undefined;
  }

  clear(): void {
    this.#items.clear();
    this.#stack = [];
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.values();
  }
}
