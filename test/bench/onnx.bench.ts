/**
 * `npm run bench:onnx`: what ONNX Runtime's CPU provider reaches on this machine.
 *
 * Every hash is compared with stored values before any figure is printed. The kernels, and the WASM
 * kernel of the device `cpu` beside them, are measured in turn, several rounds, so that a drift of the
 * machine hits all alike; printed are the median and the range.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCHMARK_SEED } from '../../drivers/benchmark-inputs.ts';
import { createCpuDriver } from '../../drivers/cpu.ts';
import type { Driver } from '../../drivers/driver.ts';
import { createOnnxDriver } from '../../drivers/onnx/driver.ts';
import { kernelNamed, kernelsFor, modelOf } from '../../drivers/onnx/kernels.ts';
import { loadRuntime, type OnnxRuntime } from '../../drivers/onnx/runtime.ts';
import { settingsFor } from '../../drivers/onnx/session-settings.ts';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import { type BenchmarkResult, runBenchmark } from '../../src/cli/benchmark-command.ts';
import { createTables } from '../../src/cli/devices.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { errorText } from '../../src/util/errors.ts';
import { processTreeBytes } from './process-memory.ts';
import { Samples } from './samples.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/miner.js', import.meta.url));
/** For the fastest kernel, by threads. */
const TARGETS: Readonly<Record<number, string>> = { 1: '>= 50', 2: '>= 85' };

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    kernels: { type: 'string' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const durationMs = 1000 * countOf('seconds', flags.seconds);
const cores = availableParallelism();
const threadCounts = cores > 1 ? [1, cores] : [1];
const tables = createTables();
const samples = new Samples();
const folder = mkdtempSync(join(tmpdir(), 'bytom-bench-'));

try {
  const { runtime } = await loadRuntime();
  if (runtime === undefined) throw new Error('onnxruntime-node is not installed');
  console.log(`CPU      ${cpus()[0]?.model ?? 'unknown'}, ${cores} cores`);
  console.log(`Node     ${process.versions.node}, ONNX Runtime ${runtime.version}`);
  console.log(`Seed     ${bytesToHex(BENCHMARK_SEED)}`);
  console.log(
    `Runs     ${rounds} rounds of ${flags.seconds} s each, batches of some 250 ms, after a warm-up\n`,
  );
  const kernels = await rightKernels();
  for (let round = 0; round < rounds; round++) {
    for (const threads of threadCounts) {
      const cpu = await measureCpu(threads);
      let best = 0;
      for (const kernel of kernels) best = Math.max(best, await measureKernel(kernel, threads));
      const name = `onnx0, fastest kernel, ${threadText(threads)}`;
      samples.add(`${name} [H/s]`, best, TARGETS[threads]);
      samples.add(`${name} [% of cpu in the same round]`, (100 * best) / cpu);
    }
    await measureSession(runtime, kernels[0]!);
    await measureSeed(kernels[0]!);
    measureStart();
  }
  await measureMemory();
  console.log(samples.text());
} finally {
  rmSync(folder, { recursive: true });
}

/** The kernels to measure: those that are asked for, or that are usually tried and right here. */
async function rightKernels(): Promise<readonly string[]> {
  const all = kernelsFor('cpu');
  const usual = all.filter(({ isSpare }) => !isSpare).map(({ name }) => name);
  const spare = all.filter(({ isSpare }) => isSpare).map(({ name }) => name);
  for (const names of flags.kernels === undefined ? [usual, spare] : [flags.kernels.split(',')]) {
    const right: string[] = [];
    for (const name of names) {
      try {
        const device = await createOnnxDriver({ kernel: name }).open('onnx0', { batchMs: 250 });
        await device.close();
        right.push(name);
      } catch (error) {
        console.log(`${name} is left out: ${errorText(error)}`);
      }
    }
    if (right.length > 0) return right;
  }
  throw new Error('no kernel is right here');
}

async function measureKernel(kernel: string, threads: number): Promise<number> {
  const { hashesPerSecond } = await measure(createOnnxDriver({ kernel, threads }), 'onnx0');
  samples.add(`onnx0 ${kernel}, ${threadText(threads)} [H/s]`, hashesPerSecond);
  return hashesPerSecond;
}

async function measureCpu(threads: number): Promise<number> {
  const result = await measure(createCpuDriver({ threads }), 'cpu');
  samples.add(`cpu ${result.kernel}, ${threadText(threads)} [H/s]`, result.hashesPerSecond);
  return result.hashesPerSecond;
}

async function measure(driver: Driver, id: string): Promise<BenchmarkResult> {
  const device = await driver.open(id, { batchMs: 250 });
  try {
    return await runBenchmark(
      device,
      { durationMs },
      {
        tables,
        now: () => performance.now(),
        onProgress: () => {},
        signal: new AbortController().signal,
      },
    );
  } finally {
    await device.close();
  }
}

/** From the description of the network to a session that can run. */
async function measureSession(runtime: OnnxRuntime, name: string): Promise<void> {
  const kernel = kernelNamed(name, 'cpu')!;
  const start = performance.now();
  const session = await runtime.open(modelOf(kernel), settingsFor('cpu', kernel, []));
  samples.add('network to session [ms]', performance.now() - start, '<= 1000');
  await session.release();
}

/** Seed to usable matrices, the table included, without a new session. */
async function measureSeed(kernel: string): Promise<void> {
  const device = await createOnnxDriver({ kernel }).open('onnx0', { batchMs: 250 });
  try {
    await device.loadSeed(INITIAL_SEED, buildMatrixTable(INITIAL_SEED));
    const seed = new Uint8Array(32).fill(samples.count('seed to usable matrices [ms]') + 1);
    const start = performance.now();
    await device.loadSeed(seed, buildMatrixTable(seed));
    samples.add('seed to usable matrices [ms]', performance.now() - start, '<= 60');
  } finally {
    await device.close();
  }
}

/** From starting the program to its first checked hash and its end, with nothing known and again. */
function measureStart(): void {
  const cache = mkdtempSync(join(folder, 'cache-'));
  const env = { ...process.env, XDG_CACHE_HOME: cache };
  const args = [PROGRAM, '--device', 'onnx0', '--benchmark', '1', '--json'];
  for (const name of ['kernels tried', 'kernel remembered']) {
    const start = performance.now();
    execFileSync(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
    samples.add(`start, one hash, end, ${name} [ms]`, performance.now() - start);
  }
}

/** Memory of a miner and its processes that have been mining for some seconds (Linux only). */
async function measureMemory(): Promise<void> {
  const miner = spawn(process.execPath, [PROGRAM, '--dummy', '--device', 'onnx0'], {
    stdio: 'ignore',
  });
  // From now on: it may end by itself.
  const exited = once(miner, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 8000));
  try {
    const bytes = processTreeBytes(miner.pid!);
    samples.add('memory while mining, all processes [MiB]', bytes / 2 ** 20, '<= 400');
  } catch {
    console.log('memory is not measured: the miner has ended, or no /proc is here');
  }
  miner.kill('SIGINT');
  await exited;
}

function countOf(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  console.error(`${name}: expected a number above 0, got "${text}"`);
  process.exit(2);
}

function threadText(threads: number): string {
  return `${threads} thread${threads === 1 ? '' : 's'}`;
}
