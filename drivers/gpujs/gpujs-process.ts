/** The program of a gpu.js process: tells what gpu.js can do here, or opens the device. */
import { DriverError } from '../driver.ts';
import {
  type OpenedDevice,
  type OpenHooks,
  type OpenRequest,
  runChild,
} from '../process/child-main.ts';
import type { GpujsNews, GpujsTarget } from './listing.ts';
import { openGpujs } from './open-gpujs.ts';
import { gpujsVersion, loadGpujs, MODES, missingFor, packageProblem } from './package.ts';

runChild<undefined, GpujsNews, GpujsTarget>({ list, open });

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

async function open(request: OpenRequest<GpujsTarget>, hooks: OpenHooks): Promise<OpenedDevice> {
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) {
    const { isMissing, problem } = loaded;
    throw new DriverError({ code: 'unsupported', missing: packageProblem(isMissing, problem) });
  }
  return openGpujs(request, hooks, loaded.gpujs);
}
