/**
 * The engine on a real WebGPU device. Slow in software: a hash takes most of a second there, so most
 * tests name a kernel instead of having all of them tried.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { createCpuDriver } from '../../drivers/cpu.ts';
import type { Device, Work } from '../../drivers/driver.ts';
import { SELF_TEST_GROUPS, selfTest } from '../../drivers/selftest.ts';
import { fitEngine } from '../../drivers/webgpu/engine/engine.ts';
import { GpuDevice } from '../../drivers/webgpu/engine/gpu-device.ts';
import { GpuLink } from '../../drivers/webgpu/engine/gpu-link.ts';
import {
  type GpuOpenOptions,
  type OpenedGpu,
  openGpuDevice,
} from '../../drivers/webgpu/engine/open-gpu.ts';
import { ProgramCompiler } from '../../drivers/webgpu/engine/programs.ts';
import { requestDevice } from '../../drivers/webgpu/engine/request-device.ts';
import { capabilitiesOf, variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { readShaderFile } from '../../drivers/webgpu/node/shader-files.ts';
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes, writeU64 } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { describeConformance } from '../drivers/conformance.ts';
import { gpuOrSkip } from '../support/gpu.ts';
import { repoRoot } from '../support/repo-files.ts';

/** Runs on every WebGPU. */
const KERNEL = 'dp4a-64';

/** About right in software, and patient enough on a busy machine. */
const MS_PER_HASH = 1000;

const VECTORS = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
  group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
);

const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });

/** A new adapter: each gives one device. */
async function requestAdapter(): Promise<{ readonly gpu: GPU; readonly adapter: GPUAdapter }> {
  const { gpu } = await gpuOrSkip({
    skip: () => {
      throw new Error('this file asks before');
    },
  });
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('there is no adapter');
  return { gpu, adapter };
}

async function open(options: Partial<GpuOpenOptions>): Promise<OpenedGpu> {
  const { gpu, adapter } = await requestAdapter();
  return openGpuDevice(adapter, {
    info: { id: 'gpu0', name: 'GPU', processor: 'gpu0' },
    read: readShaderFile,
    gpu,
    batchMs: 100,
    tables: (seed) => tables.get(seed),
    ...options,
  });
}

/** What `open` comes to with a kernel that is known to be right: its test would take as long as all else here. */
async function openUntested(
  aimMs: number,
): Promise<{ readonly device: Device; readonly lose: () => void }> {
  const { gpu, adapter } = await requestAdapter();
  const { usable } = variantsFor(capabilitiesOf(adapter, gpu));
  const variant = usable.find(({ name }) => name === KERNEL)!;
  const { device: raw } = await requestDevice(
    adapter,
    variant.features,
    Object.keys(variant.limits),
  );
  const link = new GpuLink(raw, [adapter, gpu]);
  const compiler = new ProgramCompiler(raw, readShaderFile);
  const programs = await compiler.kernel(variant);
  const parts = { link, clock: systemClock };
  const engine = await fitEngine({ ...parts, programs }, { slots: 2, lanes: 2, capacity: 8 });
  const device = new GpuDevice(
    {
      info: { id: 'gpu0', name: 'GPU', processor: 'gpu0' },
      maxBatch: Math.max(2, aimMs / MS_PER_HASH),
      msPerHash: MS_PER_HASH,
      aimMs,
      batchMs: 100,
      intensity: 100,
      freeAwaits: false,
    },
    { ...parts, engine, compiler },
  );
  return { device, lose: () => raw.destroy() };
}

if (process.env['TEST_WEBGPU'] === '1') {
  describeConformance(
    `the engine with ${KERNEL}`,
    async () => ({
      ...(await openUntested(40)),
      vectors: VECTORS,
      table: (seed) => tables.get(seed),
    }),
    { canLose: true, timeout: 300_000 },
  );
} else {
  it('conforms', (ctx) => gpuOrSkip(ctx));
}

