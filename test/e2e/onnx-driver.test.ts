/** The driver with its real processes and the real runtime, on its CPU provider. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { createOnnxDriver } from '../../drivers/onnx/driver.ts';
import { openTested } from '../../drivers/open.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { describeConformance } from '../drivers/conformance.ts';
import { skipWithout } from '../support/optional-packages.ts';
import { childrenOf, isRunning } from '../support/processes.ts';

/** Two seeds, two vectors each, from bytomd. */
const VECTORS = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
  group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
);

skipWithout('onnxruntime-node');
const folder = mkdtempSync(join(tmpdir(), 'bytom-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});
const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
const choicesPath = join(folder, 'choices.json');

/** One driver for all of them, so that the list is made and the kernel chosen once. */
const conforming = createOnnxDriver({ choicesPath });

describeConformance(
  'ONNX Runtime on the CPU',
  async () => ({
    device: await conforming.open('onnx0', { batchMs: 100 }),
    vectors: VECTORS,
    table: (seed) => tables.get(seed),
    lose: () => {
      for (const pid of childrenOf(process.pid)) {
        if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('onnx-process')) {
          process.kill(pid, 'SIGKILL');
        }
      }
    },
  }),
  { canLose: process.platform === 'linux' },
);

describe('the driver of ONNX Runtime', () => {
  it('lists the CPU provider as onnx0, on the cores of the cpu', async () => {
    const { devices } = await createOnnxDriver({ threads: 3 }).enumerate();
    expect(devices[0]).toMatchObject({ id: 'onnx0', processor: 'cpu', threads: 3, tableSlots: 2 });
    expect(devices[0]?.name).toMatch(/^ONNX Runtime \d+\.\d+\.\d+, CPU$/);
    expect(devices[0]?.details).toContain('kernel chosen at first use');
  });

  it('says how far it is, remembers what won, and does not search again', async () => {
    const events: TuningEvent[] = [];
    const path = join(folder, 'remembered.json');
    const drivers = {
      onnx: async () =>
        createOnnxDriver({ choicesPath: path, onTuning: (event) => events.push(event) }),
    };
    const open = async (): Promise<string | undefined> => {
      const parts = { drivers, tables: (seed: Uint8Array) => tables.get(seed) };
      const device = await openTested('onnx0', { batchMs: 100 }, parts);
      await device.close();
      return device.info.kernel;
    };
    const kernel = await open();
    expect(events.at(0)).toMatchObject({ kind: 'begun', id: 'onnx0' });
    expect(events.at(-1)).toMatchObject({ kind: 'chosen', kernel });
    expect(readFileSync(path, 'utf8')).toContain(`"kernel":"${kernel}"`);
    events.length = 0;
    expect(await open()).toBe(kernel);
    expect(events.map((event) => event.kind)).toEqual(['report']);
    const { devices } = await (await drivers.onnx()).enumerate();
    expect(devices[0]?.details?.at(-1)).toMatch(new RegExp(`^kernel ${kernel}, [\\d.]+ H/s when`));
  });

  it('takes as many threads as the intensity allows', async () => {
    const driver = createOnnxDriver({ threads: 4, kernel: 'fused-2' });
    const device = await driver.open('onnx0', { batchMs: 100, intensity: 50 });
    expect(device.info).toMatchObject({ threads: 2, kernel: 'fused-2' });
    await device.close();
  });

  it('is busy while its device is open, and its process is gone once it is closed', async () => {
    const before = childrenOf(process.pid);
    const driver = createOnnxDriver({ threads: 1, kernel: 'fused-2' });
    const device = await driver.open('onnx0', { batchMs: 100 });
    const [pid = 0] = childrenOf(process.pid).filter((each) => !before.includes(each));
    expect(isRunning(pid)).toBe(true);
    await expect(driver.open('onnx0', { batchMs: 100 })).rejects.toMatchObject({
      detail: { code: 'busy', id: 'onnx0' },
    });
    await device.close();
    expect(isRunning(pid)).toBe(false);
  });

  it('says in one line which provider is missing, and what does not run on one', async () => {
    const driver = createOnnxDriver({ options: ['session.logSeverityLevel=9'] });
    await expect(driver.open('onnx99', { batchMs: 100 })).rejects.toMatchObject({
      detail: { code: 'not-found', id: 'onnx99', available: expect.arrayContaining(['onnx0']) },
    });
    await expect(driver.open('onnx0', { batchMs: 100 })).rejects.toMatchObject({
      detail: {
        code: 'unsupported',
        missing: expect.stringMatching(/logSeverityLevel must be one of/),
      },
    });
  });

  it('takes options, and refuses those that nothing would read', async () => {
    expect(() => createOnnxDriver({ options: ['cpu.useArena=true'] })).toThrow(
      /cpu has no options/,
    );
    const options = ['session.enableMemPattern=false', 'session.disable_prepacking=1'];
    const driver = createOnnxDriver({ options, threads: 1, kernel: 'integer-2' });
    const device = await driver.open('onnx0', { batchMs: 100 });
    expect(device.info.kernel).toBe('integer-2');
    await device.close();
  });

  it('lives without its package, and says how to get it', async () => {
    // As if it were looked for at the root of the file system.
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => next(name, name === 'onnxruntime-node'
        ? { ...context, parentURL: 'file:///nobody.js' } : context) });`;
    vi.stubEnv('NODE_OPTIONS', `--import=data:text/javascript,${encodeURIComponent(hook)}`);
    const absent = createOnnxDriver();
    expect(await absent.enumerate()).toEqual({
      devices: [],
      unavailable:
        'the npm package onnxruntime-node is not installed; it is optional, and `npm install onnxruntime-node` brings it',
    });
    vi.stubEnv('NODE_OPTIONS', undefined);
    const gone = createOnnxDriver({}, { script: pathToFileURL(join(folder, 'nothing.ts')) });
    const { devices, unavailable } = await gone.enumerate();
    expect(devices).toEqual([]);
    expect(unavailable).toMatch(/^ONNX Runtime crashed when it was loaded: exit code 1/);
  });
});
