/**
 * What a share log adds up to, read from its files, also beside the pool that writes it. Every record
 * is checked. That no id occurs twice is checked exactly, in bounded memory: as long as they fit, all
 * ids are held; where there are more, the log is read again for each slice of the space of ids, so
 * thin that the ids in it fit. Ids are hashes, so slices fill evenly.
 */
import { bytesToHex } from '../../src/util/bytes.ts';
import { type LogFiles, systemFiles } from './log-files.ts';
import { decodeRecord, readRecords } from './read-records.ts';
import type { ShareRecord } from './records.ts';
import { decodeShare, idKey, shareKey } from './share-codec.ts';
import { SHARE_LOG_KIND } from './share-log.ts';

/** Some 90 bytes of memory each. */
const MAX_IDS_HELD = 1_000_000;
const ID_SPACE = 2 ** 32;

export interface SummaryOptions {
  /** Milliseconds since 1970: only shares of then and later are added up. */
  readonly from?: number;
  /** Only shares before this. */
  readonly until?: number;
  /** Refuses the log of another network. */
  readonly network?: string;
  /** How many ids are held in memory at once. Default 1,000,000. */
  readonly maxIdsHeld?: number;
}

export interface ShareTotals {
  readonly shares: number;
  /** Sum of the difficulties: expected hashes. */
  readonly difficulty: bigint;
  readonly late: number;
  /** Taken at the miner's word. */
  readonly unverified: number;
  /** That met the block's target too. */
  readonly blocks: number;
  /** Milliseconds since 1970; `undefined` if there is no share. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

export interface WorkerTotals extends ShareTotals {
  readonly account: string;
  readonly worker: string;
}

export interface ShareSummary {
  /** Of the shares between `from` and `until`. */
  readonly total: ShareTotals;
  /** The same for each worker, by account and name. */
  readonly workers: readonly WorkerTotals[];
  /** Records in the whole log: all were read, and are as they were written. */
  readonly records: number;
  /** Shares of the whole log whose id an earlier one has. */
  readonly duplicates: number;
  /** As hex. */
  readonly firstDuplicate?: string;
}

/**
 * Adds up the log in `directory`. Rejects `ShareLogError`: 'damaged' names the record that is not as it
 * was written, 'io' if there is no log.
 */
export async function summariseShares(
  directory: string,
  options: SummaryOptions = {},
  files: LogFiles = systemFiles,
): Promise<ShareSummary> {
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = options;
  const { network, maxIdsHeld = MAX_IDS_HELD } = options;
  const log = { kind: SHARE_LOG_KIND, ...(network === undefined ? {} : { network }) };
  const total = new Totals();
  const workers = new Map<string, Map<string, Totals>>();
  const found = new Duplicates();
  const held = new Set<string>();
  let count = 0;
  let lastSequence = 0;
  for await (const { file, records } of readRecords(directory, log, files)) {
    for (const record of records) {
      const share = decodeRecord(file, record, decodeShare);
      count++;
      lastSequence = record.sequence;
      if (count <= maxIdsHeld) found.check(held, share.id);
      if (share.timeMs < from || share.timeMs >= until) continue;
      total.add(share);
      totalsOf(workers, share).add(share);
    }
  }
  if (count > maxIdsHeld) {
    found.clear();
    const slices = Math.ceil((count / maxIdsHeld) * 1.1);
    for (let slice = 0; slice < slices; slice++) {
      held.clear();
      for await (const { file, records } of readRecords(directory, log, files)) {
        for (const record of records) {
          // What the pool has written since the first reading is not looked at.
          if (record.sequence > lastSequence) continue;
          const { id } = decodeRecord(file, record, shareKey);
          if (sliceOf(id, slices) === slice) found.check(held, id);
        }
      }
    }
  }
  const first = found.first;
  return {
    total: total.done(),
    workers: sorted(workers),
    records: count,
    duplicates: found.count,
    ...(first === undefined ? {} : { firstDuplicate: first }),
  };
}

class Duplicates {
  count = 0;
  first: string | undefined;

  check(held: Set<string>, id: Uint8Array): void {
    const key = idKey(id);
    if (!held.has(key)) held.add(key);
    else {
      this.count++;
      this.first ??= bytesToHex(id);
    }
  }

  clear(): void {
    this.count = 0;
    this.first = undefined;
  }
}

class Totals {
  #shares = 0;
  #difficulty = 0n;
  #late = 0;
  #unverified = 0;
  #blocks = 0;
  #firstMs: number | undefined;
  #lastMs: number | undefined;

  add(share: ShareRecord): void {
    this.#shares++;
    this.#difficulty += share.difficulty;
    if (share.isLate) this.#late++;
    if (!share.isVerified) this.#unverified++;
    if (share.isBlock) this.#blocks++;
    // Records stand in the order they were written in, which is not quite that of their times.
    this.#firstMs = Math.min(this.#firstMs ?? share.timeMs, share.timeMs);
    this.#lastMs = Math.max(this.#lastMs ?? share.timeMs, share.timeMs);
  }

  done(): ShareTotals {
    return {
      shares: this.#shares,
      difficulty: this.#difficulty,
      late: this.#late,
      unverified: this.#unverified,
      blocks: this.#blocks,
      firstMs: this.#firstMs,
      lastMs: this.#lastMs,
    };
  }
}

function totalsOf(workers: Map<string, Map<string, Totals>>, share: ShareRecord): Totals {
  let account = workers.get(share.account);
  if (account === undefined) {
    account = new Map();
    workers.set(share.account, account);
  }
  let totals = account.get(share.worker);
  if (totals === undefined) {
    totals = new Totals();
    account.set(share.worker, totals);
  }
  return totals;
}

function sorted(workers: ReadonlyMap<string, ReadonlyMap<string, Totals>>): WorkerTotals[] {
  const byName = <T>([a]: readonly [string, T], [b]: readonly [string, T]): number =>
    a < b ? -1 : a > b ? 1 : 0;
  return [...workers]
    .sort(byName)
    .flatMap(([account, each]) =>
      [...each].sort(byName).map(([worker, totals]) => ({ account, worker, ...totals.done() })),
    );
}

/** Which of `slices` equal parts of the space of ids this one lies in. */
function sliceOf(id: Uint8Array, slices: number): number {
  const head = new DataView(id.buffer, id.byteOffset, id.length).getUint32(0);
  return Math.floor((head / ID_SPACE) * slices);
}
