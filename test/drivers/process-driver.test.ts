/** How a device in a process comes by its kernel, and what is remembered of it. That the processes are safe is shown in e2e/gpu-driver.test.ts. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Device, Driver } from '../../drivers/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import {
  ProcessDriver,
  type ProcessDriverParts,
  type TuningOptions,
} from '../../drivers/process/process-driver.ts';
import type { GpuScript, ScriptedKernel } from '../support/scripted-gpu.ts';

const SCRIPT = new URL('../support/scripted-gpu.ts', import.meta.url);
const FIRST_USE = 'kernel chosen at first use';
const folder = mkdtempSync(join(tmpdir(), 'bytom-process-'));
const devices: Device[] = [];

afterEach(async () => {
  await Promise.all(devices.splice(0).map((device) => device.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Target {
  readonly backend: string;
  readonly name: string;
}

interface Rig {
  readonly driver: Driver;
  readonly events: readonly TuningEvent[];
  readonly open: () => Promise<Device>;
  /** What the list says of the kernel. */
  readonly detail: () => Promise<string | undefined>;
  /** What the openings were asked for. */
  readonly asked: () => readonly { readonly remembered?: object; readonly avoid: string[] }[];
}

let rigs = 0;

/** A driver whose one device has these kernels. */
function rig(
  kernels: readonly ScriptedKernel[],
  options: TuningOptions = {},
  parts: Partial<ProcessDriverParts<Target>> = {},
  choiceKey = async (): Promise<string> => 'chip 1.0',
): Rig {
  const openings = join(folder, `openings-${rigs++}`);
  const events: TuningEvent[] = [];
  const SCRIPTED_GPU = JSON.stringify({ kernels, openings } satisfies GpuScript);
  const info = {
    id: 'chip0',
    name: 'Chip',
    tableSlots: 2,
    rollsNonce: false,
    processor: 'chip',
    details: ['of glass'],
  };
  const target = { backend: 'glass', name: 'Chip' };
  const driver = new ProcessDriver<Target>(
    { onTuning: (event) => events.push(event), ...options },
    {
      kind: 'mock',
      script: SCRIPT,
      silenceMs: 10_000,
      list: async () => ({ targets: [{ info, target, env: { SCRIPTED_GPU }, choiceKey }] }),
      ...parts,
    },
  );
  return {
    driver,
    events,
    open: async () => {
      const device = await driver.open('chip0', { batchMs: 20 });
      devices.push(device);
      return device;
    },
    detail: async () => (await driver.enumerate()).devices[0]?.details?.at(-1),
    asked: () =>
      readFileSync(openings, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { avoid: string[] }),
  };
}

const SELF_TEST = { detail: { code: 'self-test', expected: '00', actual: '01' } };

describe('a device whose kernels are all wrong', () => {
  const wrong = [
    { name: 'a', end: 'wrong' },
    { name: 'b', end: 'wrong' },
  ] as const;

  it('is not opened, and listed as such, until one is right', async () => {
    const choicesPath = join(folder, 'wrong.json');
    const broken = rig(wrong, { choicesPath });
    expect(await broken.detail()).toBe(FIRST_USE);
    await expect(broken.open()).rejects.toMatchObject(SELF_TEST);
    const says = 'computes wrongly: expected 5e5e5e5e…, got b (last tried with b)';
    expect(await broken.detail()).toBe(says);
    expect(broken.events.map(({ kind }) => kind)).toEqual(['begun', 'report', 'report']);

    const mended = rig([{ name: 'a', end: 'wrong' }, { name: 'b' }], { choicesPath });
    expect(await mended.detail(), 'in the next process').toBe(says);
    expect((await mended.open()).info.kernel).toBe('b');
    expect(mended.events.at(-1)).toMatchObject({ kind: 'chosen', kernel: 'b' });
    expect(await mended.detail()).toBe('kernel b, 500.0 H/s when it was chosen');
    const next = rig([{ name: 'b' }], { choicesPath });
    await next.open();
    expect(next.asked()).toMatchObject([{ remembered: { kernel: 'b' } }]);
  });

  it('is tried anew at each opening, without what crashed before', async () => {
    const choicesPath = join(folder, 'again.json');
    const broken = rig([{ name: 'wild', end: 'crash' }, ...wrong], { choicesPath });
    for (let opening = 0; opening < 2; opening++) {
      await expect(broken.open()).rejects.toMatchObject(SELF_TEST);
    }
    expect(broken.asked().map(({ avoid }) => avoid)).toEqual([[], ['wild'], ['wild']]);
    expect(broken.asked().filter(({ remembered }) => remembered !== undefined)).toEqual([]);
    expect(await broken.detail()).toMatch(/^computes wrongly: .* \(last tried with b\)$/);
  });

  it('loses the kernel that was right before', async () => {
    const choicesPath = join(folder, 'worse.json');
    await (await rig([{ name: 'a' }], { choicesPath }).open()).close();
    const worse = rig(wrong, { choicesPath });
    await expect(worse.open()).rejects.toMatchObject(SELF_TEST);
    expect(worse.asked()).toMatchObject([{ remembered: { kernel: 'a' } }]);
    expect(await worse.detail()).toMatch(/^computes wrongly: expected 5e5e5e5e…, got b /);
  });

  it('is not one of which only the kernel that the user names was tried', async () => {
    const choicesPath = join(folder, 'named.json');
    await (await rig([{ name: 'a' }], { choicesPath }).open()).close();
    const named = rig(wrong, { choicesPath, kernel: 'b' });
    await expect(named.open()).rejects.toMatchObject(SELF_TEST);
    expect(await named.detail()).toBe('kernel a, 500.0 H/s when it was chosen');
  });

  it('is not one whose opening ends in another way', async () => {
    const choicesPath = join(folder, 'none.json');
    const none = rig([...wrong, { name: 'c', end: 'refuse' }], { choicesPath });
    await expect(none.open()).rejects.toMatchObject({ detail: { code: 'unsupported' } });
    expect(await none.detail()).toBe(FIRST_USE);
  });
});

