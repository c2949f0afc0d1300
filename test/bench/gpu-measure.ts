/** One round of measurements of one kernel. Nothing is returned before it was checked. */
import { setTimeout as sleep } from 'node:timers/promises';
import { measureDevice } from '../../drivers/benchmark.ts';
import { BENCHMARK_SEED, benchmarkInputs } from '../../drivers/benchmark-inputs.ts';
import type { Device, NonceRange, Work } from '../../drivers/driver.ts';
import { selfTest } from '../../drivers/selftest.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import type { Target } from '../../src/tensority/target.ts';
import { mainThreadMs } from './gpu-host-cpu.ts';
import { benchmarkPreimage, type GpuJudge } from './gpu-judge.ts';
import type { OpenKernel } from './gpu-kernels.ts';

export interface Sample {
  /** Hashes a second: counting nonces and comparing on the GPU, as a miner does. */
  readonly searchRate: number;
  /** Hashes a second: header hashes go in, PoW hashes come out. */
  readonly hashRate: number;
  /** Hashes a second if there were nothing but the kernel's multiply-accumulates, on registers. */
  readonly peakRate: number | undefined;
  /** Of one core, while it searched: the main thread of the GPU's process. */
  readonly hostCpuPercent: number | undefined;
  /** A call with one hash. */
  readonly oneHashMs: number;
  /** From the abort of a search to its answer. */
  readonly abortMs: number;
  /** Hashes of the batches in flight, which an abort still waits for. */
  readonly inFlight: number;
  /** A new seed: its table made by the CPU, then the table taken and rearranged by the GPU. */
  readonly tableMs: number;
  readonly loadMs: number;
}

export interface RoundOptions {
  /** Length of each of the two long measurements. */
  readonly ms: number;
  /** Makes the seeds of one round differ from those of the others. */
  readonly round: number;
}

/** One hash in 256 meets it: enough to see that a search finds what it should. */
const TARGET: Target = 1n << 248n;
/** One in four: for searches over a few nonces. */
const EASY: Target = 1n << 254n;
const EASY_NONCES = 64;
/** A device that takes long searches fewer nonces. */
const EASY_MS = 2000;
/** More nonces than any search here gets through. */
const ENDLESS: NonceRange = { start: 0n, count: 2 ** 40 };
const WARM_UP_MS = 300;
const LOOK_MS = 20;
/** Into the first batches. */
const IN_FLIGHT_MS = 10;
const ONE_HASH_CALLS = 5;

const tables = async (seed: Uint8Array): Promise<MatrixTable> => buildMatrixTable(seed);

/** Known hashes, the extreme table, known nonces, and what else can be found. Rejects if any is wrong. */
export async function checkKernel(device: Device, judge: GpuJudge): Promise<void> {
  await selfTest(device, tables);
  await device.loadSeed(BENCHMARK_SEED, buildMatrixTable(BENCHMARK_SEED));
  const oneMs = await timeOfOneHash(device);
  const count = Math.max(4, Math.min(EASY_NONCES, Math.floor(EASY_MS / oneMs)));
  const search = await device.search(workFor(EASY), { start: 0n, count }, never());
  await judge.checkSearch(search, EASY);
}

/** Rejects `self-test` if anything was wrong, or with what the device failed with. */
export async function measureRound(
  { device, pid }: OpenKernel,
  { ms, round }: RoundOptions,
  judge: GpuJudge,
): Promise<Sample> {
  await device.loadSeed(BENCHMARK_SEED, buildMatrixTable(BENCHMARK_SEED));
  const inFlight = (await searchFor(device, IN_FLIGHT_MS, false)).result.scanned;
  await searchFor(device, WARM_UP_MS);
  const cpuBefore = pid === undefined ? undefined : mainThreadMs(pid);
  const search = await searchFor(device, ms);
  const cpuAfter = pid === undefined ? undefined : mainThreadMs(pid);
  await judge.checkSearch(search.result, TARGET);
  const parts = { now: () => performance.now(), onProgress: () => {}, signal: never() };
  const hashed = await measureDevice(device, { kind: 'time', ms }, parts);
  const oneHashMs = await timeOfOneHash(device);
  const seed = await changeSeed(device, round, judge);
  return {
    searchRate: (1000 * search.result.scanned) / search.elapsedMs,
    hashRate: (1000 * hashed.hashes) / hashed.elapsedMs,
    peakRate: await device.measurePeak?.(),
    hostCpuPercent:
      cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : (100 * (cpuAfter - cpuBefore)) / search.elapsedMs,
    oneHashMs,
    abortMs: search.abortMs,
    inFlight,
    ...seed,
  };
}

/** Searches without an end, and aborts after so long; `whole`: not before a batch has come back. */
async function searchFor(device: Device, ms: number, whole = true) {
  const { hashes } = device.telemetry();
  const abort = new AbortController();
  const start = performance.now();
  let hasEnded = false;
  const search = device.search(workFor(TARGET), ENDLESS, abort.signal).finally(() => {
    hasEnded = true;
  });
  // It ends by itself only if the device is lost, and that is heard of at once.
  await Promise.race([sleep(ms), search]);
  while (whole && !hasEnded && device.telemetry().hashes === hashes) await sleep(LOOK_MS);
  const abortedAt = performance.now();
  abort.abort();
  const result = await search;
  const end = performance.now();
  return { result, elapsedMs: end - start, abortMs: end - abortedAt };
}

/** Median of some calls. */
async function timeOfOneHash(device: Device): Promise<number> {
  const input = benchmarkInputs().slice(0, 32);
  const times: number[] = [];
  for (let i = 0; i < ONE_HASH_CALLS; i++) {
    const start = performance.now();
    await device.hash(BENCHMARK_SEED, input, new Uint8Array(32));
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[ONE_HASH_CALLS >> 1]!;
}

async function changeSeed(
  device: Device,
  round: number,
  judge: GpuJudge,
): Promise<Pick<Sample, 'tableMs' | 'loadMs'>> {
  const seed = new Uint8Array(32).fill(0x5e);
  seed[0] = round;
  const start = performance.now();
  const table = buildMatrixTable(seed);
  const built = performance.now();
  await device.loadSeed(seed, table);
  const loaded = performance.now();
  const input = benchmarkInputs().slice(0, 32);
  const out = new Uint8Array(32);
  await device.hash(seed, input, out);
  await judge.checkHash(table, input, out);
  return { tableMs: built - start, loadMs: loaded - built };
}

function workFor(target: Target): Work {
  const preimage = benchmarkPreimage();
  return { jobId: 'benchmark', generation: 1, preimage, seed: BENCHMARK_SEED, target };
}

function never(): AbortSignal {
  return new AbortController().signal;
}
