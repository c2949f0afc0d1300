/**
 * `npm run bench:serial`: what boards reach that run our firmware on an emulated processor, or as a program
 * of this machine; what they cost their host; how soon they mine again after a bad line and a replug.
 *
 * Every hash and every nonce of the first and of those under bad lines is compared with a kernel of this
 * machine before a figure is printed. What the host's cost and the replugs are measured with is compared by
 * the driver's audits and the miner's own check of every share, and none may be wrong.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCHMARK_SEED } from '../../drivers/benchmark-inputs.ts';
import type { Device, Work } from '../../drivers/driver.ts';
import { createSerialDriver } from '../../drivers/serial/driver.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import {
  type MachineName,
  machines,
  type RunningMachine,
  startMachine,
} from '../../firmware-bridge/sim/emulator.ts';
import {
  type FaultyPort,
  faultyPort,
  type LineFaults,
} from '../../firmware-bridge/sim/line-faults.ts';
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesEqual, bytesToHex, writeU64 } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { Samples } from './samples.ts';

const MINER = fileURLToPath(new URL('../../src/cli/miner.js', import.meta.url));
const BATCH_MS = 250;
/** Half of all hashes meet it: enough nonces to check, and to lose. */
const HALF = 1n << 255n;
const NONE = -1n;
const COMPILERS: Readonly<Record<MachineName, string | undefined>> = {
  virt: 'riscv64-unknown-elf-',
  'mps2-an385': 'arm-none-eabi-',
  'mps2-an505': 'arm-none-eabi-',
  native: undefined,
};
/** Each for a second, on a line that is good before and after. */
const FAULTS: Readonly<Record<string, LineFaults>> = {
  'lost bytes': { dropByte: 0.02, dropRun: 0.2 },
  'changed bits': { flipBit: 0.02 },
  'bytes twice': { repeatByte: 0.02, repeatChunk: 0.3 },
  'bytes from nowhere': { insertByte: 0.02 },
  'split and late': { split: 0.5, delay: 0.5 },
  'all of it': { dropByte: 0.01, flipBit: 0.01, repeatChunk: 0.2, insertByte: 0.01, delay: 0.3 },
};

