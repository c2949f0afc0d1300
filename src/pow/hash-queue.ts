/**
 * A bounded priority queue in front of one `BatchHasher`: what waits is grouped into batches of one
 * seed, and several batches are under way so that the hasher never waits for us.
 *
 * Batches are sized by time, not by count: a hash of high priority waits for what is under way, so
 * that must not take long, on a CPU with one core or on a device with thousands of lanes.
 */
import type { BatchHasher, Seed } from '../tensority/hasher.ts';
import { HasherError } from '../tensority/hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { bytesToHex } from '../util/bytes.ts';
import { type Clock, endsWithin } from '../util/clock.ts';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import { PowError } from './pow-error.ts';
import { WaitList } from './wait-list.ts';

/**
 * - `candidate`: a block that we found ourselves.
 * - `tip`: a block that may become the tip.
 * - `share`: a pool's shares.
 * - `sync`: blocks of the past.
 */
export type PowPriority = 'candidate' | 'tip' | 'share' | 'sync';

/** The most urgent first. */
export const POW_PRIORITIES: readonly PowPriority[] = ['candidate', 'tip', 'share', 'sync'];

export interface HashQueueOptions {
  /** Most hashes that wait, those under way not counted; only candidates go beyond. */
  readonly maxQueued: number;
  /** Batches under way at a time. */
  readonly batches: number;
  /** How long a batch shall take. */
  readonly batchMs: number;
  /** A batch that takes longer is never going to end: the hasher is lost. */
  readonly stallMs: number;
}

export interface HashQueueParts {
  readonly hasher: BatchHasher;
  readonly tables: TableProvider;
  readonly clock: Clock;
}

interface Entry {
  readonly key: string;
  readonly seedKey: string;
  readonly seed: Seed;
  readonly headerHash: Uint8Array;
  /** Place of its priority in `POW_PRIORITIES`. */
  rank: number;
  /** Grows with every entry: the lower, the older. */
  readonly age: number;
  readonly waiters: Set<Deferred<Uint8Array>>;
  /** Once it is under way. */
  batch: Batch | undefined;
}

interface Batch {
  readonly seed: Seed;
  readonly seedKey: string;
  readonly entries: readonly Entry[];
  /** Entries that somebody still waits for; at none it is aborted. */
  wanted: number;
  readonly abort: AbortController;
  /** Rejects when the queue ends: a hasher that hangs heeds no abort. */
  readonly over: Deferred<never>;
}

/**
 * Every so many batches the oldest hash goes first, whatever its priority: a flood of shares slows
 * the past down to this part of the hasher, and does not stop it.
 */
const OLDEST_FIRST_EVERY = 8;
/** Size of the first batch, before anything is known about the hasher. */
const FIRST_BATCH = 16;
/** Loads of one batch's seed before we give up: batches of other seeds may push it out. */
const LOAD_ATTEMPTS = 4;

export class HashQueue {
  readonly #options: HashQueueOptions;
  readonly #parts: HashQueueParts;
  /** What waits, by rank. */
  readonly #waiting: readonly WaitList<Entry>[] = POW_PRIORITIES.map(() => new WaitList<Entry>());
  /** What waits or is under way, by seed and header hash. */
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Set<Batch>();
  /** Seeds that the hasher was given; it may have dropped some of them. */
  readonly #loaded = new Set<string>();
  #queued = 0;
  #age = 0;
  #turn = 0;
  #pumping = false;
  #size: number;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #tableAhead: string | undefined;
  #ended: Error | undefined;

  constructor(options: HashQueueOptions, parts: HashQueueParts) {
    this.#options = options;
    this.#parts = parts;
    this.#size = Math.min(FIRST_BATCH, parts.hasher.maxBatch);
  }

  /** Hashes that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Most hashes that the next batch takes. */
  get batchSize(): number {
    return this.#size;
  }

