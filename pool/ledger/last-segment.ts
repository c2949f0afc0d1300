/**
 * The segment that a log goes on in, when it is opened and when one is full. What a process finds in a
 * file may be known to the system alone, if the one before it ended between a write and its sync: it is
 * synced before anything is built on it, or a power cut could take it away from under what is
 * acknowledged later.
 */
import { basename, join } from 'node:path';
import type { Logger } from '../../src/util/log.ts';
import type { LogFile, LogFiles } from './log-files.ts';
import { encodeHead, readHead, SegmentReader, segmentName, segmentNumbers } from './segment.ts';
import { ShareLogError } from './share-log-error.ts';

const COPY_BYTES = 1 << 20;

/** Which log it is. */
interface LogName {
  readonly directory: string;
  readonly kind: string;
  readonly network: string;
}

/** The segment that is written to. */
export interface Segment {
  readonly number: number;
  readonly file: LogFile;
  /** End of the last record that was synced. */
  readonly bytes: number;
  /** Sequence number of the next record. */
  readonly sequence: number;
}

interface OpenParts {
  readonly files: LogFiles;
  readonly log: Logger;
}

/** Checks what is there and returns the end of it, in a new segment if there is none. All is on disk. */
export async function openLast(options: LogName, parts: OpenParts): Promise<Segment> {
  const { directory } = options;
  const { files } = parts;
  const names = await files.list(directory);
  // A segment gets its name when its head is on disk: others never held a record.
  for (const name of names)
    if (name.endsWith('.log.new')) await files.remove(join(directory, name));
  const numbers = segmentNumbers(directory, names);
  const last = numbers.at(-1);
  if (last === undefined) {
    return createSegment(files, options, { number: 1, sequence: 1, previousBytes: 0 });
  }
  const end = await checkHeads(files, options, numbers);
  const path = join(directory, segmentName(last));
  const file = await files.open(path, 'update');
  try {
    const reader = new SegmentReader(file, end.headBytes, end.firstSequence);
    await reader.skipAll();
    const problem = await reader.damage();
    const offset = reader.position;
    if (problem !== undefined) {
      throw new ShareLogError({ code: 'damaged', file: path, offset, problem });
    }
    await cutTail(parts, { directory, path, file, reader });
    await file.sync();
    await files.syncDirectory(directory);
    return { number: last, file, bytes: offset, sequence: reader.sequence };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where the records of the last segment begin, and with which. */
async function checkHeads(
  files: LogFiles,
  options: LogName,
  numbers: readonly number[],
): Promise<{ readonly headBytes: number; readonly firstSequence: number }> {
  let before: { readonly path: string; readonly size: number; readonly first: number } | undefined;
  let end = { headBytes: 0, firstSequence: 0 };
  for (const number of numbers) {
    const path = join(options.directory, segmentName(number));
    const file = await files.open(path, 'read');
    try {
      const { head, bytes } = await readHead(file, path);
      const expected = `${options.kind} of ${options.network}, segment ${number}`;
      const got = `${head.kind} of ${head.network}, segment ${head.number}`;
      if (got !== expected)
        throw new ShareLogError({ code: 'other-log', file: path, expected, got });
      if (before !== undefined && before.size < head.previousBytes) {
        const problem = `expected ${head.previousBytes} bytes, got ${before.size}`;
        const { path: short, size: offset } = before;
        throw new ShareLogError({ code: 'damaged', file: short, offset, problem });
      }
      if (before !== undefined && before.first > head.firstSequence) {
        const problem = `expected to begin after record ${before.first}, got ${head.firstSequence}`;
        throw new ShareLogError({ code: 'damaged', file: path, offset: 0, problem });
      }
      before = { path, size: await file.size(), first: head.firstSequence };
      end = { headBytes: bytes, firstSequence: head.firstSequence };
    } finally {
      await file.close();
    }
  }
  return end;
}

/**
 * Cuts off what a crash left of a group that was never acknowledged. It is kept, in case it is more
 * than that: a last group that was damaged later may look the same.
 */
async function cutTail({ files, log }: OpenParts, tail: Tail): Promise<void> {
  const { directory, path, file, reader } = tail;
  const offset = reader.position;
  const bytes = (await file.size()) - offset;
  if (bytes <= 0) return;
  const kept = path.replace(/\.log$/, `-${offset}.torn`);
  const fields = { file: path, offset, bytes };
  try {
    await copyTail(files, file, { offset, bytes, kept });
    await files.syncDirectory(directory);
    log.warn('torn tail of the log cut off', { ...fields, kept: basename(kept) });
  } catch (error) {
    await files.remove(kept).catch(() => {});
    // A full disk is what tears tails, and no reason not to start: what blocks are found still gets to
    // the nodes, and there may be room soon.
    if (!isDiskFull(error) || !(await reader.isUnfinished())) throw error;
    log.warn('torn tail of the log cut off, and not kept: the disk is full', fields);
  }
  await file.truncate(offset);
}

interface Tail {
  readonly directory: string;
  readonly path: string;
  readonly file: LogFile;
  /** At the end of the last whole record. */
  readonly reader: SegmentReader;
}

async function copyTail(
  files: LogFiles,
  file: LogFile,
  where: { readonly offset: number; readonly bytes: number; readonly kept: string },
): Promise<void> {
  const { offset, bytes, kept } = where;
  const copy = await files.open(kept, 'create');
  try {
    for (let at = 0; at < bytes; ) {
      const part = new Uint8Array(Math.min(COPY_BYTES, bytes - at));
      const count = await file.read(part, offset + at);
      if (count === 0) break;
      await writeFully(copy, part.subarray(0, count), at);
      at += count;
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
}

function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return error.code === 'ENOSPC' || error.code === 'EDQUOT';
}

export async function createSegment(
  files: LogFiles,
  options: LogName,
  start: { readonly number: number; readonly sequence: number; readonly previousBytes: number },
): Promise<Segment> {
  const { directory, kind, network } = options;
  const { number, sequence, previousBytes } = start;
  const head = encodeHead({ number, firstSequence: sequence, previousBytes, kind, network });
  const path = join(directory, segmentName(number));
  const unnamed = `${path}.new`;
  const file = await files.open(unnamed, 'create');
  try {
    await writeFully(file, head, 0);
    await file.sync();
    await files.rename(unnamed, path);
    await files.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => {});
    await files.remove(unnamed).catch(() => {});
    throw error;
  }
  return { number, file, bytes: head.length, sequence };
}

/** All of it; the system may take it in parts. */
export async function writeFully(
  file: LogFile,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const count = await file.write(bytes.subarray(at), position + at);
    if (count === 0) throw new Error(`only ${at} of ${bytes.length} bytes could be written`);
    at += count;
  }
}
