/**
 * Measures a device: hashes known inputs, compares every result and counts. Runs wherever there is a
 * device: in the programs and in a page.
 */
import { bytesEqual, bytesToHex, hexToBytes } from '../src/util/bytes.ts';
import {
  BENCHMARK_CHECKSUM,
  BENCHMARK_INPUTS,
  BENCHMARK_PREFIXES,
  BENCHMARK_SEED,
  benchmarkInputs,
} from './benchmark-inputs.ts';
import { type Device, DriverError } from './driver.ts';

export type BenchmarkGoal =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'hashes'; readonly hashes: number };

export interface MeasureParts {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called after every batch. */
  readonly onProgress: (progress: BenchmarkProgress) => void;
  readonly signal: AbortSignal;
}

export interface BenchmarkProgress {
  /** 0 … 1 */
  readonly fraction: number;
  /** Computed, compared and right, since the clock was started. */
  readonly hashes: number;
  readonly elapsedMs: number;
}

export interface Measurement {
  readonly hashes: number;
  readonly elapsedMs: number;
  /** Hex of the XOR of the PoW hashes of the first 64 inputs (of all, if there were fewer). */
  readonly checksum: string;
}

/** Calls under way at once, so that the device never waits for this program. */
const IN_FLIGHT = 2;
/** What one call is to take. */
const CALL_MS = 250;
/** A shorter call says little of how fast the device is when it is full. */
const TELLING_MS = 125;

/**
 * Measures a device that holds the table of `BENCHMARK_SEED`. Rejects with `DriverError` `self-test`
 * at the first wrong hash, with the reason of `signal` when that aborts, or with what the device
 * failed with.
 */
export async function measureDevice(
  device: Device,
  goal: BenchmarkGoal,
  parts: MeasureParts,
): Promise<Measurement> {
  const run = new Run(device, parts);
  const batch = batchSize(device, goal, await run.warmUp(goal));
  const elapsedMs = await run.measure(goal, batch);
  return { hashes: run.hashes, elapsedMs, checksum: run.checksum() };
}

class Run {
  hashes = 0;
  readonly #device: Device;
  readonly #inputs = benchmarkInputs();
  readonly #parts: MeasureParts;
  readonly #prefixes = hexToBytes(BENCHMARK_PREFIXES, 'benchmark prefixes');
  /** What came out for each input the first time; absent until then. */
  readonly #known: (Uint8Array | undefined)[] = [];
  #sent = 0;

  constructor(device: Device, parts: MeasureParts) {
    this.#device = device;
    this.#parts = parts;
  }

  /**
   * Unmeasured calls; returns the milliseconds a hash takes. They grow until one takes a while: a
   * device with thousands of lanes needs as long for one hash as for dozens.
   */
  async warmUp(goal: BenchmarkGoal): Promise<number> {
    const { info, maxBatch } = this.#device;
    const most = goal.kind === 'hashes' ? Math.min(goal.hashes, maxBatch) : maxBatch;
    for (let count = Math.min(info.threads ?? 1, maxBatch); ; count *= 2) {
      const start = this.#parts.now();
      await this.#call(0, count);
      const ms = this.#parts.now() - start;
      if (ms >= TELLING_MS || 2 * count > most) return ms / count;
    }
  }

  /** Runs to the goal; returns the milliseconds it took. */
  async measure(goal: BenchmarkGoal, batch: number): Promise<number> {
    const start = this.#parts.now();
    const elapsed = (): number => this.#parts.now() - start;
    let failed = false;
    const lane = async (): Promise<void> => {
      for (;;) {
        const left =
          goal.kind === 'hashes' ? goal.hashes - this.#sent : elapsed() < goal.ms ? batch : 0;
        // Nothing more for a device that another lane has found wrong.
        if (left <= 0 || failed) return;
        this.#parts.signal.throwIfAborted();
        const count = Math.min(batch, left);
        const from = this.#sent;
        this.#sent += count;
        await this.#call(from, count).catch((error: unknown) => {
          failed = true;
          throw error;
        });
        this.hashes += count;
        const elapsedMs = elapsed();
        const done = goal.kind === 'hashes' ? this.hashes / goal.hashes : elapsedMs / goal.ms;
        this.#parts.onProgress({ fraction: Math.min(1, done), hashes: this.hashes, elapsedMs });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return elapsed();
  }

  /** XOR of the PoW hashes of the inputs that were hashed, each counted once. */
  checksum(): string {
    const sum = new Uint8Array(32);
    for (const hash of this.#known.slice(0, this.hashes)) {
      for (let b = 0; b < 32; b++) sum[b]! ^= hash![b]!;
    }
    const checksum = bytesToHex(sum);
    if (this.hashes >= BENCHMARK_INPUTS && checksum !== BENCHMARK_CHECKSUM) {
      throw wrong(BENCHMARK_CHECKSUM, checksum);
    }
    return checksum;
  }

  /** Hashes inputs number from … from + count − 1 (modulo 64) and compares every result. */
  async #call(from: number, count: number): Promise<void> {
    const input = new Uint8Array(32 * count);
    const out = new Uint8Array(32 * count);
    for (let i = 0; i < count; i++) {
      const at = 32 * ((from + i) % BENCHMARK_INPUTS);
      input.set(this.#inputs.subarray(at, at + 32), 32 * i);
    }
    await this.#device.hash(BENCHMARK_SEED, input, out, this.#parts.signal);
    for (let i = 0; i < count; i++) {
      this.#compare((from + i) % BENCHMARK_INPUTS, out.subarray(32 * i, 32 * i + 32));
    }
  }

  #compare(index: number, powHash: Uint8Array): void {
    const known = this.#known[index];
    if (known !== undefined) {
      if (!bytesEqual(powHash, known)) throw wrong(bytesToHex(known), bytesToHex(powHash));
      return;
    }
    const prefix = this.#prefixes.subarray(4 * index, 4 * index + 4);
    if (!bytesEqual(powHash.subarray(0, 4), prefix)) {
      throw wrong(`${bytesToHex(prefix)}…`, bytesToHex(powHash));
    }
    this.#known[index] = powHash.slice();
  }
}

function wrong(expected: string, actual: string): DriverError {
  return new DriverError({ code: 'self-test', expected, actual });
}

/** About a quarter of a second of work a call, in whole rounds of the device's threads. */
function batchSize(device: Device, goal: BenchmarkGoal, msPerHash: number): number {
  const granule = device.info.threads ?? 1;
  const fitting = Math.floor(CALL_MS / Math.max(msPerHash, 1e-3) / granule) * granule;
  const most = goal.kind === 'hashes' ? Math.max(1, Math.ceil(goal.hashes / IN_FLIGHT)) : fitting;
  return Math.max(1, Math.min(device.maxBatch, most, Math.max(granule, fitting)));
}
