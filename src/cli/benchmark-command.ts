/**
 * `bytom-miner --benchmark`: hashes a second of a device, with every hash checked. One wrong hash
 * and no figure is shown: a fast wrong kernel is worth nothing.
 */
import type { Device } from '../../drivers/driver.ts';
import { DriverError } from '../../drivers/driver.ts';
import { INITIAL_SEED } from '../chain/seed.ts';
import type { MatrixTable } from '../tensority/table.ts';
import { bytesToHex, hexToBytes } from '../util/bytes.ts';
import {
  BENCHMARK_CHECKSUM,
  BENCHMARK_INPUTS,
  BENCHMARK_PREFIXES,
  benchmarkInputs,
} from './benchmark-inputs.ts';
import { rounded } from './output.ts';

export interface BenchmarkRequest {
  /** Stop after so many hashes … */
  readonly hashes?: number;
  /** … or after so long; 10 s by default. */
  readonly durationMs?: number;
}

export interface BenchmarkResult {
  readonly hashes: number;
  readonly seconds: number;
  readonly hashesPerSecond: number;
  readonly device: string;
  readonly kernel: string | null;
  readonly threads: number | null;
  /** Of what the kernel's arithmetic alone would allow on this device; null if it cannot be told. */
  readonly fractionOfPeak: number | null;
  /** Hex of the XOR of the PoW hashes of the first 64 inputs (of all, if there were fewer). */
  readonly checksum: string;
}

export interface BenchmarkParts {
  readonly tables: (seed: Uint8Array) => Promise<MatrixTable>;
  readonly now: () => number;
  /** Hears how far the run is, 0 … 1. */
  readonly onProgress: (fraction: number, hashesPerSecond: number) => void;
  readonly signal: AbortSignal;
}

const DEFAULT_MS = 10_000;
/** Calls under way at once, so that the device never waits for this program. */
const IN_FLIGHT = 2;

/** Rejects with `DriverError` `self-test` if any hash is wrong. */
export async function runBenchmark(
  device: Device,
  request: BenchmarkRequest,
  parts: BenchmarkParts,
): Promise<BenchmarkResult> {
  await device.loadSeed(INITIAL_SEED, await parts.tables(INITIAL_SEED), parts.signal);
  const run = new Run(device, benchmarkInputs(), parts);
  const warmUpMs = await run.warmUp();
  const goal: Goal =
    request.hashes === undefined
      ? { kind: 'time', ms: request.durationMs ?? DEFAULT_MS }
      : { kind: 'hashes', hashes: request.hashes };
  const batch = batchSize(device, goal, warmUpMs);
  const elapsedMs = await run.measure(goal, batch);
  const hashesPerSecond = (1000 * run.hashes) / elapsedMs;
  const peak = await device.measurePeak?.();
  return {
    hashes: run.hashes,
    seconds: rounded(elapsedMs / 1000, 3),
    hashesPerSecond: rounded(hashesPerSecond, 2),
    device: device.info.id,
    kernel: device.info.kernel ?? null,
    threads: device.info.threads ?? null,
    fractionOfPeak: peak === undefined || peak === 0 ? null : rounded(hashesPerSecond / peak, 3),
    checksum: run.checksum(),
  };
}

/** The result as people read it. */
export function benchmarkText(result: BenchmarkResult): string {
  const kernel = result.kernel === null ? '' : `, kernel ${result.kernel}`;
  const { threads: count } = result;
  const threads = count === null ? '' : `, ${count} thread${count === 1 ? '' : 's'}`;
  const peak =
    result.fractionOfPeak === null
      ? ''
      : `\n${(100 * result.fractionOfPeak).toFixed(1)} % of the peak of this kernel's instructions, measured in this run`;
  return (
    `${result.hashesPerSecond.toFixed(2)} H/s on ${result.device}${kernel}${threads}` +
    `\n${result.hashes} hashes in ${result.seconds.toFixed(3)} s, every one checked, checksum ${result.checksum}` +
    peak
  );
}

type Goal =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'hashes'; readonly hashes: number };

class Run {
  hashes = 0;
  readonly #device: Device;
  readonly #inputs: Uint8Array;
  readonly #parts: BenchmarkParts;
  readonly #prefixes = hexToBytes(BENCHMARK_PREFIXES, 'benchmark prefixes');
  readonly #first = new Uint8Array(32 * BENCHMARK_INPUTS);
  #sent = 0;

  constructor(device: Device, inputs: Uint8Array, parts: BenchmarkParts) {
    this.#device = device;
    this.#inputs = inputs;
    this.#parts = parts;
  }

  /** One unmeasured call; returns its milliseconds per hash. */
  async warmUp(): Promise<number> {
    const count = Math.min(this.#device.info.threads ?? 1, this.#device.maxBatch);
    const start = this.#parts.now();
    await this.#call(0, count);
    return (this.#parts.now() - start) / count;
  }

  /** Runs to the goal; returns the milliseconds it took. */
  async measure(goal: Goal, batch: number): Promise<number> {
    const start = this.#parts.now();
    const elapsed = (): number => this.#parts.now() - start;
    const lane = async (): Promise<void> => {
      for (;;) {
        const left =
          goal.kind === 'hashes' ? goal.hashes - this.#sent : elapsed() < goal.ms ? batch : 0;
        if (left <= 0) return;
        this.#parts.signal.throwIfAborted();
        const count = Math.min(batch, left);
        const from = this.#sent;
        this.#sent += count;
        await this.#call(from, count);
        this.hashes += count;
        const done = goal.kind === 'hashes' ? this.hashes / goal.hashes : elapsed() / goal.ms;
        this.#parts.onProgress(Math.min(1, done), (1000 * this.hashes) / elapsed());
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return elapsed();
  }

  /** XOR of the PoW hashes of the inputs that were hashed, each counted once. */
  checksum(): string {
    const sum = new Uint8Array(32);
    for (let i = 0; i < Math.min(this.hashes, BENCHMARK_INPUTS); i++) {
      for (let b = 0; b < 32; b++) sum[b]! ^= this.#first[32 * i + b]!;
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
    await this.#device.hash(INITIAL_SEED, input, out, this.#parts.signal);
    for (let i = 0; i < count; i++) {
      this.#compare((from + i) % BENCHMARK_INPUTS, out.subarray(32 * i, 32 * i + 32));
    }
  }

  #compare(index: number, powHash: Uint8Array): void {
    const expected = bytesToHex(this.#prefixes.subarray(4 * index, 4 * index + 4));
    const actual = bytesToHex(powHash);
    if (!actual.startsWith(expected)) throw wrong(`${expected}…`, actual);
    const before = this.#first.subarray(32 * index, 32 * index + 32);
    const known = bytesToHex(before);
    if (known.startsWith(expected) && known !== actual) throw wrong(known, actual);
    before.set(powHash);
  }
}

function wrong(expected: string, actual: string): DriverError {
  return new DriverError({ code: 'self-test', expected, actual });
}

/** About a quarter of a second of work a call, in whole rounds of the device's threads. */
function batchSize(device: Device, goal: Goal, msPerHash: number): number {
  const granule = device.info.threads ?? 1;
  const fitting = Math.floor(250 / Math.max(msPerHash, 1e-3) / granule) * granule;
  const most = goal.kind === 'hashes' ? Math.max(1, Math.ceil(goal.hashes / IN_FLIGHT)) : fitting;
  return Math.max(1, Math.min(device.maxBatch, most, Math.max(granule, fitting)));
}
