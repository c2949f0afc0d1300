/**
 * Accepted shares, on disk before anybody is told, each once. Ids are known of the shares whose jobs
 * may still be there (`recent-ids.ts`): nobody can be credited again for an older one, as there is no
 * job that it could be sent for.
 */
import { type Clock, systemClock } from '../../src/util/clock.ts';
import type { LogFiles } from './log-files.ts';
import { decodeRecord, readRecords, storedSegments } from './read-records.ts';
import { RecentIds } from './recent-ids.ts';
import { RecordLog, type RecordLogParts } from './record-log.ts';
import type { ShareRecord, ShareSink } from './records.ts';
import { encodeShare, type IdKey, idKey, type ShareKey, shareKey } from './share-codec.ts';

export const SHARE_LOG_KIND = 'shares';
/** A job lives as long as its parent is the tip, or until eight newer ones came: mostly minutes. */
const KEEP_MS = 900_000;
/** A reorganisation makes a job good again whose parent was left, and a client has eight jobs. */
const MAX_HEIGHTS = 8;
/** 100 minutes at 667 shares/s. Some 21 to 43 bytes of memory each. */
const MAX_IDS = 4_000_000;
const ID_PART_BYTES = 16;

export interface ShareLogOptions {
  /** For this log alone. */
  readonly directory: string;
  /** Name of the network. */
  readonly network: string;
  /** Ids are remembered for so long. Default 15 minutes. */
  readonly keepMs?: number;
  /** And longer those of so many heights, those last seen. Default 8. */
  readonly maxHeights?: number;
  /** But no more than so many. Default 4,000,000. */
  readonly maxIds?: number;
  /** Default 32 MiB. */
  readonly segmentBytes?: number;
}

export interface ShareLogParts extends RecordLogParts {
  /** The wall clock, in milliseconds since 1970. Default that of the system. */
  readonly now?: () => number;
}

export class ShareLog implements ShareSink {
  readonly #records: RecordLog;
  readonly #clock: Clock;
  readonly #ids: RecentIds;
  #forgottenIds = 0;
  /** On their way to the disk. */
  readonly #pending = new Map<IdKey, Promise<void>>();

  /** Opens it, or makes it. Reads no more segments than it needs for the ids. Rejects `ShareLogError`. */
  static async open(options: ShareLogOptions, parts: ShareLogParts): Promise<ShareLog> {
    const { directory, network, segmentBytes } = options;
    const records = await RecordLog.open(
      {
        directory,
        network,
        kind: SHARE_LOG_KIND,
        ...(segmentBytes === undefined ? {} : { segmentBytes }),
      },
      parts,
    );
    try {
      const log = new ShareLog(records, options, parts);
      await log.#remember(options, parts);
      return log;
    } catch (error) {
      await records.close();
      throw error;
    }
  }

  private constructor(records: RecordLog, options: ShareLogOptions, parts: ShareLogParts) {
    const { keepMs = KEEP_MS, maxHeights = MAX_HEIGHTS, maxIds = MAX_IDS } = options;
    this.#records = records;
    this.#clock = parts.clock ?? systemClock;
    this.#ids = new RecentIds({
      keepMs,
      maxHeights,
      maxIds,
      onForgotten: (ids) => {
        this.#forgottenIds += ids;
        parts.log.warn('shares forgotten too early', { ids, maxIds });
      },
    });
  }

  /** Why the last share was not kept; `undefined` as soon as one is again. */
  get failing(): string | undefined {
    return this.#records.failing;
  }

  /** How many ids are remembered. */
  get knownIds(): number {
    return this.#ids.size;
  }

  /** How many had to be forgotten although they could be handed in, and counted, again. */
  get forgottenIds(): number {
    return this.#forgottenIds;
  }

  has(id: Uint8Array): boolean {
    return this.#ids.has(id);
  }

  async append(share: ShareRecord): Promise<'written' | 'known'> {
    const key = idKey(share.id);
    if (this.has(share.id)) return 'known';
    const pending = this.#pending.get(key);
    if (pending !== undefined) {
      await pending;
      return 'known';
    }
    const written = this.#write(key, share, encodeShare(share));
    this.#pending.set(key, written);
    await written;
    return 'written';
  }

  /** What was appended before is written first. Idempotent. */
  close(): Promise<void> {
    return this.#records.close();
  }

  async #write(key: IdKey, { id, height }: ShareRecord, payload: Uint8Array): Promise<void> {
    try {
      await this.#records.append(payload);
      this.#ids.add(id, height, this.#clock.now());
    } finally {
      this.#pending.delete(key);
    }
  }

  async #remember(options: ShareLogOptions, parts: ShareLogParts): Promise<void> {
    const { now = Date.now } = parts;
    const nowMs = now();
    const clockMs = this.#clock.now();
    for (const keys of await lastKeys(options, parts.files, nowMs)) {
      for (const { id, height, timeMs } of keys.all()) {
        // None is of the future, but the wall clock may have been set back.
        this.#ids.add(id, height, clockMs - Math.max(0, nowMs - timeMs));
      }
    }
  }
}

/** Of the shares of one read of a file; of their ids as much as is needed. */
class Keys {
  readonly #ids: Uint8Array;
  readonly #numbers: Float64Array;
  #count = 0;

  constructor(count: number) {
    this.#ids = new Uint8Array(ID_PART_BYTES * count);
    this.#numbers = new Float64Array(2 * count);
  }

  add({ id, height, timeMs }: ShareKey): void {
    this.#ids.set(id.subarray(0, ID_PART_BYTES), ID_PART_BYTES * this.#count);
    this.#numbers[2 * this.#count] = height;
    this.#numbers[2 * this.#count + 1] = timeMs;
    this.#count++;
  }

  *all(): Generator<ShareKey> {
    for (let i = 0; i < this.#count; i++) {
      const id = this.#ids.subarray(ID_PART_BYTES * i, ID_PART_BYTES * (i + 1));
      yield { id, height: this.#numbers[2 * i]!, timeMs: this.#numbers[2 * i + 1]! };
    }
  }
}

/**
 * Of all shares that must be remembered, and some more, in their order: from as few segments as have
 * them, which are read from the last one back.
 */
async function lastKeys(
  options: ShareLogOptions,
  files: LogFiles | undefined,
  nowMs: number,
): Promise<readonly Keys[]> {
  const { directory, network } = options;
  const { keepMs = KEEP_MS, maxHeights = MAX_HEIGHTS, maxIds = MAX_IDS } = options;
  const numbers = await storedSegments(directory, files);
  const segments: Keys[][] = [];
  const heights = new Set<number>();
  let count = 0;
  for (const number of numbers.toReversed()) {
    const segment: Keys[] = [];
    let firstMs = Number.POSITIVE_INFINITY;
    const range = { fromSegment: number, toSegment: number };
    const batches = readRecords(directory, { kind: SHARE_LOG_KIND, network, ...range }, files);
    for await (const { file, records } of batches) {
      const keys = new Keys(records.length);
      for (const record of records) {
        const key = decodeRecord(file, record, shareKey);
        keys.add(key);
        heights.add(key.height);
        firstMs = Math.min(firstMs, key.timeMs);
      }
      segment.push(keys);
      count += records.length;
    }
    segments.push(segment);
    // The oldest height may have begun in the segment before: one more than are kept are needed.
    const hasAll = heights.size > maxHeights && firstMs < nowMs - keepMs;
    if (hasAll || count >= maxIds) break;
  }
  return segments.reverse().flat();
}
