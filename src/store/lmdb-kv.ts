/**
 * The key/value store on disk: LMDB, one tree that is mapped into memory. A write goes to free pages
 * and becomes valid with one last page, so a crash at any moment leaves the state before or after it.
 *
 * What the package does by default and we must not have: return before the data are on disk
 * (`overlappingSync`), take a directory whose name has a dot for a file, encode keys and values.
 */
import { mkdirSync, statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import { DirectoryLock, LockError } from '../util/directory-lock.ts';
import { errorText } from '../util/errors.ts';
import { type Change, checkKey, type Entry, type KeyRange, type KeyValueStore } from './kv.ts';
import { DATA_FILE, prepareForReading, prepareForWriting } from './lmdb-files.ts';
import { ReservedFile } from './reserved-file.ts';
import { StoreError } from './store-error.ts';

/**
 * Address space that is mapped from the start; memory and disk are taken only as they are used. LMDB
 * maps the file again, twice as large, when it outgrows this, and keeps the old mapping until closed.
 */
const MAP_BYTES = 2 ** 36;

/** Writes between two looks for readers whose process was killed: they keep free pages from use. */
const READER_CHECK_WRITES = 256;

/** Pages of a write besides those that its size explains: the free list, and rounding. */
const SPARE_PAGES = 256;

/** A disk with less room than this is full. */
const FULL_BYTES = 1 << 20;

export interface LmdbKvOptions {
  /**
   * Opens an existing database beside whoever writes to it, as it is now: later changes do not show,
   * and pages they free are not used again until this is closed.
   */
  readonly readOnly?: boolean;
}

export class LmdbKv implements KeyValueStore {
  readonly directory: string;
  readonly readOnly: boolean;
  readonly #database: RootDatabase<Uint8Array, Uint8Array>;
  /** What a reader reads from, over and over; a writer always reads the latest. */
  readonly #snapshot: { readonly transaction: Transaction } | undefined;
  readonly #lock: DirectoryLock | undefined;
  readonly #file: ReservedFile | undefined;
  #writes = 0;
  #closed: Promise<void> | undefined;

  /**
   * Opens the database in `directory`, making both where there are none. Throws `StoreError`: a
   * second writer gets 'locked', a reader without a database 'empty'.
   */
  static open(directory: string, options: LmdbKvOptions = {}): LmdbKv {
    return translated(directory, () => {
      if (options.readOnly ?? false) return LmdbKv.#openReader(directory);
      return LmdbKv.#openWriter(directory);
    });
  }

  static #openReader(directory: string): LmdbKv {
    if (!prepareForReading(directory)) throw new StoreError({ code: 'empty', directory });
    return new LmdbKv(directory, undefined);
  }

  static #openWriter(directory: string): LmdbKv {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = DirectoryLock.acquire(directory);
    try {
      prepareForWriting(directory);
      return new LmdbKv(directory, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(directory: string, lock: DirectoryLock | undefined) {
    this.directory = directory;
    this.readOnly = lock === undefined;
    this.#lock = lock;
    this.#database = open<Uint8Array, Uint8Array>({
      path: directory,
      noSubdir: false,
      readOnly: this.readOnly,
      keyEncoding: 'binary',
      encoding: 'binary',
      overlappingSync: false,
      maxDbs: 1,
      mapSize: MAP_BYTES,
    });
    if (this.readOnly) this.#snapshot = { transaction: this.#database.useReadTransaction() };
    else this.#file = new ReservedFile(join(directory, DATA_FILE));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    checkKey(key);
    this.#checkOpen();
    const value = translated(this.directory, () => this.#database.get(key, this.#snapshot));
    return value === undefined ? undefined : plain(value);
  }

  *range({ from, to, reverse = false, limit = Infinity }: KeyRange): Generator<Entry> {
    checkKey(from);
    checkKey(to);
    this.#checkOpen();
    if (limit < 1) return;
    const ends = reverse
      ? { start: to, end: from, reverse, exclusiveStart: true, inclusiveEnd: true }
      : { start: from, end: to };
    try {
      const entries = this.#database.getRange({ ...ends, limit, ...this.#snapshot });
      for (const { key, value } of entries) yield [plain(key), plain(value)];
    } catch (cause) {
      throw storeError(this.directory, cause);
    }
  }

  write(changes: Iterable<Change>): void {
    this.#checkOpen();
    if (this.readOnly) throw new Error(`${this.directory} was opened for reading only`);
    const list = [...changes];
    for (const { key } of list) checkKey(key);
    translated(this.directory, () => {
      this.#file?.reserve(this.#bytesAfter(list));
      this.#database.transactionSync(() => {
        for (const { key, value } of list) {
          if (value === undefined) void this.#database.remove(key);
          else void this.#database.put(key, value);
        }
      });
    });
    if (++this.#writes % READER_CHECK_WRITES === 0) this.#database.readerCheck();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#snapshot?.transaction.done();
    this.#file?.close();
    await this.#database.close();
    this.#lock?.release();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new Error(`${this.directory} is closed`);
  }

  /** Length of the file, at most, after these changes, if no free page is used again. */
  #bytesAfter(changes: readonly Change[]): number {
    const stats = this.#stats();
    const { pageSize } = stats;
    let small = 0;
    let pages = SPARE_PAGES;
    for (const { key, value } of changes) {
      const bytes = key.length + (value?.length ?? 0) + 32;
      // A leaf holds at least two entries; a value that is too long for that has pages of its own.
      if (bytes > pageSize / 2) pages += Math.ceil(bytes / pageSize);
      else small += bytes;
    }
    // Every page on a changed path is written anew, and pages that are split end up half full.
    pages += Math.min(changes.length, stats.treeLeafPageCount);
    pages += Math.min(changes.length * stats.treeDepth, stats.treeBranchPageCount);
    pages += Math.ceil((3 * small) / pageSize);
    return (stats.lastPageNumber + 1 + Math.ceil(pages * 1.1)) * pageSize;
  }

  #stats(): LmdbStats {
    return this.#database.getStats() as LmdbStats;
  }
}

