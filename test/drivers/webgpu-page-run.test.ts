/** A run of the GPU page, on devices that know what they are asked for. */
import { describe, expect, it } from 'vitest';
import type { BenchmarkGoal } from '../../drivers/benchmark.ts';
import {
  BENCHMARK_CHECKSUM,
  BENCHMARK_INPUTS,
  BENCHMARK_SEED,
  benchmarkInputs,
} from '../../drivers/benchmark-inputs.ts';
import { type Device, DriverError } from '../../drivers/driver.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import {
  type Phase,
  type RunOutcome,
  runOnGpu,
  SELF_TEST_HASHES,
} from '../../drivers/webgpu/web/run.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { emptyTables, type KnownHash, LookupHasher } from '../cli/lookup-hasher.ts';
import { plausibleHash } from './benchmark-hashes.ts';

const EXTREME_SEED = 'ee'.repeat(32);
const KNOWN: readonly KnownHash[] = [
  ...SELF_TEST_GROUPS.flatMap(({ seed, vectors }) =>
    vectors.map(({ headerHash, powHash }) => ({
      seed: seed === 'extreme' ? EXTREME_SEED : seed,
      header_hash: headerHash,
      result: powHash,
    })),
  ),
  ...Array.from({ length: BENCHMARK_INPUTS }, (_, i) => ({
    seed: bytesToHex(BENCHMARK_SEED),
    header_hash: bytesToHex(benchmarkInputs().subarray(32 * i, 32 * i + 32)),
    result: bytesToHex(plausibleHash(i)),
  })),
];

interface Rig {
  readonly known?: readonly KnownHash[];
  readonly goal?: BenchmarkGoal;
  readonly peak?: number | Error;
  /** Called with the number of hashes that there were before each call of the device. */
  readonly before?: (hashes: number, stop: () => void) => void;
  /** Instead of a device. */
  readonly openFails?: unknown;
}

interface Ended {
  readonly outcome: RunOutcome;
  readonly phases: readonly Phase[];
  readonly isClosed: boolean;
  /** Of the device, before the benchmark. */
  readonly selfTestHashes: number;
}

/** One run on a clock of its own, on which a hash takes 10 ms. */
async function run(rig: Rig = {}): Promise<Ended> {
  const stop = new AbortController();
  const hasher = new LookupHasher(rig.known ?? KNOWN, 16);
  let now = 0;
  let isClosed = false;
  let selfTestHashes = 0;
  const { peak } = rig;
  const device: Device = new HasherDevice(
    {
      maxBatch: hasher.maxBatch,
      loadSeed: (seed) => hasher.loadSeed(seed),
      hash: async (seed, inputs, out) => {
        rig.before?.(device.telemetry().hashes, () => stop.abort());
        await hasher.hash(seed, inputs, out);
        now += 10 * (inputs.length / 32);
      },
      close: async () => {
        isClosed = true;
      },
    },
    {
      info: {
        id: 'gpu0',
        name: 'stub',
        tableSlots: 2,
        rollsNonce: false,
        processor: 'gpu0',
        kernel: 'stub-64',
      },
      batchMs: 50,
      granule: 1,
      now: () => now,
      ...(peak === undefined
        ? {}
        : {
            measurePeak: async () => {
              if (peak instanceof Error) throw peak;
              return peak;
            },
          }),
    },
  );
  const phases: Phase[] = [];
  const outcome = await runOnGpu(rig.goal ?? { kind: 'hashes', hashes: 128 }, {
    open: async () => {
      if (rig.openFails !== undefined) throw rig.openFails;
      return { device, choice: { kernel: 'stub-64', msPerHash: 10 }, reports: [] };
    },
    tables: emptyTables,
    now: () => now,
    signal: stop.signal,
    onPhase: (phase, opened) => {
      phases.push(phase);
      if (phase === 'benchmark') selfTestHashes = opened?.telemetry().hashes ?? 0;
    },
    onProgress: () => {},
  });
  return { outcome, phases, isClosed, selfTestHashes };
}

