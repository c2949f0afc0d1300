/** Opens the device: chooses a mode of gpu.js and makes a device of its lanes. */
import type { DeviceInfo } from '../driver.ts';
import { HasherDevice } from '../hasher-device.ts';
import type { OpenedDevice, OpenHooks, OpenRequest } from '../process/child-main.ts';
import { threadsFor } from '../threads.ts';
import { LaneHasher, TABLE_SLOTS } from './hasher.ts';
import { type Lane, LocalLane, ThreadLane } from './lane.ts';
import type { GpujsTarget } from './listing.ts';
import { computesOnCores, openChainKernel } from './modes.ts';
import { type Gpujs, type Mode, missingFor } from './package.ts';
import { tune } from './tune.ts';

export type OpenGpujsRequest = OpenRequest<GpujsTarget>;

/** Rejects as `tune` does. */
export async function openGpujs(
  request: OpenGpujsRequest,
  hooks: OpenHooks,
  gpujs: Gpujs,
): Promise<OpenedDevice> {
  const { target, info, batchMs, intensity } = request;
  const threads = threadsFor(target.threads, intensity);
  const { lanes, choice } = await tune(request, hooks, {
    missingFor: (mode) => missingFor(mode, gpujs),
    openLanes: (mode) => openLanes(mode, threads, gpujs),
  });
  const hasher = new LaneHasher(lanes);
  const { granule } = hasher;
  const device = new HasherDevice(hasher, {
    info: infoOf(info, choice.kernel, threads),
    batchMs,
    granule,
    leastBatch: granule,
    lost: hasher.lost,
  });
  return { device, choice };
}

async function openLanes(mode: Mode, threads: number, gpujs: Gpujs): Promise<readonly Lane[]> {
  if (!computesOnCores(mode)) return [new LocalLane(await openChainKernel(mode, gpujs))];
  const opening = Array.from({ length: threads }, () => ThreadLane.open({ mode }));
  try {
    return await Promise.all(opening);
  } catch (error) {
    for (const lane of await Promise.allSettled(opening)) {
      if (lane.status === 'fulfilled') await lane.value.close();
    }
    throw error;
  }
}

function infoOf(listed: DeviceInfo, kernel: Mode, threads: number): DeviceInfo {
  const info = { ...listed, tableSlots: TABLE_SLOTS, kernel };
  if (computesOnCores(kernel)) return { ...info, threads };
  // Some GPU, and gpu.js does not tell which.
  const { processor: _processor, threads: _threads, ...rest } = info;
  return rest;
}
