/** What opening a GPU does where a real one cannot be made to: kernels that are wrong or slow, memory that is short, a device that hangs or goes away. */
import { beforeEach, describe, expect, it } from 'vitest';
import { DriverError } from '../../drivers/driver.ts';
import type { KernelReport } from '../../drivers/kernel-choice.ts';
import {
  type GpuOpenOptions,
  type OpenedGpu,
  openGpuDevice,
} from '../../drivers/webgpu/engine/open-gpu.ts';
import { capabilitiesOf, variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { driveClock, FakeAdapter, type FakeGpuSettings } from './webgpu-engine-fake.ts';

const MIB = 2 ** 20;

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});

interface Opening {
  readonly adapter: FakeAdapter;
  readonly reports: KernelReport[];
  readonly tried: string[];
  readonly opened: Promise<OpenedGpu>;
}

function start(
  settings: Partial<FakeGpuSettings> = {},
  options: Partial<GpuOpenOptions> = {},
): Opening {
  const adapter = new FakeAdapter(clock, settings);
  const reports: KernelReport[] = [];
  const tried: string[] = [];
  const opened = openGpuDevice(adapter.asAdapter, {
    info: { id: 'gpu0', name: 'Fake', processor: 'gpu0' },
    read: async (file) => `// ${file}\n`,
    batchMs: 100,
    freeAwaits: true,
    clock,
    tables: async (seed) => ({ seed, data: new Int8Array(TABLE_BYTES) }),
    onTry: (kernel) => tried.push(kernel),
    onReport: (report) => reports.push(report),
    ...options,
  });
  return { adapter, reports, tried, opened };
}

/** Lets time pass until the promise settles. */
function drive<T>(call: Promise<T>): Promise<T> {
  return driveClock(clock, call, () => 50);
}

/** The kernels that a GPU without any feature can run. */
const KERNELS = variantsFor(capabilitiesOf(new FakeAdapter(new FakeClock()).asAdapter)).usable;
/** Tells the kernels apart by their constants. */
const codeOf = ({ program, constants }: (typeof KERNELS)[number]): string[] => [
  `// ${program}.wgsl`,
  ...Object.entries(constants).map(([name, value]) => `const ${name} = ${value};`),
];
const isOf =
  (name: string): ((code: string) => boolean) =>
  (code) => {
    const kernel = KERNELS.find((each) => each.name === name)!;
    return codeOf(kernel).every((line) => code.includes(line));
  };

