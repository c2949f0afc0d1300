/**
 * An ordered key/value store: all the node needs of a database. Keys and values are bytes, keys are
 * ordered as unsigned bytes. Reads are synchronous and see everything that was written.
 */

/** The longest key that every implementation takes; the shortest has one byte. */
export const MAX_KEY_BYTES = 511;

/** Both ends are keys, though nothing need be stored there. */
export interface KeyRange {
  /** First key, included. */
  readonly from: Uint8Array;
  /** End of the range, excluded. */
  readonly to: Uint8Array;
  /** From the last key down. */
  readonly reverse?: boolean;
  /** Most entries to give; all of them if left out. */
  readonly limit?: number;
}

export interface Change {
  readonly key: Uint8Array;
  /** `undefined` deletes the key; deleting what is not there is no error. */
  readonly value: Uint8Array | undefined;
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** Every method but `close` throws `StoreError` for what the disk or the operator did. */
export interface KeyValueStore {
  /** The data directory, or another name for messages. */
  readonly directory: string;
  /** Opened for reading beside another process: shows the state at that moment, `write` throws. */
  readonly readOnly: boolean;
  /** The value, which the caller may keep but must not write to. */
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * Entries in order, as they were when the iteration began. Iterate to the end or leave with
   * `break`: one that is left hanging keeps its state of the store from being freed.
   */
  range(range: KeyRange): Iterable<Entry>;
  /**
   * All of the changes or none, the later one winning for a key that stands twice. On return they
   * are on disk. If it throws, the store is as it was before.
   */
  write(changes: Iterable<Change>): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Throws `RangeError` for a key that some implementation could not hold. */
export function checkKey(key: Uint8Array): void {
  if (key.length === 0 || key.length > MAX_KEY_BYTES) {
    throw new RangeError(`"key" expected 1 … ${MAX_KEY_BYTES} bytes, got ${key.length}`);
  }
}

/** The key as a string of one character per byte: for a `Map`, and in the same order. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/** The bytes that `keyText` made this text of. */
export function keyBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
