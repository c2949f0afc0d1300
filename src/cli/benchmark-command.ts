/**
 * `bytom-miner --benchmark`: hashes a second of a device, with every hash checked. One wrong hash
 * and no figure is shown: a fast wrong kernel is worth nothing.
 */
import { type BenchmarkGoal, measureDevice } from '../../drivers/benchmark.ts';
import { BENCHMARK_SEED } from '../../drivers/benchmark-inputs.ts';
import type { Device } from '../../drivers/driver.ts';
import type { MatrixTable } from '../tensority/table.ts';
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

/** Rejects with `DriverError` `self-test` if any hash is wrong. */
export async function runBenchmark(
  device: Device,
  request: BenchmarkRequest,
  parts: BenchmarkParts,
): Promise<BenchmarkResult> {
  const { now, signal } = parts;
  await device.loadSeed(BENCHMARK_SEED, await parts.tables(BENCHMARK_SEED), signal);
  const goal: BenchmarkGoal =
    request.hashes === undefined
      ? { kind: 'time', ms: request.durationMs ?? DEFAULT_MS }
      : { kind: 'hashes', hashes: request.hashes };
  const { hashes, elapsedMs, checksum } = await measureDevice(device, goal, {
    now,
    onProgress: (progress) =>
      parts.onProgress(progress.fraction, (1000 * progress.hashes) / progress.elapsedMs),
    signal,
  });
  const hashesPerSecond = (1000 * hashes) / elapsedMs;
  const peak = await device.measurePeak?.();
  return {
    hashes,
    seconds: rounded(elapsedMs / 1000, 3),
    hashesPerSecond: rounded(hashesPerSecond, 2),
    device: device.info.id,
    kernel: device.info.kernel ?? null,
    threads: device.info.threads ?? null,
    fractionOfPeak: peak === undefined || peak === 0 ? null : rounded(hashesPerSecond / peak, 3),
    checksum,
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
    `\n${result.hashes} hash${result.hashes === 1 ? '' : 'es'} in ${result.seconds.toFixed(3)} s, every one checked, checksum ${result.checksum}` +
    peak
  );
}