describe('the choice of a kernel', () => {
  const [first, second, third] = KERNELS.map(({ name }) => name);

  it('takes the fastest and says what each one took', async () => {
    const isSecond = isOf(second!);
    const { opened, adapter, reports, tried } = start({
      msPerHash: (code) => (isSecond(code) ? 0.5 : 0.8),
    });
    const { device, choice } = await drive(opened);
    expect(choice.kernel).toBe(second);
    expect(choice.msPerHash).toBeCloseTo(0.5, 1);
    expect(device.info.kernel).toBe(second);
    expect(tried).toEqual(KERNELS.map(({ name }) => name));
    const timed = reports.filter(({ outcome }) => outcome !== 'unsupported');
    expect(timed.map(({ kernel, outcome }) => `${kernel} ${outcome}`)).toEqual(
      KERNELS.map(({ name }) => `${name} timed`),
    );
    // Only the engine that is kept holds memory: two tables, the upload buffer and the lanes.
    expect(adapter.device!.usedBytes).toBeLessThan(6 * 16 * MIB);
    await device.close();
    expect(clock.sleeping).toBe(0);
  });

  it('passes over one that is wrong, however fast, and one that does not compile', async () => {
    const isWrong = isOf(first!);
    const isBad = isOf(second!);
    const { opened, reports } = start({
      msPerHash: (code) => (isWrong(code) ? 0.01 : 1),
      isRight: (code) => !isWrong(code),
      compiles: (code) => !isBad(code),
    });
    const { device, choice } = await drive(opened);
    expect([first, second]).not.toContain(choice.kernel);
    expect(reports.find(({ kernel }) => kernel === first)?.outcome).toBe('wrong');
    const bad = reports.find(({ kernel }) => kernel === second);
    expect(bad?.outcome).toBe('failed');
    expect(bad?.reason).toContain('no such thing');
    await device.close();
  });

  it('leaves out the rest of a family whose first kernel is hopeless, and cuts its test short', async () => {
    const slow = KERNELS.filter(({ family }) => family === 'f32');
    expect(slow.length).toBeGreaterThan(1);
    const isSlow = slow.map(({ name }) => isOf(name));
    const { opened, adapter, reports } = start({
      msPerHash: (code) => (isSlow.some((is) => is(code)) ? 2000 : 300),
    });
    const { device } = await drive(opened);
    const ofSlow = reports.filter(({ kernel }) => slow.some(({ name }) => name === kernel));
    expect(ofSlow.map(({ outcome }) => outcome)).toEqual(slow.map(() => 'skipped'));
    expect(ofSlow[0]?.reason).toContain('2000 ms a hash');
    expect(adapter.device!.batches.filter(({ count }) => count === 2)).toHaveLength(
      2 * (KERNELS.length - slow.length) + 1,
    );
    await device.close();
  });

  it('only tests a remembered one', async () => {
    const { opened, adapter, tried } = start(
      { msPerHash: () => 0.5 },
      { remembered: { kernel: third!, msPerHash: 0.7 } },
    );
    const { device, choice } = await drive(opened);
    expect(choice).toEqual({ kernel: third, msPerHash: 0.7 });
    expect(tried).toEqual([third]);
    expect(adapter.device!.batches).toHaveLength(2);
    await device.close();
  });

  it('tries everything else once a remembered one is wrong', async () => {
    const isWrong = isOf(third!);
    const { opened, tried, reports } = start(
      { isRight: (code) => !isWrong(code) },
      { remembered: { kernel: third!, msPerHash: 0.1 } },
    );
    const { device, choice } = await drive(opened);
    expect(choice.kernel).not.toBe(third);
    expect(tried[0]).toBe(third);
    expect(tried.filter((name) => name === third)).toHaveLength(1);
    expect(reports.find(({ kernel }) => kernel === third)?.outcome).toBe('wrong');
    await device.close();
  });

  it('tries only the one that is asked for', async () => {
    const { opened, tried } = start(
      {},
      { kernel: second, remembered: { kernel: first!, msPerHash: 1 } },
    );
    const { device } = await drive(opened);
    expect(tried).toEqual([second]);
    await device.close();
  });

  it('never tries one that is to be avoided', async () => {
    const { opened, tried, reports } = start({}, { avoid: [first!] });
    const { device } = await drive(opened);
    expect(tried).not.toContain(first);
    expect(reports.find(({ kernel }) => kernel === first)?.outcome).toBe('skipped');
    await device.close();
  });

  it('rejects a kernel that there is not, naming those that there are, before it asks for a device', async () => {
    const { opened, adapter } = start({}, { kernel: 'dp4a-65' });
    await expect(opened).rejects.toMatchObject({ detail: { code: 'unsupported' } });
    await expect(opened).rejects.toThrow(`no kernel dp4a-65 (there are: ${first}`);
    expect(adapter.requests).toEqual([]);
  });

  it('says of a kernel that cannot run here what is missing', async () => {
    const { opened } = start(
      { limits: { maxComputeWorkgroupStorageSize: 1024 } },
      { kernel: first },
    );
    await expect(opened).rejects.toThrow(new RegExp(`^device not supported: ${first} needs`));
  });
});

