/**
 * Changes that wait in memory for one write: reads see them at once, the store gets them as a whole
 * with `flush`, a crash before it loses all of them and no part.
 */
import { type Entry, type KeyRange, type KeyValueStore, keyBytes, keyText } from './kv.ts';

/** Of each change, besides its key and value: the map's entry, the objects, their list at the flush. */
export const CHANGE_BYTES = 200;

export class WriteBuffer {
  readonly #kv: KeyValueStore;
  /** By the text of the key; `undefined` deletes it. */
  #changes = new Map<string, Uint8Array | undefined>();
  #bytes = 0;

  constructor(kv: KeyValueStore) {
    this.#kv = kv;
  }

  /** About the memory that the waiting keys and values take: most of it is not their bytes. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const text = keyText(key);
    const change = this.#changes.get(text);
    if (change !== undefined) return change;
    return this.#changes.has(text) ? undefined : this.#kv.get(key);
  }

  /** `value` must not be changed afterwards; `undefined` deletes the key. */
  set(key: Uint8Array, value: Uint8Array | undefined): void {
    const text = keyText(key);
    const old = this.#changes.get(text);
    if (old === undefined && !this.#changes.has(text)) this.#bytes += text.length + CHANGE_BYTES;
    this.#bytes += (value?.length ?? 0) - (old?.length ?? 0);
    this.#changes.set(text, value);
  }

  /** Entries in order, forwards, with what waits. Nothing may be set meanwhile. */
  *range({ from, to }: Pick<KeyRange, 'from' | 'to'>): Generator<Entry> {
    const [low, high] = [keyText(from), keyText(to)];
    const waiting = [...this.#changes.keys()].filter((key) => key >= low && key < high).sort();
    let next = 0;
    for (const entry of this.#kv.range({ from, to })) {
      const text = keyText(entry[0]);
      for (; next < waiting.length && waiting[next]! < text; next++) {
        yield* this.#waitingEntry(waiting[next]!);
      }
      if (waiting[next] === text) yield* this.#waitingEntry(waiting[next++]!);
      else yield entry;
    }
    for (; next < waiting.length; next++) yield* this.#waitingEntry(waiting[next]!);
  }

  /** Writes everything that waits. If it throws, everything still waits and may be written later. */
  flush(): void {
    if (this.#changes.size === 0) return;
    // In order: neighbours share pages of the database, which are then touched once.
    const keys = [...this.#changes.keys()].sort();
    const changes = this.#changes;
    this.#kv.write(keys.map((text) => ({ key: keyBytes(text), value: changes.get(text) })));
    this.discard();
  }

  /** Forgets everything that waits. */
  discard(): void {
    this.#changes = new Map();
    this.#bytes = 0;
  }

  *#waitingEntry(text: string): Generator<Entry> {
    const value = this.#changes.get(text);
    if (value !== undefined) yield [keyBytes(text), value];
  }
}