  /**
   * Tensority of `headerHash` under `seed`. What is asked for twice is hashed once, at the higher
   * priority. Rejects `PowError` 'overloaded', `HasherError` 'lost' if the hasher is of no use any
   * more, the signal's reason, or what the table's builder threw.
   */
  async hash(
    headerHash: Uint8Array,
    seed: Seed,
    priority: PowPriority,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (this.#ended !== undefined) throw this.#ended;
    const entry = this.#join(headerHash, seed, POW_PRIORITIES.indexOf(priority));
    const waiter = createDeferred<Uint8Array>();
    entry.waiters.add(waiter);
    const leave = (): void => this.#leave(entry, waiter, signal?.reason);
    signal?.addEventListener('abort', leave);
    try {
      return await waiter.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Rejects everything with `error`, and whatever is asked for from now on. Idempotent. */
  end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const entry of this.#entries.values()) {
      for (const waiter of entry.waiters) waiter.reject(error);
    }
    this.#entries.clear();
    for (const queue of this.#waiting) queue.clear();
    this.#queued = 0;
    for (const batch of this.#underWay) {
      batch.abort.abort(error);
      batch.over.reject(error);
    }
  }

  #join(headerHash: Uint8Array, seed: Seed, rank: number): Entry {
    const seedKey = bytesToHex(seed);
    const key = seedKey + bytesToHex(headerHash);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.batch === undefined && rank < known.rank) {
        this.#waiting[known.rank]!.delete(known);
        known.rank = rank;
        this.#waiting[rank]!.add(known);
      }
      return known;
    }
    if (this.#queued >= this.#options.maxQueued) this.#makeRoom(rank);
    const entry: Entry = {
      key,
      seedKey,
      seed,
      headerHash,
      rank,
      age: this.#age++,
      waiters: new Set(),
      batch: undefined,
    };
    this.#entries.set(key, entry);
    this.#waiting[rank]!.add(entry);
    this.#queued++;
    this.#pumpSoon();
    return entry;
  }

