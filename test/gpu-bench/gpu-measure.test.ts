/** What `bench:gpu` measures and how it checks it, with a device that computes on the CPU. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import { MockDriver } from '../../drivers/mock.ts';
import { SELF_TEST_SEARCH } from '../../drivers/selftest.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { gpuProcesses, mainThreadMs } from '../bench/gpu-host-cpu.ts';
import { GpuJudge } from '../bench/gpu-judge.ts';
import { checkKernel, measureRound } from '../bench/gpu-measure.ts';

const WRONG = { detail: { code: 'self-test' } };
const NEVER = new AbortController().signal;
/** About one hash in four. */
const EASY = 1n << 254n;

let judge: GpuJudge;
const driver = new MockDriver(1, { hasher: () => openCpuHasher({ slots: 2 }) });
const { script } = driver.control(0);
let device: Device;

beforeAll(async () => {
  judge = await GpuJudge.open();
  device = await driver.open('mock0', { batchMs: 100 });
}, 60_000);
afterAll(async () => {
  await device.close();
  await judge.close();
});

const round = { ms: 300, round: 0 };
const open = () => ({ kernel: 'mock', device, pid: undefined });

describe('a kernel that is right', () => {
  it('passes, and gives figures', async () => {
    await checkKernel(device, judge);
    const sample = await measureRound(open(), round, judge);
    const { peakRate, hostCpuPercent, ...rest } = sample;
    expect([peakRate, hostCpuPercent]).toEqual([undefined, undefined]);
    // A device that forgets what it has in flight when a search is aborted.
    const { inFlight, ...figures } = rest;
    expect(inFlight).toBeGreaterThanOrEqual(0);
    for (const [name, value] of Object.entries(figures)) expect(value, name).toBeGreaterThan(0);
    expect(sample.abortMs).toBeLessThan(60_000);
  });

  it('is not measured faster than it is', async () => {
    script.msPerHash = 100;
    try {
      const sample = await measureRound(open(), { ms: 500, round: 1 }, judge);
      expect(sample.oneHashMs).toBeGreaterThanOrEqual(100);
      // Two batches may be in flight.
      expect(sample.searchRate).toBeLessThan(22);
      expect(sample.hashRate).toBeLessThan(22);
    } finally {
      script.msPerHash = 0;
    }
  });
});

describe.each(['hash', 'nonce'] as const)('a kernel that lies (%s)', (lie) => {
  it('does not pass, and gives no figure', async () => {
    script.lie = lie;
    try {
      await expect(checkKernel(device, judge)).rejects.toMatchObject(WRONG);
      await expect(measureRound(open(), round, judge)).rejects.toMatchObject(WRONG);
    } finally {
      script.lie = 'no';
    }
  });
});

describe('the judge', () => {
  const seed = hexToBytes(SELF_TEST_SEARCH.seed, 'seed', 32);
  const preimage = hexToBytes(SELF_TEST_SEARCH.preimage, 'preimage', 136);

  it('knows which nonces are found, among the stored hashes and beyond them', async () => {
    await device.loadSeed(seed, buildMatrixTable(seed));
    const work = { jobId: 'job', generation: 1, preimage, seed, target: EASY };
    const result = await device.search(work, { start: 0n, count: 72 }, NEVER);
    await judge.checkSearch(result, EASY);
    const { nonces } = result;
    const early = nonces.filter((nonce) => nonce < 64n);
    const late = nonces.filter((nonce) => nonce >= 64n);
    expect([early.length > 0, late.length > 0 && late.length < 8]).toEqual([true, true]);
    const passed = [64n, 65n, 66n, 67n, 68n, 69n, 70n, 71n].find((n) => !nonces.includes(n))!;
    const before = nonces.filter((nonce) => nonce < passed);
    for (const [what, changed] of [
      ['none', { nonces: [] }],
      ['one too few, early', { nonces: nonces.slice(1) }],
      ['one too many, early', { nonces: [...new Set([0n, 1n, 2n, 3n, 4n, 5n, ...nonces])] }],
      ['one too few, late', { nonces: nonces.slice(0, -1) }],
      ['one too many, late', { nonces: [...before, passed], scanned: Number(passed) + 1 }],
    ] as const) {
      const claim = judge.checkSearch({ ...result, ...changed }, EASY);
      await expect(claim, what).rejects.toMatchObject(WRONG);
    }
  });

  it('has nothing against a search that came nowhere', async () => {
    await judge.checkSearch({ scanned: 0, nonces: [], aborted: true }, EASY);
  });

  it('computes hashes under any seed', async () => {
    const other = new Uint8Array(32).fill(9);
    const table = buildMatrixTable(other);
    await device.loadSeed(other, table);
    const [input, out] = [new Uint8Array(32).fill(1), new Uint8Array(32)];
    await device.hash(other, input, out);
    await judge.checkHash(table, input, out);
    out[31]! ^= 1;
    await expect(judge.checkHash(table, input, out)).rejects.toMatchObject(WRONG);
  });
});

describe.skipIf(process.platform !== 'linux')('the host CPU', () => {
  it('of a main thread is what it has used', () => {
    const before = mainThreadMs(process.pid)!;
    const cpu = process.cpuUsage();
    const end = performance.now() + 150;
    while (performance.now() < end);
    const used = mainThreadMs(process.pid)! - before;
    const { user, system } = process.cpuUsage(cpu);
    // In ticks of 10 ms; other threads of this process count in the second figure alone.
    expect(used).toBeGreaterThan(0);
    expect(used).toBeLessThanOrEqual((user + system) / 1000 + 20);
  });

  it('of a process that is gone is not told', () => {
    expect(mainThreadMs(2 ** 22 + 1)).toBeUndefined();
    expect(gpuProcesses()).toEqual(new Set());
  });
});
