/**
 * A look at LMDB's two files before LMDB gets them. Where its `open` fails it takes the process down
 * with it (lmdb 3.5.6: a segmentation fault), and where the data file is shorter than it says, a read
 * does (a bus error). So whatever can be wrong with the files must be found here.
 *
 * The data file begins with two pages that each hold a description of the database; the one with the
 * higher transaction number counts. Layout of such a page, little-endian: flags (u16 at 18), magic (u32
 * at 24), version of the format (u32 at 28), size of a page (u32 at 48), last page in use (u64 at 144),
 * transaction number (u64 at 152).
 *
 * A lock file that is in use must not even be opened here: the system's locks are a process's, and
 * closing a file drops all that the process holds on it, LMDB's among them. The next process to come
 * would then take the readers of this one for gone, and writers overwrite what they read.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StoreError } from './store-error.ts';

export const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';

/** Room for LMDB's default of 126 readers, and the header. */
const LOCK_FILE_BYTES = 16_384;
/** What a new data file must find room for before LMDB is asked to make it. */
const NEW_FILE_BYTES = 65_536;
/**
 * A file of zeros up to this long is what a crash leaves of making a database: room was taken, and
 * nothing was ever said to be on disk. A longer one has held something.
 */
const MAX_UNUSED_BYTES = 4 << 20;

const META_FLAG = 8;
const MAGIC = 0xbeef_c0de;
const FORMAT_VERSION = 2;
const META_BYTES = 160;

/** Makes sure that LMDB can open the files for writing. Throws `StoreError` or the system's error. */
export function prepareForWriting(directory: string): void {
  fillLockFile(directory);
  const path = join(directory, DATA_FILE);
  withFile(path, constants.O_RDWR | constants.O_CREAT, (fd) => {
    if (isUnused(fd)) reserveNewFile(directory, fd);
    else checkDataFile(directory, fd);
  });
}

/** The same for reading: `false` if there is no database yet. */
export function prepareForReading(directory: string): boolean {
  try {
    // A reader enters itself here, so that no page it needs is used again.
    checkLockFile(directory);
    return withFile(join(directory, DATA_FILE), constants.O_RDONLY, (fd) => {
      if (isUnused(fd)) return false;
      checkDataFile(directory, fd);
      return true;
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** True for a data file in which no database was made yet. */
function isUnused(fd: number): boolean {
  const { size } = fstatSync(fd);
  if (size > MAX_UNUSED_BYTES) return false;
  const part = Buffer.alloc(NEW_FILE_BYTES);
  for (let at = 0; at < size; ) {
    const count = readSync(fd, part, 0, part.length, at);
    if (count === 0) break;
    if (part.subarray(0, count).some((byte) => byte !== 0)) return false;
    at += count;
  }
  return true;
}

function checkDataFile(directory: string, fd: number): void {
  const damaged = (problem: string): StoreError =>
    new StoreError({ code: 'damaged', directory, key: DATA_FILE, problem });
  const first = readMeta(fd, 0);
  const second = first && readMeta(fd, first.pageSize);
  if (first === undefined || second === undefined) throw damaged('not a database of this program');
  const { lastPage } = first.transaction > second.transaction ? first : second;
  const expected = (lastPage + 1n) * BigInt(first.pageSize);
  const { size } = fstatSync(fd);
  if (BigInt(size) < expected) throw damaged(`expected at least ${expected} bytes, got ${size}`);
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

function readMeta(fd: number, position: number): Meta | undefined {
  const view = new DataView(new ArrayBuffer(META_BYTES));
  if (readSync(fd, view, 0, META_BYTES, position) < META_BYTES) return undefined;
  if ((view.getUint16(18, true) & META_FLAG) === 0) return undefined;
  if (view.getUint32(24, true) !== MAGIC) return undefined;
  if (view.getUint32(28, true) !== FORMAT_VERSION) return undefined;
  return {
    pageSize: view.getUint32(48, true),
    lastPage: view.getBigUint64(144, true),
    transaction: view.getBigUint64(152, true),
  };
}

/**
 * LMDB makes this file by setting its length and then writes to it through memory, which on a full
 * disk is a bus error.
 */
function fillLockFile(directory: string): void {
  const path = join(directory, LOCK_FILE);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    checkLockFile(directory);
    return;
  }
  withFile(path, constants.O_RDWR | constants.O_CREAT, (fd) => {
    try {
      writeFileSync(fd, new Uint8Array(LOCK_FILE_BYTES));
    } catch (error) {
      rmSync(path);
      throw error;
    }
  });
}

/** Throws the system's error if LMDB could not open the file, which is not opened for that. */
function checkLockFile(directory: string): void {
  const path = join(directory, LOCK_FILE);
  accessSync(path, constants.R_OK | constants.W_OK);
  if (statSync(path).isFile()) return;
  throw new StoreError({ code: 'io', directory, problem: `${LOCK_FILE} is not a file` });
}

/** Finds out whether there is room, and leaves the file empty: LMDB wants to fill it itself. */
function reserveNewFile(directory: string, fd: number): void {
  ftruncateSync(fd, 0);
  try {
    for (let at = 0; at < NEW_FILE_BYTES; )
      at += writeSync(fd, new Uint8Array(NEW_FILE_BYTES - at));
  } finally {
    ftruncateSync(fd, 0);
  }
  syncDirectory(directory);
  syncDirectory(dirname(directory));
}

/** So that new files are still there after a power failure. Windows has no such call. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  withFile(directory, constants.O_RDONLY, (fd) => fsyncSync(fd));
}

function withFile<T>(path: string, flags: number, action: (fd: number) => T): T {
  const fd = openSync(path, flags, 0o600);
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}
