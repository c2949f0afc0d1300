/**
 * The little that a log needs of a file system, so that tests can hand in one that fails, writes less
 * than it was asked to, or loses what was not synced.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { syncDirectory } from '../../src/util/whole-file.ts';

/** All methods reject with the system's error (`code`: 'ENOSPC', 'EIO' …). */
export interface LogFile {
  size(): Promise<number>;
  /** Fills `bytes` from `position` on; how many were there to read. */
  read(bytes: Uint8Array, position: number): Promise<number>;
  /** How many of `bytes` were written: it may be fewer than all. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(size: number): Promise<void>;
  /** When it resolves, content and size outlive a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface LogFiles {
  /** With its parents, for the owner alone, if it is not there. */
  makeDirectory(path: string): Promise<void>;
  /** Names, in no order. */
  list(directory: string): Promise<readonly string[]>;
  /** `create` empties what is there. Files are their owner's alone. */
  open(path: string, mode: 'read' | 'update' | 'create'): Promise<LogFile>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens if it is not there. */
  remove(path: string): Promise<void>;
  /** When it resolves, names in the directory outlive a power cut. */
  syncDirectory(path: string): Promise<void>;
}

const FLAGS = { read: 'r', update: 'r+', create: 'w+' } as const;

export const systemFiles: LogFiles = {
  makeDirectory: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  list: (directory) => readdir(directory),
  open: async (path, mode) => {
    const file = await open(path, FLAGS[mode], 0o600);
    return {
      size: async () => (await file.stat()).size,
      read: async (bytes, position) => {
        let count = 0;
        while (count < bytes.length) {
          const part = await file.read(bytes, count, bytes.length - count, position + count);
          if (part.bytesRead === 0) break;
          count += part.bytesRead;
        }
        return count;
      },
      write: async (bytes, position) =>
        (await file.write(bytes, 0, bytes.length, position)).bytesWritten,
      truncate: (size) => file.truncate(size),
      sync: () => file.datasync(),
      close: () => file.close(),
    };
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory,
};