describe('the engine', { timeout: 300_000 }, () => {
  const opened: Device[] = [];
  const kept = async (options: Partial<GpuOpenOptions>): Promise<OpenedGpu> => {
    const gpu = await open(options);
    opened.push(gpu.device);
    return gpu;
  };
  afterAll(() => Promise.all(opened.map((device) => device.close())));

  it('finds a kernel by itself that passes the self-test', async (ctx) => {
    await gpuOrSkip(ctx);
    const { device, choice, reports } = await kept({});
    expect(device.info).toMatchObject({ kernel: choice.kernel, rollsNonce: true, tableSlots: 2 });
    const best = reports.find(({ kernel }) => kernel === choice.kernel);
    expect(best).toEqual({ kernel: choice.kernel, outcome: 'timed', msPerHash: choice.msPerHash });
    expect(reports.filter(({ outcome }) => outcome === 'wrong')).toEqual([]);
    expect(reports.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    for (const { msPerHash = Number.POSITIVE_INFINITY } of reports) {
      expect(msPerHash).toBeGreaterThanOrEqual(choice.msPerHash);
    }
    await selfTest(device, (seed) => tables.get(seed));
  });

  it('computes many hashes in one batch as the CPU does', async (ctx) => {
    await gpuOrSkip(ctx);
    const { device } = await openUntested(8 * MS_PER_HASH);
    opened.push(device);
    const { seed } = SELF_TEST_GROUPS[0]!;
    const table = await tables.get(hexToBytes(seed, 'seed', 32));
    const work: Work = {
      jobId: 'job',
      generation: 1,
      preimage: new Uint8Array(136).fill(3),
      seed: table.seed,
      target: 1n << 255n,
    };
    const start = (1n << 32n) - 3n;
    const count = 7;
    const headerHashes = new Uint8Array(32 * count);
    for (let i = 0; i < count; i++) {
      const preimage = work.preimage.slice();
      writeU64(preimage, PREIMAGE_NONCE_OFFSET, start + BigInt(i));
      headerHashes.set(preimageHash(preimage), 32 * i);
    }
    const cpu = await createCpuDriver().open('cpu', { batchMs: 100 });
    const expected = new Uint8Array(32 * count);
    await cpu.loadSeed(table.seed, table);
    await cpu.hash(table.seed, headerHashes, expected);
    await cpu.close();

    await device.loadSeed(table.seed, table);
    const actual = new Uint8Array(32 * count);
    await device.hash(table.seed, headerHashes, actual);
    expect(bytesToHex(actual)).toBe(bytesToHex(expected));
    const { nonces } = await device.search(work, { start, count }, new AbortController().signal);
    const good = Array.from({ length: count }, (_, i) => i).filter((i) =>
      meetsTarget(expected.subarray(32 * i, 32 * i + 32), work.target),
    );
    expect(nonces).toEqual(good.map((i) => start + BigInt(i)));
  });

  it('measures a peak that is not below what it reaches', async (ctx) => {
    await gpuOrSkip(ctx);
    const { device } = await kept({ remembered: { kernel: KERNEL, msPerHash: MS_PER_HASH } });
    const table = await tables.get(hexToBytes(SELF_TEST_GROUPS[0]!.seed, 'seed', 32));
    await device.loadSeed(table.seed, table);
    const peak = (await device.measurePeak?.()) ?? 0;
    const before = device.telemetry();
    await device.hash(table.seed, new Uint8Array(64), new Uint8Array(64));
    const after = device.telemetry();
    const reached = (1000 * (after.hashes - before.hashes)) / (after.busyMs - before.busyMs);
    // Half: in software both share the processor with whatever else runs.
    expect(peak).toBeGreaterThan(reached / 2);
  });

  it('leaves nothing that keeps a process alive', async (ctx) => {
    await gpuOrSkip(ctx);
    const root = pathToFileURL(join(repoRoot, '/')).href;
    const script = `
      import { create } from 'webgpu';
      const { openGpuDevice } = await import('${root}drivers/webgpu/engine/open-gpu.ts');
      const { readShaderFile } = await import('${root}drivers/webgpu/node/shader-files.ts');
      const gpu = create([]);
      const { device } = await openGpuDevice(await gpu.requestAdapter(), {
        info: { id: 'gpu0', name: 'GPU', processor: 'gpu0' },
        read: readShaderFile,
        batchMs: 100,
        kernel: '${KERNEL}',
      });
      const seed = new Uint8Array(32);
      await device.loadSeed(seed, { seed, data: new Int8Array(2 ** 24) });
      const preimage = new Uint8Array(136);
      const work = { jobId: '', generation: 0, preimage, seed, target: -1n };
      const range = { start: 0n, count: 1e9 };
      const search = device.search(work, range, new AbortController().signal).catch((e) => e.message);
      setTimeout(() => device.close(), 100);
      console.log(await search, gpu !== undefined);
    `;
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', script],
      { cwd: repoRoot, encoding: 'utf8', timeout: 120_000 },
    );
    expect({ status, signal, stdout }, stderr).toEqual({
      status: 0,
      signal: null,
      stdout: expect.stringContaining('device lost: it was closed true'),
    });
  });
});
