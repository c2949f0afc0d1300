/**
 * An append-only log of records in numbered segment files (`segment.ts` has their form). One process
 * writes; others may read beside it (`read-records.ts`). An append is acknowledged when the group it
 * was written in is on disk (`fdatasync`): whatever waits is written at once and synced once, while
 * the next group gathers. Nothing waits for a timer.
 */
import { type Clock, systemClock } from '../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { DirectoryLock, LockError } from '../../src/util/directory-lock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { PoolMeter } from '../meter.ts';
import { createSegment, openLast, type Segment, writeFully } from './last-segment.ts';
import { type LogFiles, systemFiles } from './log-files.ts';
import { encodeGroup, ioError, MAX_PAYLOAD_BYTES } from './segment.ts';
import { ShareLogError } from './share-log-error.ts';

/** A segment that is longer gets no more groups. */
const SEGMENT_BYTES: number = 32 << 20;

export interface RecordLogOptions {
  readonly directory: string;
  /** What is in it: `shares`, `blocks`. A directory of another kind is refused. */
  readonly kind: string;
  /** Name of the network; a directory of another one is refused. */
  readonly network: string;
  /** Default 32 MiB. */
  readonly segmentBytes?: number;
}

export interface RecordLogParts {
  readonly log: Logger;
  readonly meter: Pick<PoolMeter, 'logSynced' | 'logFailed'>;
  readonly clock?: Clock;
  readonly files?: LogFiles;
}

interface Waiting {
  readonly payload: Uint8Array;
  readonly done: Deferred<void>;
}

export class RecordLog {
  readonly directory: string;
  readonly #options: RecordLogOptions;
  readonly #log: Logger;
  readonly #meter: RecordLogParts['meter'];
  readonly #clock: Clock;
  readonly #files: LogFiles;
  readonly #lock: DirectoryLock;
  #segment: Segment;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  /** What must be put right before anything is written again. */
  #repair: 'none' | 'truncate' | 'new-segment' = 'none';
  #failing: string | undefined;
  #closed: Promise<void> | undefined;

  /**
   * Opens the log in `directory`, making both where there are none. What is in it then is on disk. A
   * torn tail is cut off, and kept in a file beside it. Rejects `ShareLogError`.
   */
  static async open(options: RecordLogOptions, parts: RecordLogParts): Promise<RecordLog> {
    const { directory } = options;
    const files = parts.files ?? systemFiles;
    let lock: DirectoryLock | undefined;
    try {
      await files.makeDirectory(directory);
      lock = acquire(directory);
      const segment = await openLast(options, { ...parts, files });
      return new RecordLog(options, { ...parts, files }, lock, segment);
    } catch (error) {
      lock?.release();
      throw ioError(directory, error);
    }
  }

  private constructor(
    options: RecordLogOptions,
    parts: RecordLogParts & { readonly files: LogFiles },
    lock: DirectoryLock,
    segment: Segment,
  ) {
    this.directory = options.directory;
    this.#options = options;
    this.#log = parts.log;
    this.#meter = parts.meter;
    this.#clock = parts.clock ?? systemClock;
    this.#files = parts.files;
    this.#lock = lock;
    this.#segment = segment;
  }

  /** Why the last append was not kept; `undefined` as soon as one is again. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /**
   * Resolves when the payload is on disk. Rejects `ShareLogError` 'not-kept' if it cannot be, or is not
   * known to be. Records stand in the order of the calls. The payload must not change until then.
   */
  append(payload: Uint8Array): Promise<void> {
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) {
      const expected = `1 to ${MAX_PAYLOAD_BYTES} bytes`;
      return Promise.reject(
        new RangeError(`"payload" expected ${expected}, got ${payload.length}`),
      );
    }
    if (this.#closed !== undefined) {
      return Promise.reject(new ShareLogError({ code: 'not-kept', reason: 'the log is closed' }));
    }
    const done = createDeferred<void>();
    this.#waiting.push({ payload, done });
    this.#writing ??= this.#writeAll();
    return done.promise;
  }

  /** What was appended before is written first. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#writing;
    await this.#segment.file.close().catch(() => {});
    this.#lock.release();
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    // What else is appended in this turn goes into the first group.
    await undefined;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      const startMs = this.#clock.now();
      try {
        await this.#writeGroup(group.map(({ payload }) => payload));
      } catch (error) {
        await this.#fail(group, error);
        continue;
      }
      this.#meter.logSynced(group.length, this.#clock.now() - startMs);
      if (this.#failing !== undefined) {
        this.#failing = undefined;
        this.#log.info('log writable again', { directory: this.directory });
      }
      for (const { done } of group) done.resolve();
    }
    this.#writing = undefined;
  }

  async #writeGroup(payloads: readonly Uint8Array[]): Promise<void> {
    await this.#putRight();
    const limit = this.#options.segmentBytes ?? SEGMENT_BYTES;
    if (this.#segment.bytes >= limit) await this.#startSegment();
    const { file, bytes, sequence } = this.#segment;
    const group = encodeGroup(payloads, sequence);
    this.#repair = 'truncate';
    await writeFully(file, group, bytes);
    this.#repair = 'new-segment';
    await file.sync();
    this.#repair = 'none';
    this.#segment = {
      ...this.#segment,
      bytes: bytes + group.length,
      sequence: sequence + payloads.length,
    };
  }

  async #fail(group: readonly Waiting[], cause: unknown): Promise<void> {
    const reason = errorText(cause);
    this.#meter.logFailed();
    if (this.#failing !== reason) {
      this.#failing = reason;
      this.#log.error('log not writable', { directory: this.directory, reason });
    }
    // At once, so that a full disk gets its bytes back; if this fails it is tried again before the next
    // group.
    await this.#putRight().catch(() => {});
    for (const { done } of group) {
      done.reject(new ShareLogError({ code: 'not-kept', reason }, { cause }));
    }
  }

  /**
   * Takes back what a failed group left. It is synced, or what was refused might turn up again behind
   * what is written in its place.
   */
  async #putRight(): Promise<void> {
    if (this.#repair === 'truncate') {
      const { file, bytes } = this.#segment;
      await file.truncate(bytes);
      this.#repair = 'new-segment';
      await file.sync();
      this.#repair = 'none';
    }
    if (this.#repair !== 'new-segment') return;
    // After a failed sync the system may have dropped the pages it could not write and call the file
    // clean: a later sync of it that succeeds proves nothing. So nothing is written to it any more. The
    // next segment's head says where this one ends, whatever becomes of the bytes behind.
    await this.#segment.file.truncate(this.#segment.bytes).catch(() => {});
    await this.#startSegment();
    this.#repair = 'none';
  }

  async #startSegment(): Promise<void> {
    const before = this.#segment;
    this.#segment = await createSegment(this.#files, this.#options, {
      number: before.number + 1,
      sequence: before.sequence,
      previousBytes: before.bytes,
    });
    await before.file.close().catch(() => {});
  }
}

function acquire(directory: string): DirectoryLock {
  try {
    return DirectoryLock.acquire(directory);
  } catch (cause) {
    if (cause instanceof LockError) throw new ShareLogError(cause.detail, { cause });
    throw cause;
  }
}
