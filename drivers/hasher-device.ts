/**
 * A device made of a `BatchHasher`: adds the search, the counters and the news of its loss. Most
 * drivers need only write a hasher and wrap it in this.
 */
import { type BatchHasher, HasherError, type Seed } from '../src/tensority/hasher.ts';
import type { MatrixTable } from '../src/tensority/table.ts';
import { createDeferred } from '../src/util/deferred.ts';
import {
  type Device,
  type DeviceInfo,
  DriverError,
  type NonceRange,
  type SearchResult,
  type Telemetry,
  type Work,
} from './driver.ts';
import { searchByHash } from './search.ts';

export interface HasherDeviceOptions {
  readonly info: DeviceInfo;
  /** Longest batch of a search, in ms; its size follows from the speed measured so far. */
  readonly batchMs: number;
  /** Batch sizes are multiples of this where the time allows: threads, or lanes of a dispatch. */
  readonly granule: number;
  /**
   * Batches are never smaller, however slow: for hardware on which so many inputs take as long as
   * one, and part of which would idle with fewer. Default 1.
   */
  readonly leastBatch?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly measurePeak?: () => Promise<number>;
  /** The hasher's own news of its end, where it hears of it before a call fails: undefined if closed. */
  readonly lost?: Promise<HasherError | undefined>;
}

/** Weight of the newest measurement in the time per hash. */
const NEWEST = 0.3;

export class HasherDevice implements Device {
  readonly info: DeviceInfo;
  readonly maxBatch: number;
  readonly lost: Promise<DriverError | undefined>;
  readonly measurePeak?: () => Promise<number>;
  readonly #hasher: BatchHasher;
  readonly #options: HasherDeviceOptions;
  readonly #now: () => number;
  readonly #resolveLost: (error: DriverError | undefined) => void;
  #end: 'closed' | DriverError | undefined;
  #hashes = 0;
  #found = 0;
  #busyMs = 0;
  /** When the calls that are under way began to keep the device busy. */
  #busySince = 0;
  #calls = 0;
  #msPerHash: number | undefined;

  constructor(hasher: BatchHasher, options: HasherDeviceOptions) {
    this.#hasher = hasher;
    this.#options = options;
    this.#now = options.now ?? ((): number => performance.now());
    this.info = options.info;
    if (options.measurePeak !== undefined) this.measurePeak = options.measurePeak;
    this.maxBatch = hasher.maxBatch;
    const lost = createDeferred<DriverError | undefined>();
    this.lost = lost.promise;
    this.#resolveLost = lost.resolve;
    void options.lost?.then((error) => {
      if (error !== undefined) this.#markLostBy(error);
    });
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    this.#checkOpen();
    await this.#watch(this.#hasher.loadSeed(seed, table, signal));
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#checkOpen();
    const count = headerHashes.length / 32;
    if (this.#calls++ === 0) this.#busySince = this.#now();
    try {
      await this.#watch(this.#hasher.hash(seed, headerHashes, out, signal));
      this.#hashes += count;
      this.#learn((this.#now() - this.#busySince) / count);
    } finally {
      // Overlapping calls are served in order: each one's time begins where the last one's ended.
      const ended = this.#now();
      this.#busyMs += ended - this.#busySince;
      this.#busySince = ended;
      this.#calls--;
    }
  }

  async search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult> {
    this.#checkOpen();
    const result = await searchByHash(this, work, range, signal, { batch: this.#batch(), onFound });
    this.#found += result.nonces.length;
    return result;
  }

  telemetry(): Telemetry {
    const now = this.#calls > 0 ? this.#now() - this.#busySince : 0;
    return { hashes: this.#hashes, busyMs: this.#busyMs + now, found: this.#found, mismatches: 0 };
  }

  /** Tells that the device is gone. For drivers that hear of it other than by a failing call. */
  markLost(reason: string, options?: ErrorOptions): void {
    if (this.#end !== undefined) return;
    const error = new DriverError({ code: 'lost', reason }, options);
    this.#end = error;
    this.#resolveLost(error);
  }

  async close(): Promise<void> {
    if (this.#end === undefined) {
      this.#end = 'closed';
      this.#resolveLost(undefined);
    }
    await this.#hasher.close();
  }

  #checkOpen(): void {
    if (this.#end === 'closed') throw new DriverError({ code: 'lost', reason: 'it was closed' });
    if (this.#end !== undefined) throw this.#end;
  }

  /** Passes a call's outcome on and listens for the hasher's loss. */
  async #watch(call: Promise<void>): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (error instanceof HasherError || error instanceof DriverError) this.#markLostBy(error);
      throw error;
    }
  }

  /** If it says that the device is lost. */
  #markLostBy(error: HasherError | DriverError): void {
    if (error.detail.code === 'lost') this.markLost(error.detail.reason, { cause: error });
  }

  #learn(msPerHash: number): void {
    const before = this.#msPerHash ?? msPerHash;
    this.#msPerHash = before * (1 - NEWEST) + msPerHash * NEWEST;
  }

  /** Inputs of a batch: what the device computes in `batchMs`, in whole granules; one granule at first. */
  #batch(): number {
    const { batchMs, granule, leastBatch = 1 } = this.#options;
    const ms = this.#msPerHash;
    // A clock too coarse to see the calls says nothing about the speed.
    const fitting = ms === undefined ? granule : ms > 0 ? batchMs / ms : this.maxBatch;
    const whole = fitting < granule ? fitting : fitting - (fitting % granule);
    return Math.min(this.maxBatch, Math.max(leastBatch, Math.floor(whole)));
  }
}
