/**
 * Reading a log from its files, also while another process writes to it. Such a reader may see a group
 * that is not synced yet, or that is taken back because it could not be.
 */
import { join } from 'node:path';
import { errorText } from '../../src/util/errors.ts';
import { type LogFile, type LogFiles, systemFiles } from './log-files.ts';
import {
  ioError,
  type LogRecord,
  readHead,
  SegmentReader,
  segmentName,
  segmentNumbers,
} from './segment.ts';
import { ShareLogError } from './share-log-error.ts';

export interface ReadOptions {
  /** What the log must hold: another kind is refused. */
  readonly kind: string;
  /** Any, if none is given. */
  readonly network?: string;
  /** Number of the first segment that is read. */
  readonly fromSegment?: number;
  /** Number of the last. */
  readonly toSegment?: number;
}

/** Records that stand one behind the other, at least one. */
export interface RecordBatch {
  /** Path of the segment they stand in. */
  readonly file: string;
  readonly records: readonly LogRecord[];
}

/**
 * Every whole record, in order, up to a torn tail, in batches as they are read. Throws `ShareLogError`:
 * 'damaged' at the first record that is not as it was written, 'io' if there is no such directory.
 */
export async function* readRecords(
  directory: string,
  options: ReadOptions,
  files: LogFiles = systemFiles,
): AsyncGenerator<RecordBatch> {
  const { fromSegment = 0, toSegment = Number.POSITIVE_INFINITY } = options;
  const first = (await storedSegments(directory, files)).find((number) => number >= fromSegment);
  if (first === undefined) return;
  let segment: OpenSegment | undefined = await openSegment(files, directory, first, options);
  try {
    while (segment !== undefined && segment.number <= toSegment) {
      let next: OpenSegment | undefined = await segmentAfter(files, directory, segment, options);
      try {
        yield* whatIsWhole(segment, next?.previousBytes);
        // It may have been made while we were reading.
        next ??= await segmentAfter(files, directory, segment, options);
        if (next === undefined) yield* restOfLast(segment);
        else yield* restOf(segment, next);
      } finally {
        await segment.file.close();
        segment = next;
      }
    }
  } finally {
    await segment?.file.close();
  }
}

/** Numbers of the segments that are there, in order. Throws `ShareLogError`. */
export async function storedSegments(
  directory: string,
  files: LogFiles = systemFiles,
): Promise<readonly number[]> {
  try {
    return segmentNumbers(directory, await files.list(directory));
  } catch (error) {
    throw ioError(directory, error);
  }
}

/** Throws `ShareLogError` 'damaged' for a record that is whole and yet is not what it should be. */
export function decodeRecord<T>(
  file: string,
  { payload, offset }: LogRecord,
  decode: (payload: Uint8Array) => T,
): T {
  try {
    return decode(payload);
  } catch (cause) {
    const problem = errorText(cause);
    throw new ShareLogError({ code: 'damaged', file, offset, problem }, { cause });
  }
}

interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly file: LogFile;
  readonly reader: SegmentReader;
  readonly firstSequence: number;
  readonly previousBytes: number;
}

async function openSegment(
  files: LogFiles,
  directory: string,
  number: number,
  options: ReadOptions,
): Promise<OpenSegment> {
  const path = join(directory, segmentName(number));
  let file: LogFile | undefined;
  try {
    file = await files.open(path, 'read');
    const { head, bytes } = await readHead(file, path);
    const { kind, network = head.network } = options;
    if (head.kind !== kind || head.network !== network || head.number !== number) {
      const expected = `${kind} of ${network}, segment ${number}`;
      const got = `${head.kind} of ${head.network}, segment ${head.number}`;
      throw new ShareLogError({ code: 'other-log', file: path, expected, got });
    }
    const reader = new SegmentReader(file, bytes, head.firstSequence);
    const { firstSequence, previousBytes } = head;
    return { number, path, file, reader, firstSequence, previousBytes };
  } catch (error) {
    await file?.close();
    throw ioError(directory, error);
  }
}

/** The next segment if it is there by now: then the one before is written no more. */
async function segmentAfter(
  files: LogFiles,
  directory: string,
  { number }: OpenSegment,
  options: ReadOptions,
): Promise<OpenSegment | undefined> {
  const numbers = await storedSegments(directory, files);
  if (!numbers.includes(number + 1)) return undefined;
  return openSegment(files, directory, number + 1, options);
}

async function* whatIsWhole(
  { reader, path }: OpenSegment,
  limit?: number,
): AsyncGenerator<RecordBatch> {
  for (;;) {
    const records = await reader.next(limit);
    if (records.length === 0) return;
    yield { file: path, records };
  }
}

async function* restOfLast(segment: OpenSegment): AsyncGenerator<RecordBatch> {
  const { reader, path } = segment;
  for (;;) {
    const problem = await reader.damage();
    if (problem === undefined) return;
    // Unless it was written while we were looking at what comes after it.
    const before = reader.position;
    yield* whatIsWhole(segment);
    if (reader.position > before) continue;
    throw new ShareLogError({ code: 'damaged', file: path, offset: before, problem });
  }
}

/** Up to where the next segment's head says that this one ends. */
async function* restOf(segment: OpenSegment, next: OpenSegment): AsyncGenerator<RecordBatch> {
  const { reader, path } = segment;
  yield* whatIsWhole(segment, next.previousBytes);
  // Beyond: we have read a group that was taken back since.
  if (reader.position > next.previousBytes) return;
  if (reader.position === next.previousBytes && reader.sequence === next.firstSequence) return;
  const expected = `record ${next.firstSequence} to begin ${next.path}, and this file to end at byte ${next.previousBytes}`;
  const problem = `expected ${expected}, got record ${reader.sequence}`;
  throw new ShareLogError({ code: 'damaged', file: path, offset: reader.position, problem });
}
