/**
 * One run of the page, without the page: opens the GPU, which tries its kernels, puts the device
 * through the self-test and measures it. Whatever ends it comes back as an outcome.
 */

import type { TableProvider } from '../../../src/tensority/table.ts';
import { errorText } from '../../../src/util/errors.ts';
import { type BenchmarkGoal, type BenchmarkProgress, measureDevice } from '../../benchmark.ts';
import { BENCHMARK_SEED } from '../../benchmark-inputs.ts';
import { type Device, DriverError } from '../../driver.ts';
import { SELF_TEST_GROUPS, selfTest } from '../../selftest.ts';
import type { OpenedGpu } from '../engine/open-gpu.ts';

/** What the run is doing. */
export type Phase = 'kernels' | 'self-test' | 'benchmark' | 'peak';

export interface RunParts {
  /** Opens the device; hears of each kernel by other ways. */
  readonly open: () => Promise<OpenedGpu>;
  readonly tables: TableProvider;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** The device is there from the self-test on: its telemetry tells how far that is. */
  readonly onPhase: (phase: Phase, device?: Device) => void;
  readonly onProgress: (progress: BenchmarkProgress) => void;
}

export interface Measured {
  readonly kernel: string;
  readonly hashes: number;
  readonly seconds: number;
  readonly hashesPerSecond: number;
  readonly checksum: string;
  /** Of what the kernel's instructions alone would allow, 0 … 1; absent if it cannot be told. */
  readonly fractionOfPeak?: number;
}

export type RunOutcome =
  | ({ readonly kind: 'measured' } & Measured)
  /** No kernel can run here, or not the one that was asked for. */
  | { readonly kind: 'unsupported'; readonly missing: string }
  | {
      readonly kind: 'wrong';
      readonly phase: Phase;
      readonly expected: string;
      readonly actual: string;
    }
  | { readonly kind: 'lost'; readonly phase: Phase; readonly reason: string }
  | { readonly kind: 'failed'; readonly phase: Phase; readonly reason: string }
  | { readonly kind: 'stopped'; readonly phase: Phase };

/** Hashes of the self-test: its vectors, and three nonces of which one must be found. */
export const SELF_TEST_HASHES: number =
  SELF_TEST_GROUPS.reduce((sum, { vectors }) => sum + vectors.length, 0) + 3;

/** Never rejects; the device is closed when it resolves. */
export async function runOnGpu(goal: BenchmarkGoal, parts: RunParts): Promise<RunOutcome> {
  let phase: Phase = 'kernels';
  let device: Device | undefined;
  const enter = (next: Phase): void => {
    phase = next;
    parts.onPhase(next, device);
  };
  try {
    enter('kernels');
    ({ device } = await parts.open());
    enter('self-test');
    await selfTest(device, parts.tables, parts.signal);
    enter('benchmark');
    await device.loadSeed(BENCHMARK_SEED, await parts.tables(BENCHMARK_SEED), parts.signal);
    const { hashes, elapsedMs, checksum } = await measureDevice(device, goal, parts);
    enter('peak');
    parts.signal.throwIfAborted();
    // Only a figure beside the one that counts: the run does not fail with it.
    const peak = await device.measurePeak?.().catch(() => undefined);
    const hashesPerSecond = (1000 * hashes) / elapsedMs;
    return {
      kind: 'measured',
      kernel: device.info.kernel ?? '',
      hashes,
      seconds: elapsedMs / 1000,
      hashesPerSecond,
      checksum,
      ...(peak ? { fractionOfPeak: hashesPerSecond / peak } : {}),
    };
  } catch (error) {
    return parts.signal.aborted ? { kind: 'stopped', phase } : outcomeOf(error, phase);
  } finally {
    // What closing has to say comes after the outcome.
    await device?.close().catch(() => {});
  }
}

function outcomeOf(error: unknown, phase: Phase): RunOutcome {
  if (!(error instanceof DriverError)) {
    return { kind: 'failed', phase, reason: errorText(error) };
  }
  const { detail } = error;
  switch (detail.code) {
    case 'self-test':
      return { kind: 'wrong', phase, expected: detail.expected, actual: detail.actual };
    case 'unsupported':
      return { kind: 'unsupported', missing: detail.missing };
    case 'lost':
      return { kind: 'lost', phase, reason: detail.reason };
    case 'timeout':
      return { kind: 'lost', phase, reason: error.message };
    case 'not-found':
    case 'busy':
    case 'seed-not-loaded':
      return { kind: 'failed', phase, reason: error.message };
  }
}