describe('a run of the GPU page', () => {
  it('tests, measures, compares with the peak and closes the device', async () => {
    const { outcome, phases, isClosed, selfTestHashes } = await run({ peak: 400 });
    expect(outcome).toEqual({
      kind: 'measured',
      kernel: 'stub-64',
      hashes: 128,
      seconds: 1.28,
      hashesPerSecond: 100,
      checksum: BENCHMARK_CHECKSUM,
      fractionOfPeak: 0.25,
    } satisfies RunOutcome);
    expect(phases).toEqual(['kernels', 'self-test', 'benchmark', 'peak']);
    expect(isClosed).toBe(true);
    expect(selfTestHashes).toBe(SELF_TEST_HASHES);
  });

  it('says nothing of a peak that the device cannot measure', async () => {
    for (const rig of [{}, { peak: 0 }, { peak: new Error('does not compile') }]) {
      const { outcome } = await run(rig);
      expect(outcome).toMatchObject({ kind: 'measured', hashesPerSecond: 100 });
      expect(outcome).not.toHaveProperty('fractionOfPeak');
    }
  });

  it('measures for as long as it is told', async () => {
    const { outcome } = await run({ goal: { kind: 'time', ms: 2000 } });
    expect(outcome).toMatchObject({ kind: 'measured', hashesPerSecond: 100 });
    if (outcome.kind === 'measured') expect(outcome.seconds).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ['in the self-test', KNOWN[2]!, ['kernels', 'self-test']],
    ['in the benchmark', KNOWN.at(-5)!, ['kernels', 'self-test', 'benchmark']],
  ] as const)('gives no figure after a wrong hash %s', async (_name, wrong, phases) => {
    const known = KNOWN.filter((each) => each !== wrong);
    const ended = await run({ known });
    expect(ended.outcome).toMatchObject({ kind: 'wrong', phase: phases.at(-1) });
    expect(ended.outcome).not.toHaveProperty('hashesPerSecond');
    expect(ended.phases).toEqual(phases);
    expect(ended.isClosed).toBe(true);
  });

  it('tells when the device is lost, and where', async () => {
    const before = (hashes: number): void => {
      if (hashes > 60) throw new DriverError({ code: 'lost', reason: 'the driver was reset' });
    };
    const { outcome, isClosed } = await run({ before });
    expect(outcome).toEqual({ kind: 'lost', phase: 'benchmark', reason: 'the driver was reset' });
    expect(isClosed).toBe(true);
  });

  it.each([
    [3, 'self-test'],
    [60, 'benchmark'],
  ] as const)('stops when it is told to, after %d hashes', async (most, phase) => {
    const { outcome, isClosed } = await run({
      before: (hashes, stop) => {
        if (hashes > most) stop();
      },
    });
    expect(outcome).toEqual({ kind: 'stopped', phase });
    expect(isClosed).toBe(true);
  });

  it.each([
    [
      new DriverError({ code: 'unsupported', missing: 'a kernel' }),
      { kind: 'unsupported', missing: 'a kernel' },
    ],
    [
      new DriverError({ code: 'self-test', expected: 'aa', actual: 'bb' }),
      { kind: 'wrong', phase: 'kernels', expected: 'aa', actual: 'bb' },
    ],
    [
      new DriverError({ code: 'lost', reason: 'gone' }),
      { kind: 'lost', phase: 'kernels', reason: 'gone' },
    ],
    [
      new DriverError({ code: 'timeout', afterMs: 5 }),
      { kind: 'lost', phase: 'kernels', reason: 'no answer for 5 ms' },
    ],
    [
      new Error('shaders/fnv.wgsl is missing'),
      { kind: 'failed', phase: 'kernels', reason: 'shaders/fnv.wgsl is missing' },
    ],
  ] as const)('makes an outcome of %s', async (openFails, outcome) => {
    expect((await run({ openFails })).outcome).toEqual(outcome);
  });
});
