/** Which kernels a GPU can run, which one the miner would choose, and a device for each. */
import { type Device, type DeviceInfo, DriverError } from '../../drivers/driver.ts';
import type { KernelReport, TuningEvent } from '../../drivers/kernel-choice.ts';
import { createWebGpuDriver } from '../../drivers/webgpu/node/driver.ts';
import { errorText } from '../../src/util/errors.ts';
import { gpuProcesses } from './gpu-host-cpu.ts';

export interface KernelSurvey {
  readonly info: DeviceInfo;
  /** What the miner would run; undefined if it was not asked. */
  readonly chosen: string | undefined;
  /** What runs here and is right, the fastest first; or what was wanted. */
  readonly usable: readonly string[];
  /** The others, and why. */
  readonly unusable: readonly { readonly kernel: string; readonly reason: string }[];
}

/** A device that runs one kernel, and the process that it lives in. */
export interface OpenKernel {
  readonly kernel: string;
  readonly device: Device;
  /** Undefined where processes cannot be looked at. */
  readonly pid: number | undefined;
}

/** As the miner opens it. */
const BATCH_MS = 250;

/**
 * Has the miner's own choice made anew, unless it is known which kernels are `wanted`. Rejects
 * `not-found`, or with why the GPU does not open.
 */
export async function surveyKernels(id: string, wanted: readonly string[]): Promise<KernelSurvey> {
  const reports: KernelReport[] = [];
  const crashes: { kernel: string; reason: string }[] = [];
  const onTuning = (event: TuningEvent): void => {
    if (event.kind === 'report') reports.push(event.report);
    if (event.kind === 'crashed') crashes.push({ kernel: event.kernel, reason: event.reason });
  };
  const driver = createWebGpuDriver({ onTuning });
  const { devices, unavailable: reason } = await driver.enumerate();
  const info = devices.find((device) => device.id === id);
  if (info === undefined) {
    const available = devices.map((device) => device.id);
    const why = reason === undefined ? {} : { reason };
    throw new DriverError({ code: 'not-found', id, available, ...why });
  }
  if (wanted.length > 0) return { info, chosen: undefined, usable: wanted, unusable: [] };
  const device = await driver.open(id, { batchMs: BATCH_MS });
  await device.close();
  // After a crash everything was tried again, without what had crashed.
  const latest = new Map(reports.map((report) => [report.kernel, report]));
  const crashed = new Set(crashes.map(({ kernel }) => kernel));
  const runs = [...latest.values()].filter(
    ({ kernel, outcome }) => !crashed.has(kernel) && (outcome === 'timed' || outcome === 'skipped'),
  );
  const others = [...latest.values()].filter(
    ({ kernel, outcome }) => !crashed.has(kernel) && outcome !== 'timed' && outcome !== 'skipped',
  );
  const order = ({ msPerHash = Number.POSITIVE_INFINITY }: KernelReport): number => msPerHash;
  return {
    info,
    chosen: device.info.kernel,
    usable: runs.sort((a, b) => order(a) - order(b)).map(({ kernel }) => kernel),
    unusable: [
      ...others.map((report) => ({
        kernel: report.kernel,
        reason: report.reason ?? report.outcome,
      })),
      ...crashes.map(({ kernel, reason: crash }) => ({ kernel, reason: `crashed: ${crash}` })),
    ],
  };
}

/** Opens the GPU once more, with this kernel; each has a driver and a process of its own. */
export async function openKernel(id: string, kernel: string): Promise<OpenKernel> {
  const before = gpuProcesses();
  const device = await createWebGpuDriver({ kernel }).open(id, { batchMs: BATCH_MS });
  const [pid] = [...(gpuProcesses() ?? [])].filter((each) => before?.has(each) === false);
  return { kernel, device, pid };
}

/** Why a kernel did not open or did not go on. */
export function failureText(error: unknown): string {
  const isWrong = error instanceof DriverError && error.detail.code === 'self-test';
  return `${isWrong ? 'wrong, ' : ''}${errorText(error)}`;
}
