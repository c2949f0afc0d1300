/** A GPU as a `Device`: counts nonces, hashes headers and compares with the target by itself. */
import { checkBatch, checkTable, type Seed } from '../../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../../src/tensority/table.ts';
import { untilAbort } from '../../../src/util/abort.ts';
import type {
  Device,
  DeviceInfo,
  DriverError,
  NonceRange,
  SearchResult,
  Telemetry,
  Work,
} from '../../driver.ts';
import { checkSearch } from '../../search-arguments.ts';
import { BatchQueue } from './batch-queue.ts';
import type { TensorityEngine } from './engine.ts';
import { Pace } from './pace.ts';
import { measurePeak, type PeakParts } from './peak.ts';

export interface GpuDeviceOptions {
  readonly info: Omit<DeviceInfo, 'tableSlots' | 'rollsNonce' | 'kernel'>;
  readonly maxBatch: number;
  readonly msPerHash: number;
  /** How long a batch should take, and how long it may take at most unless a single hash takes longer. */
  readonly aimMs: number;
  readonly batchMs: number;
  readonly intensity: number;
  readonly freeAwaits: boolean;
}

export interface GpuDeviceParts extends PeakParts {
  /** The device's alone; closed with it. */
  readonly engine: TensorityEngine;
}

export class GpuDevice implements Device {
  readonly info: DeviceInfo;
  readonly maxBatch: number;
  readonly lost: Promise<DriverError | undefined>;
  readonly #parts: GpuDeviceParts;
  readonly #queue: BatchQueue;
  #hashes = 0;
  #found = 0;

  constructor(options: GpuDeviceOptions, parts: GpuDeviceParts) {
    const { link, engine, clock } = parts;
    this.#parts = parts;
    this.maxBatch = options.maxBatch;
    this.lost = link.lost;
    this.info = {
      ...options.info,
      tableSlots: engine.size.slots,
      rollsNonce: true,
      kernel: engine.programs.variant.name,
    };
    const { msPerHash, aimMs, batchMs, intensity, freeAwaits } = options;
    const pace = new Pace({ msPerHash, aimMs, most: engine.size.capacity });
    this.#queue = new BatchQueue(
      { depth: engine.size.lanes, longMs: batchMs, intensity, freeAwaits },
      { link, engine, pace, clock },
    );
    engine.tables.onUpload = (): void => pace.disturbed();
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    const { link, engine } = this.#parts;
    link.gone.throwIfAborted();
    checkTable(seed, table);
    signal?.throwIfAborted();
    await engine.tables.load(seed, table.data, signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const { link, engine } = this.#parts;
    link.gone.throwIfAborted();
    const count = checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    const use = engine.tables.use(seed);
    const run = this.#queue.run({
      slot: use.slot,
      count,
      signal,
      input: (at, n) => ({
        kind: 'hash',
        count: n,
        headerHashes: headerHashes.subarray(32 * at, 32 * (at + n)),
      }),
      take: (at, n, powHashes) => {
        this.#hashes += n;
        // The caller of an aborted call has been told, and may use its array again.
        if (signal?.aborted !== true) out.set(powHashes, 32 * at);
      },
    });
    // At the abort, not at the end of the batch.
    await untilAbort(run.finally(use.release), signal);
    signal?.throwIfAborted();
  }

  async search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult> {
    const { link, engine } = this.#parts;
    link.gone.throwIfAborted();
    checkSearch(work, range);
    const { target } = work;
    const preimage = new Uint8Array(work.preimage);
    const nonces: bigint[] = [];
    const use = engine.tables.use(work.seed);
    try {
      const scanned = await this.#queue.run({
        slot: use.slot,
        count: range.count,
        signal,
        input: (at, count) => ({
          kind: 'search',
          count,
          start: range.start + BigInt(at),
          preimage,
          target,
        }),
        take: (at, count, bits) => {
          this.#hashes += count;
          for (const i of setBits(bits, count)) {
            const nonce = range.start + BigInt(at + i);
            this.#found++;
            nonces.push(nonce);
            onFound?.(nonce);
          }
        },
      });
      return { scanned, nonces, aborted: scanned < range.count };
    } finally {
      use.release();
    }
  }

  telemetry(): Telemetry {
    return {
      hashes: this.#hashes,
      busyMs: this.#queue.busyMs,
      found: this.#found,
      mismatches: 0,
    };
  }

  async measurePeak(): Promise<number> {
    const { peak } = this.#parts.engine.programs.variant;
    return this.#queue.exclusive(() => measurePeak(peak, this.#parts));
  }

  async close(): Promise<void> {
    this.#parts.link.close();
    await this.#queue.idle();
    this.#parts.engine.destroy();
  }
}

/** The numbers, ascending, of the bits that are set among the first `count`; bit 0 is the lowest of byte 0. */
function* setBits(bytes: Uint8Array, count: number): Generator<number> {
  for (const [index, byte] of bytes.entries()) {
    // Nearly always: there is one nonce in millions.
    if (byte === 0) continue;
    for (let i = 8 * index; i < Math.min(count, 8 * index + 8); i++) {
      if ((byte & (1 << (i & 7))) !== 0) yield i;
    }
  }
}