const { values: flags } = parseArgs({
  options: {
    machines: { type: 'string', default: 'virt,mps2-an385,mps2-an505,native' },
    hashes: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '120' },
    rounds: { type: 'string', default: '5' },
    replugs: { type: 'string', default: '5' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'bench-serial-'));
const samples = new Samples(2);
const table = buildMatrixTable(BENCHMARK_SEED);
const judge = openConfirmingHasher(undefined);
const never = new AbortController().signal;

try {
  console.log(`CPU      ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`);
  console.log(`Node     ${process.versions.node}`);
  console.log(`Seed     ${bytesToHex(BENCHMARK_SEED)}\n`);
  await judge.loadSeed(BENCHMARK_SEED, table);
  const names = flags.machines.split(',') as readonly MachineName[];
  for (const { machine, missing } of await machines()) {
    if (!names.includes(machine)) continue;
    if (missing !== undefined) console.log(`${machine} is left out: it needs ${missing}`);
    else await measureMachine(machine);
  }
  const first = names.includes('virt') ? 'virt' : names[0];
  if (first !== undefined) await measureHost(first, Number(flags.seconds));
  if (names.includes('native')) {
    await measureFaults(Number(flags.rounds));
    await measureReplug(Number(flags.replugs));
  }
  console.log(samples.text());
} finally {
  await judge.close();
  rmSync(folder, { recursive: true });
}

/** Sizes of its image, and its seeds and hashes. */
async function measureMachine(machine: MachineName): Promise<void> {
  await withMachine(machine, async ({ address, image }) => {
    addSizes(machine, image);
    const device = await createSerialDriver().open(`serial:${address}`, { batchMs: BATCH_MS });
    try {
      for (let i = 0; i < Number(flags.hashes); i++) {
        const began = performance.now();
        await device.loadSeed(BENCHMARK_SEED, table);
        // The same seed again costs nothing: only the first time says something.
        if (i === 0) samples.add(`${machine}, a seed [s]`, (performance.now() - began) / 1000);
        const headerHash = headerHashOf(BigInt(i));
        const out = new Uint8Array(32);
        const start = performance.now();
        await device.hash(BENCHMARK_SEED, headerHash, out);
        const seconds = (performance.now() - start) / 1000;
        check(bytesEqual(out, await hashOf(headerHash)), `${machine} computed a wrong hash`);
        samples.add(`${machine}, a hash [s]`, seconds, machine === 'virt' ? '<= 10' : '');
      }
    } finally {
      await device.close();
    }
  });
}

function addSizes(machine: MachineName, image: string): void {
  const prefix = COMPILERS[machine];
  if (prefix === undefined) return;
  const line = execFileSync(`${prefix}size`, [image], { encoding: 'utf8' }).split('\n')[1] ?? '';
  const [text = 0, data = 0, bss = 0] = line.trim().split(/\s+/).map(Number);
  const isJudged = machine === 'virt';
  samples.add(`${machine}, text [KB]`, text / 1000, isJudged ? '<= 16' : '');
  samples.add(
    `${machine}, RAM, stack included [KiB]`,
    (data + bss) / 1024,
    isJudged ? '<= 220' : '',
  );
}

/** What one board that mines costs this process, its audits included. */
async function measureHost(machine: MachineName, seconds: number): Promise<void> {
  await withMachine(machine, async ({ address }) => {
    const device = await createSerialDriver().open(`serial:${address}`, { batchMs: BATCH_MS });
    try {
      await device.loadSeed(BENCHMARK_SEED, table);
      const stop = AbortSignal.timeout(1000 * seconds);
      const before = process.cpuUsage();
      const began = performance.now();
      await device.search(workWith(NONE), { start: 0n, count: 2 ** 32 }, stop);
      const elapsedMs = performance.now() - began;
      const { user, system } = process.cpuUsage(before);
      const { hashes, mismatches } = device.telemetry();
      check(hashes > 0 && mismatches === 0, `${hashes} hashes, ${mismatches} of them wrong`);
      const name = `host, one ${machine} board for ${seconds} s [% of a core]`;
      samples.add(name, (100 * (user + system)) / 1000 / elapsedMs, '<= 1');
    } finally {
      await device.close();
    }
  });
}

/** A second of each kind of fault under a search, then the time to the next hash that counts. */
async function measureFaults(rounds: number): Promise<void> {
  await withMachine('native', async ({ address }) => {
    for (const [name, faults] of Object.entries(FAULTS)) {
      let port: FaultyPort | undefined;
      const openBad = async (where: string): Promise<FaultyPort> => {
        port = faultyPort(await openPort(where), {
          faults,
          random: Math.random,
          clock: systemClock,
        });
        port.isGood = true;
        return port;
      };
      const driver = createSerialDriver({}, { openPort: openBad });
      const device = await driver.open(`serial:${address}`, { batchMs: BATCH_MS });
      try {
        await device.loadSeed(BENCHMARK_SEED, table);
        const stop = new AbortController();
        const found: bigint[] = [];
        const search = device.search(
          workWith(HALF),
          { start: 0n, count: 2 ** 32 },
          stop.signal,
          (nonce) => found.push(nonce),
        );
        let done = 0;
        for (let round = 0; round < rounds; round++) {
          await systemClock.sleep(500);
          if (port !== undefined) port.isGood = false;
          await systemClock.sleep(1000);
          if (port !== undefined) port.isGood = true;
          const hashes = device.telemetry().hashes;
          const began = performance.now();
          await untilHashed(device, hashes);
          samples.add(`after ${name} [s]`, (performance.now() - began) / 1000, '<= 2');
          done = port?.faults ?? 0;
        }
        check(done > 0, `${name}: no fault`);
        stop.abort();
        const { scanned, nonces } = await search;
        await checkNonces(nonces, scanned);
        // One that is given out again when the search ends was told of, and is not scanned yet.
        for (const nonce of found) {
          const isRight = meetsTarget(await hashOf(headerHashOf(nonce)), HALF);
          check(isRight && (nonce >= scanned || nonces.includes(nonce)), `${name}: nonce ${nonce}`);
        }
      } finally {
        await device.close();
      }
    }
  });
}

/** A miner's board is killed and booted again: from the start of its program to its next share. */
async function measureReplug(times: number): Promise<void> {
  const socket = join(folder, 'replug.sock');
  const options = { directory: folder, socket };
  let board = await startMachine('native', options);
  const miner = spawn(process.execPath, [
    MINER,
    ...['--dummy', '--difficulty', '1', '--log-cycle', '0', '--device', `serial:unix:${socket}`],
  ]);
  miner.stderr.resume();
  const shares = readShares(createInterface({ input: miner.stdout }));
  try {
    await shares.after(0);
    for (let i = 0; i < times; i++) {
      board.kill();
      await board.ended;
      await systemClock.sleep(3000);
      // Shares that the old board had found are all told by now.
      const began = performance.now();
      board = await startMachine('native', options);
      const at = await shares.after(began);
      const name = 'replugged board, to its next accepted share [s]';
      samples.add(name, (at - began) / 1000, '<= 5');
    }
  } finally {
    miner.kill('SIGINT');
    await board.stop();
  }
  check(shares.wrong() === 0, `${shares.wrong()} shares were wrong`);
}

interface ShareLog {
  /** Shares that were rejected, and nonces that were wrong, by the last count. */
  readonly wrong: () => number;
  /** The moment of the first share after this one. */
  readonly after: (began: number) => Promise<number>;
}

/** When a miner's shares were accepted, by its log. */
function readShares(lines: Interface): ShareLog {
  const times: number[] = [];
  let wrong = 0;
  let isOver = false;
  let wake = (): void => {};
  lines.on('line', (line) => {
    const counts = /\(\d+\/(\d+)\/\d+\/(\d+)\)/.exec(line);
    if (counts !== null) wrong = Number(counts[1]) + Number(counts[2]);
    if (/\baccepted\b/.test(line)) times.push(performance.now());
    wake();
  });
  lines.on('close', () => {
    isOver = true;
    wake();
  });
  return {
    wrong: () => wrong,
    after: async (began) => {
      for (;;) {
        const found = times.find((at) => at > began);
        if (found !== undefined) return found;
        check(!isOver, 'the miner has ended');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Exactly the nonces of 0 … scanned − 1 whose hash meets the target. */
async function checkNonces(nonces: readonly bigint[], scanned: number): Promise<void> {
  for (let nonce = 0n; nonce < BigInt(scanned); nonce++) {
    const isShare = meetsTarget(await hashOf(headerHashOf(nonce)), HALF);
    check(nonces.includes(nonce) === isShare, `nonce ${nonce} is ${isShare ? 'missing' : 'wrong'}`);
  }
}

async function untilHashed(device: Device, hashes: number): Promise<void> {
  const until = performance.now() + 60_000;
  while (device.telemetry().hashes <= hashes) {
    check(performance.now() < until, 'no hash for a minute');
    await systemClock.sleep(5);
  }
}

function workWith(target: bigint): Work {
  return {
    jobId: 'bench',
    generation: 1,
    preimage: new Uint8Array(136),
    seed: BENCHMARK_SEED,
    target,
  };
}

/** The header hash of a nonce of that work. */
function headerHashOf(nonce: bigint): Uint8Array {
  const preimage = new Uint8Array(136);
  writeU64(preimage, PREIMAGE_NONCE_OFFSET, nonce);
  return preimageHash(preimage);
}

async function hashOf(headerHash: Uint8Array): Promise<Uint8Array> {
  const out = new Uint8Array(32);
  await judge.hash(BENCHMARK_SEED, headerHash, out, never);
  return out;
}

async function withMachine(
  machine: MachineName,
  use: (running: RunningMachine) => Promise<void>,
): Promise<void> {
  const running = await startMachine(machine, { directory: folder });
  try {
    await use(running);
  } finally {
    await running.stop();
  }
}

function check(isRight: boolean, message: string): void {
  if (!isRight) throw new Error(message);
}
