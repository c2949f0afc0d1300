/**
 * One process at a time may write to a data directory. The lock is the operating system's, so it ends
 * with the process however that ends. Node has no call for it; SQLite does: an exclusive transaction
 * on an empty database that is never written to holds a lock on its file. (Its journal is kept in
 * memory: as a file it would need room on a disk that may be full.)
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CodedError, errorText } from './errors.ts';

/** The file that is locked: always there, always empty. */
const LOCK_FILE = 'lock';
/** Who holds the lock, for the message to those who do not get it. May be stale. */
const OWNER_FILE = 'lock.pid';

/** SQLite's result codes, without the extended part in the upper bits. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** A connection that nobody refers to is closed by the garbage collector, and the lock is gone. */
const held = new Set<DirectoryLock>();

export class DirectoryLock {
  readonly #ownerFile: string;
  #database: DatabaseSync | undefined;

  /** Throws `LockError`: 'locked' if another process, or another part of this one, has it. */
  static acquire(directory: string): DirectoryLock {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 });
      database.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE',
      );
    } catch (cause) {
      database?.close();
      throw lockError(directory, cause);
    }
    return new DirectoryLock(directory, database);
  }

  private constructor(directory: string, database: DatabaseSync) {
    this.#database = database;
    this.#ownerFile = join(directory, OWNER_FILE);
    held.add(this);
    try {
      writeFileSync(this.#ownerFile, `${process.pid}\n`);
    } catch {
      // Only for a message: a full disk shows where it matters.
    }
  }

  /** Idempotent. */
  release(): void {
    if (this.#database === undefined) return;
    rmSync(this.#ownerFile, { force: true });
    this.#database.close();
    this.#database = undefined;
    held.delete(this);
  }
}

export type LockErrorDetail = { readonly directory: string } & (
  | { readonly code: 'locked'; readonly pid: number | undefined }
  | { readonly code: 'io'; readonly problem: string }
);

/**
 * - `locked`: somebody has the directory; who, if that is known.
 * - `io`: there can be no lock there.
 */
export class LockError extends CodedError<LockErrorDetail> {
  constructor(detail: LockErrorDetail, options?: ErrorOptions) {
    super(`${detail.directory}: ${lockMessage(detail)}`, detail, options);
  }
}

function lockMessage(detail: LockErrorDetail): string {
  switch (detail.code) {
    case 'locked':
      return `in use by ${detail.pid === undefined ? 'another process' : `process ${detail.pid}`}`;
    case 'io':
      return detail.problem;
  }
}

function lockError(directory: string, cause: unknown): LockError {
  const code = (cause as { errcode?: number }).errcode ?? 0;
  if ((code & 0xff) === SQLITE_BUSY || (code & 0xff) === SQLITE_LOCKED) {
    return new LockError({ code: 'locked', directory, pid: ownerOf(directory) }, { cause });
  }
  return new LockError(
    { code: 'io', directory, problem: `cannot be locked: ${errorText(cause)}` },
    { cause },
  );
}

function ownerOf(directory: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(directory, OWNER_FILE), 'utf8'), 10);
    return Number.isInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}
