/** The driver and its processes, which are real; only what runs in them is a script. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Device, Driver, OpenOptions } from '../../drivers/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { createWebGpuDriver, type WebGpuDriverOptions } from '../../drivers/webgpu/node/driver.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { describeConformance } from '../drivers/conformance.ts';
import { isRunning } from '../support/processes.ts';
import { type GpuScript, scriptedHash } from '../support/scripted-gpu.ts';

const SCRIPT = new URL('../support/scripted-gpu.ts', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'bytom-gpu-'));
const open: OpenOptions = { batchMs: 20 };
const devices: Device[] = [];

afterEach(async () => {
  await Promise.all(devices.splice(0).map((device) => device.close()));
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Rig {
  /** `SCRIPTED_GPU` */
  readonly env: string;
  readonly driver: Driver;
  readonly events: readonly TuningEvent[];
  readonly opened: () => readonly Opening[];
  readonly open: (options?: Partial<OpenOptions>, id?: string) => Promise<Device>;
}

/** What the script notes of an opening. */
interface Opening {
  readonly kernel?: string;
  readonly remembered?: { readonly kernel: string };
  readonly avoid: readonly string[];
  readonly target: { readonly backend: string; readonly name: string };
  readonly id: string;
  readonly env: { readonly DRI_PRIME?: string };
  readonly pid: number;
}

let rigs = 0;

function rig(
  script: GpuScript,
  options: WebGpuDriverOptions = {},
  times: { readonly silenceMs?: number; readonly listMs?: number } = {},
): Rig {
  const openings = join(folder, `openings-${rigs++}`);
  const adapters = script.adapters ?? [{ name: 'GPU A' }];
  const env = JSON.stringify({ ...script, adapters, openings });
  vi.stubEnv('SCRIPTED_GPU', env);
  for (const name of ['DRI_PRIME', 'MESA_VK_DEVICE_SELECT']) vi.stubEnv(name, undefined);
  const events: TuningEvent[] = [];
  const driver = createWebGpuDriver(
    { onTuning: (event) => events.push(event), ...options },
    { script: SCRIPT, ...times },
  );
  return {
    env,
    driver,
    events,
    opened: () =>
      readFileSync(openings, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Opening),
    open: async (more = {}, id = 'gpu0') => {
      const device = await driver.open(id, { ...open, ...more });
      devices.push(device);
      return device;
    },
  };
}

function tableOf(seed: Uint8Array): MatrixTable {
  const data = new Int8Array(TABLE_BYTES);
  // Every part of it tells where it belongs.
  const words = new Uint32Array(data.buffer);
  for (let i = 0; i < words.length; i += 1021) words[i] = (i * 2_654_435_761 + seed[0]!) >>> 0;
  return { seed, data };
}

const SEED_A = new Uint8Array(32).fill(0xa1);
const SEED_B = new Uint8Array(32).fill(0xb2);
const tables = new Map([SEED_A, SEED_B].map((seed) => [bytesToHex(seed), tableOf(seed)]));
const table = (seed: Uint8Array): MatrixTable => tables.get(bytesToHex(seed))!;
const VECTORS = [SEED_A, SEED_A, SEED_B, SEED_B].map((seed, index) => {
  const headerHash = new Uint8Array(32).fill(index + 1);
  const powHash = bytesToHex(scriptedHash(table(seed).data, headerHash));
  return { seed: bytesToHex(seed), headerHash: bytesToHex(headerHash), powHash };
});

/** One driver for all of them, so that the list is made once. */
let conforming: Rig | undefined;

describeConformance(
  'a device in a process of its own',
  async () => {
    conforming ??= rig({});
    vi.stubEnv('SCRIPTED_GPU', conforming.env);
    const { open: openGpu, opened } = conforming;
    return {
      device: await openGpu(),
      vectors: VECTORS,
      table: async (seed) => table(seed),
      lose: () => {
        process.kill(opened().at(-1)!.pid, 'SIGKILL');
      },
    };
  },
  { canLose: true },
);

