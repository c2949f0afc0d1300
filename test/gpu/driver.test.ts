/**
 * The driver with its real processes and a real adapter, if one in software. That the engine does what
 * a device must is shown in engine.test.ts, that its process loses nothing of it in e2e/gpu-driver.test.ts.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { openTested } from '../../drivers/open.ts';
import { createWebGpuDriver } from '../../drivers/webgpu/node/driver.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';

const HAS_GPU = process.env['TEST_WEBGPU'] === '1';
const WHY = 'TEST_WEBGPU=1 is not set: needs a Vulkan adapter';

const folder = mkdtempSync(join(tmpdir(), 'bytom-gpu-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
describe('the webgpu driver', () => {
  beforeEach((ctx) => {
    if (!HAS_GPU) ctx.skip(WHY);
  });
  const open: Device[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((device) => device.close()));
    vi.unstubAllEnvs();
  });

  const driverFiles = (): string =>
    process.env['VK_DRIVER_FILES'] ?? process.env['VK_ICD_FILENAMES'] ?? '';
  const withDrivers = (...files: readonly string[]): void => {
    vi.stubEnv('VK_DRIVER_FILES', undefined);
    vi.stubEnv('VK_ICD_FILENAMES', files.join(':'));
  };

  it('lists the adapter with its driver and its limits', async () => {
    const { devices, unavailable } = await createWebGpuDriver().enumerate();
    expect(unavailable).toBeUndefined();
    expect(devices[0]).toMatchObject({ id: 'gpu0', rollsNonce: true });
    expect(devices[0]?.name).toMatch(/\w/);
    expect(devices[0]?.details?.join('\n')).toMatch(
      /^vulkan, .*\d+\.\d+.*\n\d+ KiB of workgroup storage, buffers up to \d+ MiB, (no )?matrix units\nkernel chosen at first use$/m,
    );
  });

  it('knows a software GPU for what it is, also where its driver is registered twice', async (ctx) => {
    const text = driverFiles() === '' ? '' : readFileSync(driverFiles().split(':')[0]!, 'utf8');
    if (!text.includes('lvp')) ctx.skip('VK_ICD_FILENAMES does not name lavapipe');
    const again = join(folder, 'again.json');
    writeFileSync(again, text);
    withDrivers(driverFiles().split(':')[0]!, again);
    const { devices } = await createWebGpuDriver().enumerate();
    expect(devices.map(({ id, processor }) => [id, processor])).toEqual([['gpu0', 'cpu']]);
    expect(devices[0]?.details?.[0]).toMatch(/^software/);
  });

  it('says which variable leads nowhere', async () => {
    withDrivers('/nonexist');
    expect(await createWebGpuDriver().enumerate()).toEqual({
      devices: [],
      unavailable: 'no Vulkan driver where VK_ICD_FILENAMES says: /nonexist',
    });
  });

  it("says what is wrong with a driver's library", async () => {
    const json = join(folder, 'broken.json');
    const library = join(folder, 'broken.so');
    writeFileSync(library, 'no library');
    const icd = { api_version: '1.3.0', library_path: library };
    writeFileSync(json, JSON.stringify({ file_format_version: '1.0.0', ICD: icd }));
    withDrivers(json);
    const { unavailable } = await createWebGpuDriver().enumerate();
    expect(unavailable).toMatch(/^no Vulkan driver loads: \S*broken\.so: /);
  });

  it('refuses a kernel that there is not, naming those there are', async () => {
    const opening = createWebGpuDriver({ kernel: 'dp4a-7' }).open('gpu0', { batchMs: 250 });
    await expect(opening).rejects.toMatchObject({ detail: { code: 'unsupported' } });
    await expect(opening).rejects.toThrow(/dp4a-7 \(there are: .*dp4a-16/);
  });

  it('finds the fastest kernel, remembers it, and passes the self-test with it', {
    timeout: 600_000,
  }, async () => {
    const choicesPath = join(folder, 'cache', 'kernels.json');
    const parts = { tables: (seed: Uint8Array) => tables.get(seed) };
    const events: TuningEvent[] = [];
    const open1 = createWebGpuDriver({ choicesPath, onTuning: (event) => events.push(event) });
    const first = await open1.open('gpu0', { batchMs: 250 });
    open.push(first);
    const timed = events.flatMap((event) =>
      event.kind === 'report' && event.report.outcome === 'timed' ? [event.report] : [],
    );
    const best = timed.reduce((a, b) => (b.msPerHash! < a.msPerHash! ? b : a));
    expect(events[0]).toMatchObject({ kind: 'begun', id: 'gpu0' });
    expect(events.at(-1)).toMatchObject({ kind: 'chosen', kernel: best.kernel });
    expect(first.info.kernel).toBe(best.kernel);
    await open.pop()?.close();

    const again: TuningEvent[] = [];
    const driver = createWebGpuDriver({ choicesPath, onTuning: (event) => again.push(event) });
    const known = (await driver.enumerate()).devices[0]?.details?.at(-1);
    expect(known).toMatch(new RegExp(`^kernel ${best.kernel}, [\\d.]+ H/s when it was chosen$`));
    const second = await openTested(
      'gpu0',
      { batchMs: 250 },
      { ...parts, drivers: { webgpu: async () => driver } },
    );
    open.push(second);
    expect(second.info.kernel).toBe(best.kernel);
    expect(again.filter(({ kind }) => kind === 'begun' || kind === 'chosen')).toEqual([]);
  });
});
