import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  BENCHMARK_CHECKSUM,
  BENCHMARK_INPUTS,
  benchmarkInputs,
} from '../../drivers/benchmark-inputs.ts';
import { DriverError } from '../../drivers/driver.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import {
  type BenchmarkParts,
  type BenchmarkRequest,
  type BenchmarkResult,
  benchmarkText,
  runBenchmark,
} from '../../src/cli/benchmark-command.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { plausibleHash } from '../drivers/benchmark-hashes.ts';
import { emptyTables } from './lookup-hasher.ts';

const INPUTS = new Map<string, number>();
for (let i = 0; i < BENCHMARK_INPUTS; i++) {
  INPUTS.set(bytesToHex(benchmarkInputs().subarray(32 * i, 32 * i + 32)), i);
}

interface Rig {
  /** Which byte is wrong in the hash of input `index`, the `nth` that is computed (from 0). */
  readonly lie?: (index: number, nth: number) => number | undefined;
  readonly peak?: number;
  readonly threads?: number;
  readonly maxBatch?: number;
  readonly signal?: AbortSignal;
}

const MS_PER_HASH = 10;

/** Runs the benchmark on a device that takes 10 ms a hash, on a clock of its own. */
function run(request: BenchmarkRequest, rig: Rig = {}) {
  let now = 0;
  let computed = 0;
  const batches: number[] = [];
  const progress: number[] = [];
  const hasher: BatchHasher = {
    maxBatch: rig.maxBatch ?? 64,
    loadSeed: () => Promise.resolve(),
    hash: (_seed, inputs, out, signal) => {
      if (signal?.aborted === true) return Promise.reject(signal.reason);
      batches.push(inputs.length / 32);
      for (let at = 0; at < inputs.length; at += 32) {
        const index = INPUTS.get(bytesToHex(inputs.subarray(at, at + 32)));
        if (index === undefined) return Promise.reject(new RangeError('not one of the inputs'));
        const hash = plausibleHash(index);
        const wrong = rig.lie?.(index, computed++);
        if (wrong !== undefined) hash[wrong]! ^= 1;
        out.set(hash, at);
        now += MS_PER_HASH;
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const { peak, threads } = rig;
  const device = new HasherDevice(hasher, {
    info: {
      id: 'stub0',
      name: 'stub',
      tableSlots: 2,
      rollsNonce: false,
      processor: 'stub',
      kernel: 'stub-256',
      ...(threads === undefined ? {} : { threads }),
    },
    batchMs: 250,
    granule: 1,
    ...(peak === undefined ? {} : { measurePeak: () => Promise.resolve(peak) }),
  });
  const parts: BenchmarkParts = {
    tables: emptyTables,
    now: () => now,
    onProgress: (fraction) => progress.push(fraction),
    signal: rig.signal ?? new AbortController().signal,
  };
  return { result: runBenchmark(device, request, parts), batches, progress };
}

describe('the benchmark', () => {
  it('has inputs whose beginnings fit the checksum', () => {
    const sum = [0, 0, 0, 0];
    for (let i = 0; i < BENCHMARK_INPUTS; i++) {
      for (let b = 0; b < 4; b++) sum[b]! ^= plausibleHash(i)[b]!;
    }
    expect(bytesToHex(Uint8Array.from(sum))).toBe(BENCHMARK_CHECKSUM.slice(0, 8));
    expect(INPUTS.size).toBe(BENCHMARK_INPUTS);
  });

  it('counts exactly as many hashes as it was asked for', async () => {
    const { result, batches, progress } = run({ hashes: 100 }, { threads: 2, peak: 400 });
    expect(await result).toEqual({
      hashes: 100,
      seconds: 1,
      hashesPerSecond: 100,
      device: 'stub0',
      kernel: 'stub-256',
      threads: 2,
      fractionOfPeak: 0.25,
      checksum: BENCHMARK_CHECKSUM,
    } satisfies BenchmarkResult);
    // The warm-up, from one hash a thread on, is not counted; then batches of a quarter of a second.
    expect(batches).toEqual([2, 4, 8, 16, 24, 24, 24, 24, 4]);
    expect(progress.at(-1)).toBe(1);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('ends after the time it was given, 10 s if none', async () => {
    const short = await run({ durationMs: 2000 }).result;
    expect(short.hashes).toBeGreaterThanOrEqual(200);
    expect(short.hashes).toBeLessThan(260);
    expect((await run({}).result).seconds).toBeGreaterThanOrEqual(10);
  });

  it('gives the checksum of what it hashed if that is not every input', async () => {
    const { checksum } = await run({ hashes: 1 }).result;
    expect(checksum).toBe(bytesToHex(plausibleHash(0)));
  });

  it('never asks for more than the device takes at once', async () => {
    const { result, batches } = run({ hashes: 20 }, { maxBatch: 3, threads: 4 });
    await result;
    expect(Math.max(...batches)).toBe(3);
  });

  it('leaves out what is not known of the device', async () => {
    const { threads, fractionOfPeak } = await run({ hashes: 2 }).result;
    expect([threads, fractionOfPeak]).toEqual([null, null]);
    expect((await run({ hashes: 2 }, { peak: 0 }).result).fractionOfPeak).toBeNull();
  });

  const lies: readonly (readonly [name: string, hashes: number, lie: NonNullable<Rig['lie']>])[] = [
    ['a hash with a wrong beginning', 100, (index) => (index === 40 ? 0 : undefined)],
    ['one in the warm-up', 100, (_index, nth) => (nth === 0 ? 3 : undefined)],
    ['one that is the last', 7, (index) => (index === 6 ? 1 : undefined)],
    ['one that is new the second time', 100, (i, nth) => (i === 5 && nth > 64 ? 31 : undefined)],
    ['one with a wrong end every time', 100, (index) => (index === 5 ? 31 : undefined)],
  ];

  it.each(lies)('gives no figure after %s', async (_name, hashes, lie) => {
    const { result } = run({ hashes }, { lie });
    await expect(result).rejects.toBeInstanceOf(DriverError);
    await expect(result).rejects.toMatchObject({ detail: { code: 'self-test' } });
  });

  it('asks nothing more of a device that was wrong', async () => {
    const { result, batches } = run(
      { hashes: 100_000 },
      { lie: (_index, nth) => (nth === 100 ? 0 : undefined) },
    );
    await expect(result).rejects.toMatchObject({ detail: { code: 'self-test' } });
    const asked = batches.length;
    // The other call in flight ends, and that is all.
    await nextTurn();
    expect(batches.length).toBe(asked);
    expect(asked).toBeLessThan(12);
  });

  it('gives no figure when it is interrupted', async () => {
    const stop = new AbortController();
    const lie = (_index: number, nth: number): undefined => {
      if (nth === 30) stop.abort();
    };
    const { result } = run({ hashes: 100 }, { lie, signal: stop.signal });
    await expect(result).rejects.toThrow(DOMException);
    await expect(result).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('its text', () => {
  const result: BenchmarkResult = {
    hashes: 100,
    seconds: 1.5,
    hashesPerSecond: 66.67,
    device: 'cpu',
    kernel: 'dot16-128',
    threads: 1,
    fractionOfPeak: 0.5432,
    checksum: 'ab',
  };

  it('has the figure first and the share of the peak last', () => {
    expect(benchmarkText(result).split('\n')).toEqual([
      '66.67 H/s on cpu, kernel dot16-128, 1 thread',
      '100 hashes in 1.500 s, every one checked, checksum ab',
      "54.3 % of the peak of this kernel's instructions, measured in this run",
    ]);
  });

  it('leaves out what is not known', () => {
    const text = benchmarkText({ ...result, kernel: null, threads: null, fractionOfPeak: null });
    expect(text.split('\n')).toEqual([
      '66.67 H/s on cpu',
      '100 hashes in 1.500 s, every one checked, checksum ab',
    ]);
  });
});
