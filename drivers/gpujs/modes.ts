/** The kernels of this driver: one for each mode of gpu.js. */
import type { ChainKernel } from './chain.ts';
import { openCpuChain } from './chain-cpu.ts';
import { openGpuChain } from './chain-gpu.ts';
import { openWebasmChain } from './chain-webasm.ts';
import type { Gpujs, Mode } from './package.ts';

/** True if a mode computes on the cores: each then has a thread with a kernel of its own. */
export function computesOnCores(mode: Mode): boolean {
  return mode === 'cpu' || mode === 'webasm';
}

/** Rejects if gpu.js cannot do it here. */
export async function openChainKernel(mode: Mode, gpujs: Gpujs): Promise<ChainKernel> {
  switch (mode) {
    case 'cpu':
      return openCpuChain(gpujs);
    case 'webasm':
      return openWebasmChain(gpujs);
    case 'webgpu':
    case 'headlessgl':
      return openGpuChain(mode, gpujs);
  }
}
