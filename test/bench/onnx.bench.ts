/**
 * `npm run bench:onnx`: what ONNX Runtime's CPU provider reaches on this machine.
 *
 * Every hash is compared with stored values before any figure is printed. The kernels, and the WASM
 * kernel of the device `cpu` beside them, are measured in turn, several rounds, so that a drift of the
 * machine hits all alike; printed are the median and the range.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createCpuDriver } from '../../drivers/cpu.ts';
import type { Driver } from '../../drivers/driver.ts';
import { createOnnxDriver } from '../../drivers/onnx/driver.ts';
import { kernelNamed, kernelsFor, modelOf } from '../../drivers/onnx/kernels.ts';
import { loadRuntime } from '../../drivers/onnx/runtime.ts';
import { settingsFor } from '../../drivers/onnx/session-settings.ts';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import { type BenchmarkResult, runBenchmark } from '../../src/cli/benchmark-command.ts';
import { createTables } from '../../src/cli/devices.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { processTreeBytes } from './process-memory.ts';
import { Samples } from './samples.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/miner.js', import.meta.url));
/** By threads. */
const TARGETS: Readonly<Record<number, string>> = { 1: '>= 50', 2: '>= 85' };

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    kernels: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const durationMs = 1000 * Number(flags.seconds);
const cores = availableParallelism();
const threadCounts = cores > 1 ? [1, cores] : [1];
const tables = createTables();
const samples = new Samples();
const folder = mkdtempSync(join(tmpdir(), 'bytom-bench-'));
const kernels = (
  flags.kernels?.split(',') ??
  kernelsFor('cpu')
    .filter(({ isSpare }) => !isSpare)
    .map(({ name }) => name)
).map((name) => {
  const kernel = kernelNamed(name, 'cpu');
  if (kernel === undefined) throw new Error(`--kernels: ${name} is no kernel of the CPU provider`);
  return kernel;
});

try {
  const { runtime } = await loadRuntime();
  if (runtime === undefined) throw new Error('onnxruntime-node is not installed');
  console.log(`CPU      ${cpus()[0]?.model ?? 'unknown'}, ${cores} cores`);
  console.log(`Node     ${process.versions.node}, ONNX Runtime ${runtime.version}`);
  console.log(`Runs     ${rounds} rounds of ${flags.seconds} s each\n`);
  for (let round = 0; round < rounds; round++) {
    for (const threads of threadCounts) {
      for (const { name } of kernels) await measureKernel(name, threads);
      await measureCpu(threads);
    }
    await measureSession();
    await measureSeed();
    measureStart();
  }
  await measureMemory();
  console.log(samples.text());
} finally {
  rmSync(folder, { recursive: true });
}

async function measureKernel(kernel: string, threads: number): Promise<void> {
  const result = await measure(createOnnxDriver({ kernel, threads }), 'onnx0');
  // Meant for whichever kernel wins.
  const target = kernel === kernels[0]?.name ? (TARGETS[threads] ?? '') : '';
  samples.add(`onnx0 ${kernel}, ${threadText(threads)} [H/s]`, result.hashesPerSecond, target);
}

async function measureCpu(threads: number): Promise<void> {
  const result = await measure(createCpuDriver({ threads }), 'cpu');
  samples.add(`cpu ${result.kernel}, ${threadText(threads)} [H/s]`, result.hashesPerSecond);
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
async function measureSession(): Promise<void> {
  const { runtime } = await loadRuntime();
  const [kernel] = kernels;
  const start = performance.now();
  const session = await runtime!.open(modelOf(kernel!), settingsFor('cpu', kernel!, []));
  samples.add('network to session [ms]', performance.now() - start, '<= 1000');
  await session.release();
}

/** Seed to usable matrices, the table included, without a new session. */
async function measureSeed(): Promise<void> {
  const driver = createOnnxDriver({ kernel: kernels[0]!.name });
  const device = await driver.open('onnx0', { batchMs: 250 });
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
  await new Promise((resolve) => setTimeout(resolve, 8000));
  try {
    const bytes = processTreeBytes(miner.pid!);
    samples.add('memory while mining, all processes [MB]', bytes / 2 ** 20, '<= 400');
  } catch {
    console.log('memory is not measured: the miner has ended, or no /proc is here');
  }
  miner.kill('SIGINT');
  await new Promise((resolve) => miner.once('exit', resolve));
}

function threadText(threads: number): string {
  return `${threads} thread${threads === 1 ? '' : 's'}`;
}