describe('opening a GPU', () => {
  /** Nothing may be left of an opening that failed. */
  const expectNothingLeft = (adapter: FakeAdapter): void => {
    expect(adapter.device!.isDestroyed).toBe(true);
    expect(clock.sleeping).toBe(0);
  };

  it('rejects with self-test if every kernel is wrong', async () => {
    const { opened, adapter } = start({ isRight: () => false });
    await expect(drive(opened)).rejects.toMatchObject({
      detail: { code: 'self-test', actual: expect.stringMatching(/^0+$/) },
    });
    expectNothingLeft(adapter);
  });

  it('rejects with unsupported and the reasons if none compiles', async () => {
    const { opened, adapter } = start({ compiles: () => false });
    await expect(drive(opened)).rejects.toThrow(/a kernel that runs here \(.*no such thing/);
    expectNothingLeft(adapter);
  });

  it('does with one table where there is no memory for two', async () => {
    const { opened, adapter } = start({ memoryBytes: 60 * MIB });
    const { device } = await drive(opened);
    expect(device.info.tableSlots).toBe(1);
    expect(adapter.device!.usedBytes).toBeLessThanOrEqual(60 * MIB);
    await device.close();
  });

  it('makes its batches smaller before it gives up a table', async () => {
    const { opened } = start({ memoryBytes: 82 * MIB, msPerHash: () => 0.002 });
    const { device } = await drive(opened);
    expect(device.info.tableSlots).toBe(2);
    await device.close();
  });

  it('rejects with how much memory is missing if there is too little for one table', async () => {
    const { opened, adapter } = start({ memoryBytes: 20 * MIB });
    await expect(drive(opened)).rejects.toThrow(/4[89] MiB of GPU memory \(.*out of memory/);
    expectNothingLeft(adapter);
  });

  it('asks for everything at once, and for less if that is refused', async () => {
    const MATRIX = 'chromium-experimental-subgroup-matrix';
    const features = [MATRIX, 'subgroups', 'shader-f16'];
    const config = { M: 16, N: 16, K: 32 };
    const matrixConfigs = [
      { ...config, componentType: 'i8', resultComponentType: 'i32' },
      { ...config, K: 16, componentType: 'f16', resultComponentType: 'f32' },
    ];
    const limits = { maxComputeWorkgroupStorageSize: 65_536 };
    const offer = { features, matrixConfigs, limits };
    const all = start(offer, { kernel: undefined });
    const { choice, device } = await drive(all.opened);
    expect(all.adapter.requests.map((names) => names.toSorted())).toEqual([features.toSorted()]);
    expect(choice.kernel).toMatch(/^int8-matrix-/);
    await device.close();

    const less = start({ ...offer, refused: [MATRIX] });
    const second = await drive(less.opened);
    expect(less.adapter.requests).toHaveLength(2);
    expect(less.adapter.requests[1]).not.toContain(MATRIX);
    expect(second.choice.kernel).toBe(KERNELS[0]!.name);
    expect(less.reports).toContainEqual({
      kernel: choice.kernel,
      outcome: 'unsupported',
      reason: `the adapter offers ${MATRIX}, but gives no device with it`,
    });
    await second.device.close();
  });

  it('rejects with why there is no device', async () => {
    const adapter = new FakeAdapter(clock);
    await adapter.requestDevice({ requiredFeatures: [] });
    const call = openGpuDevice(adapter.asAdapter, {
      info: { id: 'gpu0', name: 'Fake', processor: 'gpu0' },
      read: async () => '',
      batchMs: 100,
    });
    await expect(call).rejects.toThrow('the adapter gives no device: the adapter is consumed');
  });

  it('rejects with lost, in the words of the driver, if the device goes away', async () => {
    const { opened, adapter } = start({ msPerHash: () => 500 });
    await clock.advance(700);
    void adapter.device!.lose('the driver was updated');
    const error = await drive(opened).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DriverError);
    expect(error).toMatchObject({
      detail: { code: 'lost', reason: 'the driver was updated' },
    });
    expectNothingLeft(adapter);
  });

  it('blames no kernel for what fails because the device went away', async () => {
    const { opened, adapter, reports } = start({
      compiles: () => {
        void adapter.device!.lose('the driver crashed');
        return false;
      },
    });
    await expect(drive(opened)).rejects.toMatchObject({
      detail: { code: 'lost', reason: 'the driver crashed' },
    });
    expect(reports.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  });

  it('rejects with lost if nothing comes back', async () => {
    const { opened, adapter } = start({ hangs: true });
    await expect(drive(opened)).rejects.toMatchObject({
      detail: { code: 'lost', reason: 'no answer for 120 s' },
    });
    expectNothingLeft(adapter);
  });

  it('rejects with the reason of its signal at once, and gives the device back', async () => {
    const reason = new Error('no longer wanted');
    const early = start({}, { signal: AbortSignal.abort(reason) });
    await expect(early.opened).rejects.toBe(reason);
    expect(early.adapter.requests).toEqual([]);
    const abort = new AbortController();
    const { opened, adapter } = start({ msPerHash: () => 5000 }, { signal: abort.signal });
    await clock.advance(300);
    abort.abort(reason);
    await expect(opened).rejects.toBe(reason);
    expectNothingLeft(adapter);
  });

  it('refuses settings that make no sense', async () => {
    await expect(start({}, { batchMs: 0 }).opened).rejects.toBeInstanceOf(RangeError);
    await expect(start({}, { intensity: 0 }).opened).rejects.toBeInstanceOf(RangeError);
    await expect(start({}, { intensity: 101 }).opened).rejects.toBeInstanceOf(RangeError);
  });

  it('sizes maxBatch so that a call takes about a second, and one more than a hash at least', async () => {
    for (const [msPerHash, maxBatch] of [
      [1500, 2],
      [20, 50],
      [0.02, 16_384],
    ] as const) {
      const { opened } = start({}, { remembered: { kernel: KERNELS[0]!.name, msPerHash } });
      const { device } = await drive(opened);
      expect(device.maxBatch, `${msPerHash} ms`).toBe(maxBatch);
      await device.close();
    }
  });
});
