/**
 * `npm run bench:cpu`: the figures of the CPU kernels on this machine.
 *
 * Every hash is compared with stored values before any figure is printed. The tiers are measured in
 * turn, several rounds, so that a drift of the machine's clock hits all alike; printed are the
 * median and the range. `-- --compare CMD` runs another program inside the same rounds: a shell
 * command whose output holds a line `… 1 thread: X H/s` (and `2 threads`).
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createCpuDriver } from '../../drivers/cpu.ts';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import { runBenchmark } from '../../src/cli/benchmark-command.ts';
import { createTables } from '../../src/cli/devices.ts';
import { cpuTuning, openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable, buildMatrixTableWith } from '../../src/tensority/table-builder.ts';
import { SMIX_FORMS } from '../../src/tensority/wasm/smix-kernel.ts';
import type { TierName } from '../../src/tensority/wasm/tiers.ts';
import { Samples } from './samples.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/miner.js', import.meta.url));

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    compare: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const durationMs = 1000 * Number(flags.seconds);
const cores = availableParallelism();
const tables = createTables();
const samples = new Samples(2);

console.log(`CPU      ${cpus()[0]?.model ?? 'unknown'}, ${cores} cores`);
console.log(`Node     ${process.versions.node}, V8 ${process.versions.v8}`);
console.log(`Runs     ${rounds} rounds of ${flags.seconds} s each, seed of heights up to 256\n`);

const tuning = cpuTuning();
for (const { name, reason } of tuning.failed) console.log(`${name} is left out: ${reason}`);
const tiers = tuning.tiers.map((tuned) => tuned.tier.name);
const threadCounts = cores > 1 ? [1, cores] : [1];

for (let round = 0; round < rounds; round++) {
  for (const tier of tiers) for (const threads of threadCounts) await measureTier(tier, threads);
  if (flags.compare !== undefined) measureOther(flags.compare);
  await measureSeed();
  measureColdStart();
}
await measureMemory();
console.log(samples.text());

async function measureTier(tier: TierName, threads: number): Promise<void> {
  const device = await createCpuDriver({ tier, threads }).open('cpu', { batchMs: 250 });
  try {
    const result = await runBenchmark(
      device,
      { durationMs },
      {
        tables,
        now: () => performance.now(),
        onProgress: () => {},
        signal: new AbortController().signal,
      },
    );
    const name = `${tier} ${threads} thread${threads === 1 ? '' : 's'}`;
    add(`${name} [H/s]`, result.hashesPerSecond);
    add(`${name} [% of peak]`, 100 * (result.fractionOfPeak ?? Number.NaN));
  } finally {
    await device.close();
  }
}

/** Seed to packed matrices: the table, then the packing by all threads, as a miner does it. */
async function measureSeed(): Promise<void> {
  const hasher = openCpuHasher({ slots: 1 });
  try {
    const seed = new Uint8Array(32);
    await hasher.loadSeed(INITIAL_SEED, buildMatrixTable(INITIAL_SEED));
    for (const form of SMIX_FORMS) {
      buildMatrixTableWith(form, seed); // compiles
      const start = performance.now();
      buildMatrixTableWith(form, seed);
      add(`table, ${form} [ms]`, performance.now() - start);
    }
    seed[0] = samples.count('seed to usable matrices [ms]') + 1;
    const start = performance.now();
    await hasher.loadSeed(seed, buildMatrixTable(seed));
    add('seed to usable matrices [ms]', performance.now() - start);
  } finally {
    await hasher.close();
  }
}

/** From starting the program to its first checked hash and its end: `--benchmark 1`. */
function measureColdStart(): void {
  const start = performance.now();
  execFileSync(process.execPath, [PROGRAM, '--device', 'cpu', '--benchmark', '1', '--json']);
  add('start, tuning, one hash, end [ms]', performance.now() - start);
}

/** Resident memory of a process that has been mining for some seconds (Linux only). */
async function measureMemory(): Promise<void> {
  const miner = spawn(process.execPath, [PROGRAM, '--dummy', '--device', 'cpu'], {
    stdio: 'ignore',
  });
  await new Promise((resolve) => setTimeout(resolve, 8000));
  try {
    const status = readFileSync(`/proc/${miner.pid}/status`, 'utf8');
    for (const [field, label] of [
      ['VmRSS', 'memory while mining [MB RSS]'],
      ['VmHWM', 'peak memory while mining [MB RSS]'],
    ] as const) {
      const kib = new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1];
      if (kib !== undefined) add(label, Number(kib) / 1024);
    }
  } catch {
    console.log('memory is not measured: no /proc here');
  }
  miner.kill('SIGINT');
  await new Promise((resolve) => miner.once('exit', resolve));
}

function measureOther(command: string): void {
  const output = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
  for (const line of output.split('\n')) {
    const parts = /^(.*thread\S*.*?):\s+([\d.]+) H\/s/.exec(line.trim());
    if (parts !== null) add(`${parts[1]} [H/s]`, Number(parts[2]));
  }
}

function add(name: string, value: number): void {
  samples.add(name, value);
}
