/**
 * `npm run bench:node`: the figures of the node on this machine.
 *
 * Every result is compared with what the reference node came to before a figure is printed. The hash
 * rate is measured in the same rounds as the import it is compared with, before and after it. `--
 * --rounds N` repeats everything (default 1), `--only known,signatures` leaves the others out.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openTested } from '../../drivers/open.ts';
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { runBenchmark } from '../../src/cli/benchmark-command.ts';
import { createTables, driverTable } from '../../src/cli/devices.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig, openStore } from '../support/chain-rig.ts';
import {
  decodeAll,
  knownHasher,
  SOLONET_CHAIN_FILE,
  solonetChain,
} from '../support/solonet-chain.ts';
import { type Coin, coinOf, FEE, keyOwner, transaction } from '../support/spending.ts';
import {
  type LiveBench,
  measurePeers,
  measureRelay,
  measureRestart,
  measureSync,
  measureTemplates,
} from './node-live.ts';
import { Samples } from './samples.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/node.js', import.meta.url));
const PARTS = [
  ...['import', 'known', 'signatures'],
  ...['sync', 'restart', 'relay', 'templates', 'peers'],
] as const;

/** As many under way as an import has. */
const WINDOW = 512;
/** Runs of what takes less than a second or two, per round. */
const QUICK_RUNS = 5;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '8' },
    only: { type: 'string', default: PARTS.join(',') },
  },
});
const rounds = Number(flags.rounds);
const only = new Set(flags.only.split(','));
const vector = solonetChain();
const samples = new Samples();
const folder = mkdtempSync(join(tmpdir(), 'bytom-bench-'));
let runs = 0;
let built: SignatureBlocks | undefined;
const live: LiveBench = {
  vector,
  directory: (name) => join(folder, `${name}-${runs++}`),
  check,
  add,
  checkStore,
  hashRate,
};

console.log(`CPU      ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`);
console.log(`Node     ${process.versions.node}, V8 ${process.versions.v8}`);
console.log(`Runs     ${rounds} of the import, ${rounds * QUICK_RUNS} of the others`);
console.log(`Chain    ${vector.blocks.length} blocks of solonet, every result checked\n`);

try {
  for (let round = 0; round < rounds; round++) {
    if (only.has('import')) await measureImport();
    for (let run = 0; run < QUICK_RUNS; run++) if (only.has('known')) await measureKnown();
    for (let run = 0; run < QUICK_RUNS; run++)
      if (only.has('signatures')) await measureSignatures();
    if (only.has('sync')) await measureSync(live);
    if (only.has('restart')) await measureRestart(live, QUICK_RUNS);
    if (only.has('relay')) await measureRelay(live);
    if (only.has('templates')) await measureTemplates(live, QUICK_RUNS);
    if (only.has('peers')) await measurePeers(live);
  }
  console.log(samples.text());
} finally {
  rmSync(folder, { recursive: true });
}

/** The program itself on the cpu device, between two measurements of that device alone. */
async function measureImport(): Promise<void> {
  const before = await hashRate();
  const directory = join(folder, `import-${runs++}`);
  const { seconds, cpuSeconds, peakMegabytes } = await runImport(directory);
  const after = await hashRate();
  await checkStore(LmdbKv.open(directory, { readOnly: true }));
  const proofs = vector.blocks.length - 1;
  const rate = proofs / seconds;
  for (const { perSecond } of [before, after]) add('hash rate, --benchmark [H/s]', '', perSecond);
  add('import, all checks [blocks/s]', '', rate);
  const ratio = (of: keyof HashRate, value: number): number =>
    (200 * value) / (before[of] + after[of]);
  add('import : hash rate [%]', '≥ 90', ratio('perSecond', rate));
  if (cpuSeconds !== undefined) {
    // What is lost to anything but hashing; the same where nothing else runs on the machine.
    add('the same by CPU time [%]', '', ratio('perCpuSecond', proofs / cpuSeconds));
  }
  if (peakMegabytes !== undefined) {
    add('peak memory of the import [MB RSS]', '≤ 400', peakMegabytes);
  }
}

interface HashRate {
  readonly perSecond: number;
  /** Of all threads together. */
  readonly perCpuSecond: number;
}

async function hashRate(): Promise<HashRate> {
  const tables = createTables();
  const signal = new AbortController().signal;
  const drivers = driverTable({ revectorize: true });
  const device = await openTested('cpu', { batchMs: 250, signal }, { drivers, tables });
  try {
    const cpuStart = process.cpuUsage();
    const { hashes, hashesPerSecond } = await runBenchmark(
      device,
      { durationMs: 1000 * Number(flags.seconds) },
      { tables, now: () => performance.now(), onProgress: () => {}, signal },
    );
    const { user, system } = process.cpuUsage(cpuStart);
    return { perSecond: hashesPerSecond, perCpuSecond: (1e6 * hashes) / (user + system) };
  } finally {
    await device.close();
  }
}

interface ImportRun {
  readonly seconds: number;
  /** These two where there is a /proc to tell. */
  readonly cpuSeconds: number | undefined;
  readonly peakMegabytes: number | undefined;
}