describe('the list', () => {
  it('is made once, and has what the kernel is after the other details', async () => {
    let lists = 0;
    const { driver } = rig(
      [],
      {},
      {
        list: async () => {
          lists += 1;
          return { targets: [], unavailable: 'no chips today' };
        },
      },
    );
    expect(await driver.enumerate()).toEqual({ devices: [], unavailable: 'no chips today' });
    await expect(driver.open('chip0', { batchMs: 20 })).rejects.toMatchObject({
      detail: { code: 'not-found', id: 'chip0', available: [] },
    });
    expect(lists).toBe(1);
    const { devices: found } = await rig([]).driver.enumerate();
    expect(found[0]?.details).toEqual(['of glass', FIRST_USE]);
  });

  it('does without a key that cannot be made, and so does the opening', async () => {
    const key = (): Promise<string> => Promise.reject(new Error('no such file'));
    const choicesPath = join(folder, 'keyless.json');
    const keyless = rig([{ name: 'a' }], { choicesPath }, {}, key);
    expect(await keyless.detail()).toBe(FIRST_USE);
    expect((await keyless.open()).info.kernel).toBe('a');
    expect(keyless.events.at(-1)).toEqual({
      kind: 'not-remembered',
      id: 'chip0',
      reason: 'no such file',
    });
  });
});

describe('a device with a kernel that was chosen before', () => {
  it('is said to be tuned again when that kernel turns out to be wrong', async () => {
    const choicesPath = join(folder, 'was-right.json');
    await rig([{ name: 'a' }], { choicesPath }).open();
    const later = rig([{ name: 'a', end: 'wrong' }, { name: 'b' }], { choicesPath });
    expect((await later.open()).info.kernel).toBe('b');
    const kinds = later.events.map((event) =>
      event.kind === 'report' ? `${event.report.kernel} ${event.report.outcome}` : event.kind,
    );
    expect(kinds).toEqual(['a wrong', 'begun', 'b timed', 'chosen']);
  });

  it('chooses anew once it has been opened, not once it was tried to', async () => {
    const choicesPath = join(folder, 'retune.json');
    await rig([{ name: 'a' }], { choicesPath }).open();
    const retuning = rig([{ name: 'b', end: 'refuse' }], { choicesPath, retune: true });
    for (let opening = 0; opening < 2; opening++) {
      await expect(retuning.open()).rejects.toMatchObject({ detail: { code: 'unsupported' } });
    }
    expect(retuning.asked().map(({ remembered }) => remembered)).toEqual([undefined, undefined]);
  });

  it('has another choice for another intensity, where the key says so', async () => {
    const choicesPath = join(folder, 'intensity.json');
    const key = async (intensity = 100): Promise<string> => `chip 1.0, ${intensity} %`;
    const chip = rig([{ name: 'a' }], { choicesPath }, {}, key);
    await (await chip.driver.open('chip0', { batchMs: 20, intensity: 50 })).close();
    expect(await chip.detail()).toBe(FIRST_USE);
    await chip.open();
    expect(chip.asked().map(({ remembered }) => remembered)).toEqual([undefined, undefined]);
    expect(await chip.detail()).toMatch(/^kernel a, /);
  });
});