  /** Drops the newest of the least urgent; refuses the new one if nothing is less urgent than it. */
  #makeRoom(rank: number): void {
    const error = new PowError({ code: 'overloaded', queued: this.#queued });
    for (let low = POW_PRIORITIES.length - 1; low > rank; low--) {
      const victim = this.#waiting[low]!.newest();
      if (victim === undefined) continue;
      this.#forget(victim);
      for (const waiter of victim.waiters) waiter.reject(error);
      return;
    }
    if (POW_PRIORITIES[rank] !== 'candidate') throw error;
  }

  #leave(entry: Entry, waiter: Deferred<Uint8Array>, reason: unknown): void {
    waiter.reject(reason);
    entry.waiters.delete(waiter);
    if (entry.waiters.size > 0 || this.#entries.get(entry.key) !== entry) return;
    this.#forget(entry);
    const batch = entry.batch;
    if (batch !== undefined && --batch.wanted === 0) batch.abort.abort(reason);
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.key);
    if (this.#waiting[entry.rank]!.delete(entry)) this.#queued--;
  }

  /** In a moment: what is asked for in one turn shares its batches. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#underWay.size < this.#options.batches && this.#queued > 0) {
      const batch = this.#nextBatch();
      this.#underWay.add(batch);
      void this.#run(batch);
    }
    this.#buildAhead();
  }

  #nextBatch(): Batch {
    const oldestFirst = this.#turn++ % OLDEST_FIRST_EVERY === OLDEST_FIRST_EVERY - 1;
    const first = this.#first(oldestFirst);
    const entries = [first];
    for (const queue of this.#waiting) {
      for (const entry of queue) {
        if (entries.length === this.#size) break;
        if (entry.seedKey === first.seedKey && entry !== first) entries.push(entry);
      }
    }
    const { seed, seedKey } = first;
    const wanted = entries.length;
    const batch: Batch = {
      seed,
      seedKey,
      entries,
      wanted,
      abort: new AbortController(),
      over: createDeferred<never>(),
    };
    for (const entry of entries) {
      this.#waiting[entry.rank]!.delete(entry);
      this.#queued--;
      entry.batch = batch;
    }
    return batch;
  }

  /** Called only while something waits. */
  #first(oldest: boolean): Entry {
    const heads = this.#waiting.flatMap((queue) => {
      for (const entry of queue) return [entry];
      return [];
    });
    return oldest ? heads.reduce((a, b) => (b.age < a.age ? b : a)) : heads[0]!;
  }

  /** Never rejects. */
  async #run(batch: Batch): Promise<void> {
    const { entries } = batch;
    try {
      const call = Promise.race([this.#hash(batch), batch.over.promise]);
      if (!(await endsWithin(call, this.#options.stallMs, this.#parts.clock))) {
        throw new HasherError({ code: 'lost', reason: 'a batch did not end' });
      }
      const out = await call;
      entries.forEach((entry, i) => {
        const powHash = out.slice(32 * i, 32 * i + 32);
        for (const waiter of entry.waiters) waiter.resolve(powHash);
      });
    } catch (error) {
      if (isLost(error)) this.end(error); // with that what still runs is aborted
      // After an abort there are no waiters left: this rejects nobody.
      for (const entry of entries) for (const waiter of entry.waiters) waiter.reject(error);
    } finally {
      for (const entry of entries) {
        if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
      }
      this.#underWay.delete(batch);
      this.#pump();
    }
  }

  async #hash(batch: Batch): Promise<Uint8Array> {
    const { hasher, clock } = this.#parts;
    const { seed, seedKey, entries } = batch;
    const { signal } = batch.abort;
    const input = new Uint8Array(32 * entries.length);
    entries.forEach((entry, i) => {
      input.set(entry.headerHash, 32 * i);
    });
    const out = new Uint8Array(input.length);
    for (let attempt = 1; ; attempt++) {
      if (!this.#loaded.has(seedKey)) await this.#load(batch);
      const start = clock.now();
      try {
        await hasher.hash(seed, input, out, signal);
        this.#measure(entries.length, start);
        return out;
      } catch (error) {
        if (signal.aborted) throw error;
        this.#loaded.delete(seedKey);
        const code = error instanceof HasherError ? error.detail.code : undefined;
        if (code !== 'seed-not-loaded' || attempt === LOAD_ATTEMPTS) throw asLost(error);
      }
    }
  }

  async #load(batch: Batch): Promise<void> {
    const { seed, seedKey } = batch;
    const table = await this.#parts.tables(seed);
    try {
      await this.#parts.hasher.loadSeed(seed, table, batch.abort.signal);
      this.#loaded.add(seedKey);
    } catch (error) {
      throw batch.abort.signal.aborted ? error : asLost(error);
    }
  }

  /** Builds the table that is needed next while the hasher is busy with another. */
  #buildAhead(): void {
    if (this.#queued === 0 || this.#underWay.size === 0) return;
    const { seed, seedKey } = this.#first(false);
    if (this.#loaded.has(seedKey) || this.#tableAhead === seedKey) return;
    if ([...this.#underWay].some((batch) => batch.seedKey === seedKey)) return;
    this.#tableAhead = seedKey;
    // Whoever needs the table asks again, and is told then.
    this.#parts.tables(seed).catch(() => {});
  }

  /** Sizes the next batches by how long this one took since the hasher could begin with it. */
  #measure(count: number, start: number): void {
    const end = this.#parts.clock.now();
    const ms = end - Math.max(start, this.#lastEnd);
    this.#lastEnd = end;
    const { maxBatch } = this.#parts.hasher;
    const wanted = ms <= 0 ? maxBatch : Math.round((count * this.#options.batchMs) / ms);
    // A small batch leaves threads idle: it says how slow the hasher can be, not how fast it is.
    if (count < this.#size && wanted < this.#size) return;
    this.#size = Math.max(1, Math.min(wanted, 2 * this.#size, maxBatch));
  }
}

export function isLost(error: unknown): error is HasherError {
  return error instanceof HasherError && error.detail.code === 'lost';
}

/** Whatever a hasher fails with, it is of no use to us afterwards. */
function asLost(error: unknown): HasherError {
  if (isLost(error)) return error;
  return new HasherError({ code: 'lost', reason: errorText(error) }, { cause: error });
}