interface LmdbStats {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly treeDepth: number;
  readonly treeLeafPageCount: number;
  readonly treeBranchPageCount: number;
}

/** Without the `Buffer`, which is equal to no `Uint8Array` for those who compare types as well. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** LMDB's codes for a file that is not, or no longer, a database: from its header file. */
const DAMAGED: ReadonlySet<unknown> = new Set([
  -30797, // a page that is referred to is not there
  -30796, // a page of the wrong type
  -30794, // another version of the file format
  -30793, // no LMDB file
  -30784, // flags that do not fit
  -30779, // an unexpected problem
]);

/** What the system (as a name or a number) and LMDB say when there is no room. */
const NO_SPACE: ReadonlySet<unknown> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  constants.errno.ENOSPC,
  constants.errno.EDQUOT,
  constants.errno.EFBIG,
  -30792, // the map is full and cannot grow
]);

function translated<T>(directory: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    if (cause instanceof LockError) throw new StoreError(cause.detail, { cause });
    throw storeError(directory, cause);
  }
}

function storeError(directory: string, cause: unknown): StoreError {
  const { code } = cause as { code?: unknown };
  // What LMDB says when only a part of a page could be written.
  const cutShort = code === constants.errno.EIO && isFull(directory);
  if (NO_SPACE.has(code) || cutShort)
    return new StoreError({ code: 'no-space', directory }, { cause });
  const problem = errorText(cause);
  if (DAMAGED.has(code)) {
    return new StoreError({ code: 'damaged', directory, key: DATA_FILE, problem }, { cause });
  }
  return new StoreError({ code: 'io', directory, problem }, { cause });
}

function isFull(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < FULL_BYTES;
}
