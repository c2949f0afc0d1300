/** The program of a gpu.js process: tells what gpu.js can do here, or opens the device. */
import { DriverError } from '../driver.ts';
import {
  type OpenedDevice,
  type OpenHooks,
  type OpenRequest,
  runChild,
} from '../process/child-main.ts';
import type { GpujsNews } from './listing.ts';
import { openGpujs } from './open-gpujs.ts';
import { gpujsVersion, loadGpujs, MODES, missingFor } from './package.ts';

runChild<undefined, GpujsNews, undefined>({ list, open });

async function list(_question: undefined, tell: (news: GpujsNews) => void): Promise<void> {
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) {
    const { isMissing, problem } = loaded;
    tell({ kind: 'problem', isMissing, problem });
    return;
  }
  const { gpujs } = loaded;
  const modes = MODES.filter((mode) => missingFor(mode, gpujs) === undefined);
  tell({ kind: 'package', version: gpujsVersion() ?? '', modes });
}

async function open(request: OpenRequest<undefined>, hooks: OpenHooks): Promise<OpenedDevice> {
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) {
    throw new DriverError({ code: 'unsupported', missing: loaded.problem });
  }
  return openGpujs(request, hooks, loaded.gpujs);
}