describe('the list', () => {
  const listed = async (script: GpuScript, listMs?: number): Promise<unknown> => {
    const { driver } = rig(script, {}, listMs === undefined ? {} : { listMs });
    const { devices: found, unavailable } = await driver.enumerate();
    return [found.map(({ id, name, processor }) => `${id} ${name} ${processor}`), unavailable];
  };

  it('has hardware before software, and software is the cpu', async () => {
    const adapters = [{ name: 'Soft', isSoftware: true }, { name: 'GPU B' }, { name: 'GPU A' }];
    expect(await listed({ adapters })).toEqual([
      ['gpu0 GPU B gpu0', 'gpu1 GPU A gpu1', 'gpu2 Soft cpu'],
      undefined,
    ]);
  });

  it('tells what people want to know of a device', async () => {
    const { driver } = rig({ adapters: [{ name: 'GPU A', description: 'Maker: 550.54' }] });
    expect((await driver.enumerate()).devices).toEqual([
      {
        id: 'gpu0',
        name: 'GPU A',
        tableSlots: 1,
        rollsNonce: true,
        processor: 'gpu0',
        details: [
          'vulkan, Maker: 550.54',
          '32 KiB of workgroup storage, buffers up to 1024 MiB, no matrix units',
          'kernel chosen at first use',
        ],
      },
    ]);
  });

  it("is in the order of PCI addresses where Mesa's layer tells them", async () => {
    const adapters = [
      { name: 'GPU B', pciBus: '0000:81:00.0' },
      { name: 'Soft', isSoftware: true },
      { name: 'GPU A', pciBus: '0000:41:00.0' },
    ];
    expect(await listed({ adapters, hasLayer: true })).toEqual([
      ['gpu0 GPU A pci:0000:41:00.0', 'gpu1 GPU B pci:0000:81:00.0', 'gpu2 Soft cpu'],
      undefined,
    ]);
  });

  const twins = [
    { name: 'Twin', pciBus: '0000:81:00.0' },
    { name: 'Twin', pciBus: '0000:41:00.0' },
    { name: 'Other', pciBus: '0000:01:00.0' },
  ];

  it('has every one of several alike where the layer can show each alone', async () => {
    expect(await listed({ adapters: twins, hasLayer: true })).toEqual([
      ['gpu0 Other pci:0000:01:00.0', 'gpu1 Twin pci:0000:41:00.0', 'gpu2 Twin pci:0000:81:00.0'],
      undefined,
    ]);
  });

  it('has the first of several alike, and says what is missing, without the layer', async () => {
    const [found, unavailable] = (await listed({ adapters: twins })) as [string[], string];
    expect(found).toEqual(['gpu0 Twin gpu0', 'gpu1 Other gpu1']);
    expect(unavailable).toMatch(/^1 more like Twin cannot be told apart: .*device_select/);
  });

  it('has one device where a driver is registered twice', async () => {
    const [twin] = twins;
    expect(await listed({ adapters: [twin!, twin!], hasLayer: true })).toEqual([
      ['gpu0 Twin pci:0000:81:00.0'],
      undefined,
    ]);
  });

  it('does not take a GPU for another whose name is longer', async () => {
    const adapters = [
      { name: 'X 3080 Ti', pciBus: '0000:41:00.0' },
      { name: 'X 3080', pciBus: '0000:81:00.0' },
    ];
    const [found, unavailable] = (await listed({ adapters })) as [string[], string];
    expect(found).toEqual(['gpu0 X 3080 Ti gpu0']);
    expect(unavailable).toContain('1 more like X 3080 ');
    const { driver, open: openGpu, opened } = rig({ adapters, hasLayer: true });
    expect((await driver.enumerate()).devices.map(({ name }) => name)).toEqual(
      adapters.map(({ name }) => name),
    );
    await openGpu({}, 'gpu1');
    expect(opened()).toMatchObject([{ id: 'gpu1', env: { DRI_PRIME: 'pci-0000_81_00_0!' } }]);
  });

  it('says why it is empty when the package is missing', async () => {
    expect(await listed({ list: 'no package' })).toEqual([
      [],
      expect.stringContaining('the npm package webgpu is not installed'),
    ]);
  });

  it('survives a driver that crashes, with what it said, and one that throws', async () => {
    expect(await listed({ list: 'crash' })).toEqual([
      [],
      "the GPU's driver crashed when asked: SIGSEGV: the driver says its last words",
    ]);
    expect(await listed({ list: 'throw' })).toEqual([
      [],
      "the GPU's driver crashed when asked: the binding does not like this",
    ]);
  });

  it('keeps what it had before a driver crashed', async () => {
    const adapters = [{ name: 'GPU A' }, { name: 'GPU B' }, { name: 'GPU C' }];
    expect(await listed({ adapters, crashAt: 'GPU B' })).toEqual([
      ['gpu0 GPU A gpu0'],
      "the GPU's driver crashed when asked about GPU B: SIGSEGV: a driver crashed",
    ]);
  });

  it('does not wait for a driver that hangs', async () => {
    expect(await listed({ list: 'hang' }, 1000)).toEqual([
      [],
      "the GPU's driver did not answer within 1 s when asked",
    ]);
  });

  it('is made once', async () => {
    const { driver } = rig({});
    const first = await driver.enumerate();
    vi.stubEnv('SCRIPTED_GPU', JSON.stringify({ list: 'crash' }));
    expect(await driver.enumerate()).toEqual(first);
  });
});