async function runImport(directory: string): Promise<ImportRun> {
  const args = ['--network', 'solonet', '--data', directory, 'import', SOLONET_CHAIN_FILE];
  const child = spawn(process.execPath, [PROGRAM, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  let cpuSeconds: number | undefined;
  let peakMegabytes: number | undefined;
  const look = setInterval(() => {
    const cpu = cpuTime(child.pid);
    if (cpu !== undefined) cpuSeconds = cpu;
    const peak = peakMemory(child.pid);
    if (peak !== undefined) peakMegabytes = peak;
  }, 50);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(look);
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  check('exit code of the import', 0, code);
  const result = JSON.parse(last) as {
    readonly height: number;
    readonly hash: string;
    readonly seconds: number;
  };
  check('height', vector.best_height, result.height);
  check('tip', vector.best_hash, result.hash);
  return { seconds: result.seconds, cpuSeconds, peakMegabytes };
}

function peakMemory(pid: number | undefined): number | undefined {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/** Seconds of CPU that the threads of a process have used, start and self-test included. */
function cpuTime(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    // utime and stime, in hundredths of a second on every Linux that Node runs on.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

/** From raw blocks to a database on disk, everything but the hashing. */
async function measureKnown(): Promise<void> {
  const directory = join(folder, `known-${runs++}`);
  const rig = new ChainRig({ hasher: knownHasher(vector), kv: LmdbKv.open(directory) });
  const start = performance.now();
  const blocks = decodeAll(vector).slice(1);
  await submitAll(rig, blocks);
  rig.chain.flush();
  const seconds = (performance.now() - start) / 1000;
  await rig.close();
  await checkStore(LmdbKv.open(directory, { readOnly: true }));
  add('import, proofs of work known [blocks/s]', '≥ 2000', blocks.length / seconds);
}

/** Blocks full of inputs with one key each, from raw blocks to connected ones, on this one thread. */
async function measureSignatures(): Promise<void> {
  const { builder, raw, inputs } = signatureBlocks();
  const rig = new ChainRig({ hasher: builder.pow.hasher({ maxBatch: 64 }), kv: new MemoryKv() });
  await submitAll(rig, builder.blocks.slice(1, builder.blocks.length - raw.length));
  const start = performance.now();
  const cpuStart = process.threadCpuUsage();
  await submitAll(
    rig,
    raw.map((bytes) => decodeBlock(bytes)),
  );
  const { user, system } = process.threadCpuUsage(cpuStart);
  const seconds = (performance.now() - start) / 1000;
  check('tip of the signature blocks', bytesToHex(builder.tip.hash), rig.tipHash);
  check('height of the signature blocks', builder.height, rig.chain.tip.header.height);
  await rig.close();
  add('signature spends [inputs/s]', '', inputs / seconds);
  // What a core of its own would do: the same number where nothing else runs.
  add('signature spends, one core [inputs/s of CPU]', '≥ 5000', (1e6 * inputs) / (user + system));
}

interface SignatureBlocks {
  readonly builder: ChainBuilder;
  /** The last blocks, in their wire form: those with the inputs. */
  readonly raw: readonly Uint8Array[];
  readonly inputs: number;
}

/** 4000 coins of 50 keys, 20 a transaction: with more, their programs need more gas than the credit. */
function signatureBlocks(): SignatureBlocks {
  if (built !== undefined) return built;
  const [keys, inputsEach, rounds] = [50, 20, 4];
  const owners = Array.from({ length: keys }, (_, i) => keyOwner(i + 1));
  const builder = new ChainBuilder();
  builder.extend(100 + keys * rounds);
  const raw: Uint8Array[] = [];
  let inputs = 0;
  for (let round = 0; round < rounds; round++) {
    const fans = owners.map((owner, i) => {
      const coin = builder.coinbase(1 + round * keys + i);
      const amount = (coin.amount - FEE) / BigInt(inputsEach);
      const to = Array.from({ length: inputsEach }, () => ({ to: owner, amount }));
      return { owner, tx: transaction({ from: [coin], to }) };
    });
    builder.block({ transactions: fans.map(({ tx }) => tx) });
    const spends = fans.map(({ owner, tx }) => {
      const from: Coin[] = tx.outputs.map((_, i) => coinOf(tx, i, owner));
      const total = from.reduce((sum, coin) => sum + coin.amount, 0n);
      inputs += from.length;
      return transaction({ from, to: [{ to: owner, amount: total - FEE }] });
    });
    builder.block({ transactions: spends });
  }
  for (const block of builder.blocks.slice(-2 * rounds)) raw.push(encodeBlock(block));
  built = { builder, raw, inputs };
  return built;
}

async function submitAll(rig: ChainRig, blocks: readonly Block[]): Promise<void> {
  for (let at = 0; at < blocks.length; at += WINDOW) {
    for (const outcome of await rig.submitAll(blocks.slice(at, at + WINDOW))) {
      check('outcome of a block', 'connected', outcome);
    }
  }
}

/** The stored chain is that of the reference, unspent outputs and all. */
async function checkStore(kv: LmdbKv): Promise<void> {
  const store = openStore(kv);
  const { count, digest } = store.utxoSummary();
  check('stored tip', vector.best_hash, bytesToHex(store.tip().hash));
  check('unspent outputs', vector.utxo_count_at_best, count);
  check('digest of the unspent outputs', vector.utxo_digest_at_best, bytesToHex(digest));
  const last = vector.blocks.at(-1)!;
  const bytes = store.blockBytes(hexToBytes(last.hash, 'hash'));
  check('last block', last.raw_block, bytes === undefined ? undefined : bytesToHex(bytes));
  await store.close();
}

function check(what: string, expected: unknown, got: unknown): void {
  if (got === expected) return;
  throw new Error(`${what}: expected ${String(expected)}, got ${String(got)}: no figures`);
}

function add(name: string, target: string, value: number): void {
  samples.add(name, value, target);
}
