/** The key/value store in memory: for tests, and to recompute a chain without touching a disk. */
import {
  type Change,
  checkKey,
  type Entry,
  type KeyRange,
  type KeyValueStore,
  keyBytes,
  keyText,
} from './kv.ts';

export class MemoryKv implements KeyValueStore {
  readonly directory = '(memory)';
  readonly readOnly = false;
  readonly #values = new Map<string, Uint8Array>();
  /** Every key in order; `undefined` once the set of keys has changed. */
  #sorted: string[] | undefined;
  #closed = false;

  get(key: Uint8Array): Uint8Array | undefined {
    checkKey(key);
    this.#checkOpen();
    return this.#values.get(keyText(key));
  }

  *range({ from, to, reverse = false, limit = Infinity }: KeyRange): Generator<Entry> {
    checkKey(from);
    checkKey(to);
    this.#checkOpen();
    this.#sorted ??= [...this.#values.keys()].sort();
    const first = firstNotBelow(this.#sorted, keyText(from));
    const end = firstNotBelow(this.#sorted, keyText(to));
    const length = Math.max(0, Math.min(end - first, limit));
    const texts = this.#sorted.slice(
      reverse ? end - length : first,
      reverse ? end : first + length,
    );
    // Taken now: a write during the iteration must not show.
    const values = texts.map((text) => this.#values.get(text)!);
    for (let i = 0; i < length; i++) {
      const at = reverse ? length - 1 - i : i;
      yield [keyBytes(texts[at]!), values[at]!];
    }
  }

  write(changes: Iterable<Change>): void {
    this.#checkOpen();
    const list = [...changes];
    for (const { key } of list) checkKey(key);
    for (const { key, value } of list) {
      const text = keyText(key);
      const known = this.#values.has(text);
      if (value === undefined) this.#values.delete(text);
      else this.#values.set(text, value.slice());
      if (known !== (value !== undefined)) this.#sorted = undefined;
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the store is closed');
  }
}

/** Index of the first element that is not below `key`. */
function firstNotBelow(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