describe('opening', () => {
  it('has the process take the right adapter, alone in its environment where it must be', async () => {
    const adapters = [
      { name: 'Twin', pciBus: '0000:81:00.0' },
      { name: 'Twin', pciBus: '0000:41:00.0' },
    ];
    const { open: openGpu, opened } = rig({ adapters, hasLayer: true });
    const device = await openGpu({}, 'gpu1');
    expect(device.info).toMatchObject({ id: 'gpu1', pciBus: '0000:81:00.0', kernel: 'kernel-a' });
    expect(opened()).toMatchObject([
      { target: { name: 'Twin' }, env: { DRI_PRIME: 'pci-0000_81_00_0!' } },
    ]);
  });

  it('rejects not-found for another id, naming what there is', async () => {
    await expect(rig({}).open({}, 'gpu1')).rejects.toMatchObject({
      detail: { code: 'not-found', id: 'gpu1', available: ['gpu0'] },
    });
  });

  it('rejects busy while a process of ours has the GPU, and opens it again afterwards', async () => {
    const { open: openGpu, opened } = rig({});
    const [first, second] = await Promise.allSettled([openGpu(), openGpu()]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { detail: { code: 'busy', id: 'gpu0' } } });
    await expect(openGpu()).rejects.toMatchObject({ detail: { code: 'busy' } });
    await devices.pop()?.close();
    await openGpu();
    expect(opened()).toHaveLength(2);
  });

  it('passes on what the process rejects with', async () => {
    await expect(rig({ open: 'refuse' }).open()).rejects.toMatchObject({
      detail: { code: 'unsupported', missing: 'a wing' },
    });
  });

  it('says when a GPU is gone, and its id does not come to mean another one', async () => {
    const adapters = [{ name: 'GPU A' }, { name: 'GPU B' }];
    const { open: openGpu, driver } = rig({ open: 'gone', adapters });
    await expect(openGpu()).rejects.toMatchObject({ detail: { code: 'not-found', id: 'gpu0' } });
    vi.stubEnv('SCRIPTED_GPU', JSON.stringify({ adapters: [{ name: 'GPU B' }] }));
    expect((await driver.enumerate()).devices.map(({ name }) => name)).toEqual(['GPU A', 'GPU B']);
    expect((await openGpu({}, 'gpu1')).info.name).toBe('GPU B');
  });

  it('ends with the reason of the signal, and with it the process', async () => {
    const { open: openGpu, opened, events } = rig({ kernels: [{ name: 'k', end: 'hang' }] });
    const abort = new AbortController();
    const reason = new Error('stopped');
    const opening = openGpu({ signal: abort.signal });
    await vi.waitFor(() => expect(opened()).toHaveLength(1));
    abort.abort(reason);
    await expect(opening).rejects.toBe(reason);
    await vi.waitFor(() => expect(isRunning(opened()[0]!.pid)).toBe(false), 5000);
    expect(events).toEqual([{ kind: 'begun', id: 'gpu0', name: 'GPU A' }]);
    await expect(openGpu({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('the kernel', () => {
  const kernels = [
    { name: 'wild', end: 'crash' },
    { name: 'stuck', end: 'hang' },
    { name: 'tame' },
  ] as const;

  it('is found past those that crash or hang, and remembered with them', async () => {
    const choicesPath = join(folder, 'choices.json');
    const first = rig({ kernels }, { choicesPath }, { silenceMs: 4000 });
    const device = await first.open();
    expect(device.info.kernel).toBe('tame');
    expect(first.opened().map(({ avoid }) => avoid)).toEqual([[], ['wild'], ['wild', 'stuck']]);
    expect(first.events).toEqual([
      { kind: 'begun', id: 'gpu0', name: 'GPU A' },
      {
        kind: 'crashed',
        id: 'gpu0',
        kernel: 'wild',
        reason: 'its process ended, SIGSEGV: wild took the driver down (kernel wild)',
      },
      { kind: 'crashed', id: 'gpu0', kernel: 'stuck', reason: 'no answer for 4 s (kernel stuck)' },
      { kind: 'report', id: 'gpu0', report: { kernel: 'tame', outcome: 'timed', msPerHash: 2 } },
      { kind: 'chosen', id: 'gpu0', kernel: 'tame', msPerHash: 2 },
    ]);
    const second = rig({ kernels }, { choicesPath });
    await second.open();
    expect(second.events.map(({ kind }) => kind)).toEqual(['report']);
    expect(second.opened()).toMatchObject([
      { remembered: { kernel: 'tame', msPerHash: 2 }, avoid: ['wild', 'stuck'] },
    ]);
    expect((await second.driver.enumerate()).devices[0]?.details).toContain(
      'kernel tame, 500.0 H/s when it was chosen',
    );
  });

  it('is found past one that has the GPU reset', async () => {
    const reset = rig({ kernels: [{ name: 'heavy', end: 'lose' }, { name: 'tame' }] });
    expect((await reset.open()).info.kernel).toBe('tame');
    expect(reset.events).toContainEqual({
      kind: 'crashed',
      id: 'gpu0',
      kernel: 'heavy',
      reason: 'a reset of the GPU (kernel heavy)',
    });
  });

  it('is chosen anew, once, when it is asked for', async () => {
    const choicesPath = join(folder, 'retune.json');
    await rig({ kernels: [{ name: 'old' }] }, { choicesPath }).open();
    const anew = rig({ kernels: [{ name: 'new' }] }, { choicesPath, retune: true });
    await (await anew.open()).close();
    await anew.open();
    expect(anew.opened().map(({ remembered }) => remembered?.kernel)).toEqual([undefined, 'new']);
  });

  it('is tried anew if the remembered one crashes', async () => {
    const choicesPath = join(folder, 'changed.json');
    await rig({ kernels: [{ name: 'a' }, { name: 'b' }] }, { choicesPath }).open();
    const changed = rig({ kernels: [{ name: 'a', end: 'crash' }, { name: 'b' }] }, { choicesPath });
    expect((await changed.open()).info.kernel).toBe('b');
    expect(changed.opened()).toMatchObject([
      { remembered: { kernel: 'a' }, avoid: [] },
      { avoid: ['a'] },
    ]);
  });

  it('that the user names is the only one, and is not remembered', async () => {
    const choicesPath = join(folder, 'forced.json');
    const forced = rig({ kernels: [{ name: 'a' }, { name: 'b' }] }, { choicesPath, kernel: 'b' });
    expect((await forced.open()).info.kernel).toBe('b');
    expect(forced.events.map(({ kind }) => kind)).toEqual(['report']);
    const free = rig({ kernels: [{ name: 'a' }] }, { choicesPath });
    await free.open();
    expect(free.opened()[0]).not.toHaveProperty('remembered');
  });

  it('that the user names and that crashes is not replaced', async () => {
    const { open: openGpu, opened } = rig({ kernels }, { kernel: 'wild' });
    await expect(openGpu()).rejects.toMatchObject({
      detail: {
        code: 'lost',
        reason: 'its process ended, SIGSEGV: wild took the driver down (kernel wild)',
      },
    });
    expect(opened()).toHaveLength(1);
  });

  it('is used even if it cannot be remembered', async () => {
    const choicesPath = join('/dev/null', 'choices.json');
    const { open: openGpu, events } = rig({}, { choicesPath });
    await openGpu();
    expect(events.at(-1)).toMatchObject({ kind: 'not-remembered', id: 'gpu0' });
  });
});

describe('an open device', () => {
  const hash = async (device: Device): Promise<Uint8Array> => {
    await device.loadSeed(SEED_A, table(SEED_A));
    const out = new Uint8Array(32);
    await device.hash(SEED_A, new Uint8Array(32), out);
    return out;
  };

  it('is lost when its process crashes, with what that said last', async () => {
    const device = await rig({ hash: 'crash' }).open();
    const reason = 'its process ended, SIGSEGV: the driver fell over';
    await expect(hash(device)).rejects.toMatchObject({ detail: { code: 'lost', reason } });
    expect((await device.lost)?.detail).toEqual({ code: 'lost', reason });
  });

  it('is lost when its process says nothing any more, and that is killed', async () => {
    const { open: openGpu, opened } = rig({ hash: 'hang' }, {}, { silenceMs: 4000 });
    const device = await openGpu();
    await expect(hash(device)).rejects.toMatchObject({
      detail: { code: 'lost', reason: 'no answer for 4 s' },
    });
    await vi.waitFor(() => expect(isRunning(opened()[0]!.pid)).toBe(false));
  });

  it('is lost when its process answers with something that is no hash', async () => {
    const device = await rig({ hash: 'short' }).open();
    await expect(hash(device)).rejects.toMatchObject({ detail: { code: 'lost' } });
    expect((await device.lost)?.message).toContain('something else than the hashes');
  });

  it('turns an error of a kind that nobody expects into a loss', async () => {
    const device = await rig({ hash: 'throw' }).open();
    await expect(hash(device)).rejects.toMatchObject({
      detail: { code: 'lost', reason: 'nobody thought of this' },
    });
  });

  it('can be opened again after it was lost', async () => {
    const { open: openGpu, opened } = rig({});
    const device = await openGpu();
    process.kill(opened()[0]!.pid, 'SIGKILL');
    await device.lost;
    await openGpu();
    expect(opened()).toHaveLength(2);
  });

  it('measures its peak', async () => {
    expect(await (await rig({}).open()).measurePeak?.()).toBe(12_345);
  });

  it('closes within half a second, even if its process does not want to', async () => {
    const { open: openGpu, opened } = rig({ isDeaf: true });
    const device = await openGpu();
    const start = performance.now();
    await device.close();
    expect(performance.now() - start).toBeLessThan(500);
    await vi.waitFor(() => expect(isRunning(opened()[0]!.pid)).toBe(false));
    expect(await device.lost).toBeUndefined();
  });
});

describe('a process with an open device', () => {
  const driver = new URL('../../drivers/webgpu/node/driver.ts', import.meta.url);

  /** Opens the device in a process that goes on with `then`; tells that one's end, and the device's process. */
  const opened = async (
    then: string,
  ): Promise<{
    readonly pid: number;
    readonly gpuPid: number;
    readonly code: Promise<number | null>;
  }> => {
    const scripted = rig({});
    const text = `
      import { createWebGpuDriver } from '${driver.href}';
      const driver = createWebGpuDriver({}, { script: new URL('${SCRIPT.href}') });
      const device = await driver.open('gpu0', { batchMs: 20 });
      ${then}`;
    const args = ['--input-type=module', '--eval', text];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    const code = new Promise<number | null>((resolve) => child.on('exit', resolve));
    const gpuPid = await vi.waitFor(() => scripted.opened()[0]!.pid, 10_000);
    return { pid: child.pid!, gpuPid, code };
  };
  const gone = (pid: number): Promise<void> =>
    vi.waitFor(() => expect(isRunning(pid)).toBe(false), 5000);

  it('ends by itself when the device is closed', async () => {
    const { code, gpuPid } = await opened('await device.close();');
    expect(await code).toBe(0);
    await gone(gpuPid);
  });

  it('ends by itself while the device is idle, which goes with it', async () => {
    const { code, gpuPid } = await opened('');
    expect(await code).toBe(0);
    await gone(gpuPid);
  });

  it('stays while an answer is awaited', async () => {
    const { code } = await opened(`
      device.measurePeak().then((peak) => process.exit(peak === 12345 ? 7 : 8));`);
    expect(await code).toBe(7);
  });

  it('takes the device with it when it is killed', async () => {
    const { pid, code, gpuPid } = await opened('setInterval(() => {}, 1000);');
    process.kill(pid, 'SIGKILL');
    await code;
    await gone(gpuPid);
  });

  it('is not left by the device at a signal to the group, which is for the parent to judge', async () => {
    const { pid, code, gpuPid } = await opened('setInterval(() => {}, 1000);');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(gpuPid, signal);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(isRunning(gpuPid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    await code;
    await gone(gpuPid);
  });

  it('leaves no process behind that hangs', async () => {
    const { opened: hanging } = rig({ list: 'hang' });
    const text = `
      import { createWebGpuDriver } from '${driver.href}';
      void createWebGpuDriver({}, { script: new URL('${SCRIPT.href}') }).enumerate();
      process.stdin.once('data', () => process.exit(3));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', text], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    const code = new Promise<number | null>((resolve) => child.on('exit', resolve));
    const { pid } = await vi.waitFor(() => hanging()[0]!, 10_000);
    child.stdin.write('end');
    expect(await code).toBe(3);
    await gone(pid);
  });
});
