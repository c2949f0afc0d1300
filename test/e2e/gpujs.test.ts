/** gpu.js in its process and on its threads, which are real. A hash takes a second, so there are few. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import { createGpuJsDriver, type GpuJsDriverOptions } from '../../drivers/gpujs/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { describeConformance } from '../drivers/conformance.ts';
import { skipWithout } from '../support/optional-packages.ts';

skipWithout('gpu.js');
const folder = mkdtempSync(join(tmpdir(), 'bytom-gpujs-'));
const choicesPath = join(folder, 'kernels.json');
const devices: Device[] = [];

afterEach(async () => {
  await Promise.all(devices.splice(0).map((device) => device.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function open(options: GpuJsDriverOptions): Promise<Device> {
  const device = await createGpuJsDriver(options).open('gpujs', { batchMs: 50 });
  devices.push(device);
  return device;
}

const [{ seed: seedHex, vectors }] = SELF_TEST_GROUPS as [(typeof SELF_TEST_GROUPS)[number]];
const seed = hexToBytes(seedHex, 'seed', 32);
const table = buildMatrixTable(seed);

async function expectVector(device: Device, index: number): Promise<void> {
  const { headerHash, powHash } = vectors[index]!;
  await device.loadSeed(seed, table);
  const out = new Uint8Array(32);
  await device.hash(seed, hexToBytes(headerHash, 'headerHash'), out);
  expect(bytesToHex(out), headerHash).toBe(powHash);
}

describe('the gpu.js driver', () => {
  it('lists one device and the modes that run here', async () => {
    const { devices: listed, unavailable } = await createGpuJsDriver().enumerate();
    expect(unavailable).toBeUndefined();
    expect(listed).toHaveLength(1);
    expect(listed[0]).toMatchObject({ id: 'gpujs', processor: 'cpu', isLastResort: true });
    expect(listed[0]?.details?.[1]).toMatch(/^modes: cpu, webasm/);
  });

  it('tries the modes at the first opening, remembers the best, and is exact', async () => {
    const events: TuningEvent[] = [];
    const device = await open({ choicesPath, onTuning: (event) => events.push(event) });
    const reports = events.flatMap((event) => (event.kind === 'report' ? [event.report] : []));
    const timed = reports.filter(({ outcome }) => outcome === 'timed').map(({ kernel }) => kernel);
    expect(timed).toEqual(expect.arrayContaining(['cpu', 'webasm']));
    expect(timed).toContain(device.info.kernel);
    expect(device.info).toMatchObject({ threads: expect.any(Number), processor: 'cpu' });
    await expectVector(device, 0);

    const again: TuningEvent[] = [];
    await device.close();
    const second = await open({ choicesPath, onTuning: (event) => again.push(event) });
    expect(second.info.kernel).toBe(device.info.kernel);
    expect(again.map(({ kind }) => kind)).toEqual(['report']);
  });

  it.each(['cpu', 'webasm'])('computes a known hash with the kernel %s', async (kernel) => {
    const device = await open({ kernel });
    expect(device.info.kernel).toBe(kernel);
    await expectVector(device, 1);
  });

  it('ends a search in the midst of a hash, and a hash when it is closed', async () => {
    const device = await open({ kernel: 'cpu' });
    await device.loadSeed(seed, table);
    const work = { jobId: 'a', generation: 1, preimage: new Uint8Array(136), seed, target: -1n };
    const abort = new AbortController();
    const search = device.search(work, { start: 0n, count: 1000 }, abort.signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    abort.abort();
    // In the midst of the first hash, which is not waited for.
    expect(await search).toEqual({ scanned: 0, nonces: [], aborted: true });
    const hash = device.hash(seed, new Uint8Array(32), new Uint8Array(32));
    const settled = hash.catch((error: unknown) => error);
    await device.close();
    expect(await settled).toMatchObject({ detail: { code: 'lost' } });
    expect(await device.lost).toBeUndefined();
  });
});

const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
/** One driver for all of them, so that the list is made once. */
const conforming = createGpuJsDriver({ kernel: 'webasm' });

describeConformance(
  'gpu.js',
  async () => ({
    device: await conforming.open('gpujs', { batchMs: 50 }),
    vectors: SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
      group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
    ),
    table: (seed) => tables.get(seed),
  }),
  { isSlow: true, hasCommonSearch: true, timeout: 180_000 },
);
