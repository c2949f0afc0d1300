/**
 * The npm package gpu.js, as far as it is used here. Only processes of this driver load it: it loads the
 * native package `gl` where that is installed. It reads `navigator.gpu` and never sets it, and nor do we:
 * what computes by WebGPU is another driver.
 */
import { createRequire } from 'node:module';
import { errorText } from '../../src/util/errors.ts';

/**
 * What 2.24.1 knows outside a browser, the best guess first. `webgpu` needs a `navigator.gpu`, which Node does
 * not have yet, and `headlessgl` the package `gl`, built.
 */
export const MODES = ['cpu', 'webasm', 'webgpu', 'headlessgl'] as const;
export type Mode = (typeof MODES)[number];

export interface Gpujs {
  readonly GPU: GpuClass;
  /** An array with its sizes, the fastest dimension first; it is not copied. */
  readonly input: (
    value: Int8Array | Float32Array | Float64Array,
    size: readonly number[],
  ) => Input;
}

interface GpuClass {
  new (settings: { readonly mode: Mode }): Gpu;
  readonly isHeadlessGLSupported: boolean;
  readonly isWebGPUSupported: boolean;
  readonly isWebAssemblySupported: boolean;
}

/** One mode of gpu.js. */
export interface Gpu {
  createKernel(source: string, settings: KernelSettings): Kernel;
  /** A kernel with several results: each function of `outputs` stores what it is called with. */
  createKernelMap(
    outputs: Readonly<Record<string, (value: number) => number>>,
    source: string,
    settings: KernelSettings,
  ): Kernel;
  destroy(): Promise<void>;
}

export interface KernelSettings {
  /** Sizes of the result, the fastest dimension first. */
  readonly output: readonly number[];
  /** The result stays where it was computed, as a handle that other kernels take. */
  readonly pipeline?: boolean;
  /** Each call has a result of its own. */
  readonly immutable?: boolean;
  readonly precision?: 'single';
  readonly optimizeFloatMemory?: boolean;
}

export interface Kernel {
  (...args: unknown[]): unknown;
  /** What runs now: a kernel that its mode cannot take is replaced by one of the mode `cpu`. */
  readonly kernel: {
    readonly constructor: { readonly mode: string };
    readonly fallbackReason?: string | null;
  };
}

declare const inputBrand: unique symbol;
export interface Input {
  readonly [inputBrand]: true;
}

export type LoadedGpujs =
  | { readonly gpujs: Gpujs }
  | { readonly gpujs: undefined; readonly isMissing: boolean; readonly problem: string };

/** Loads the package. Never rejects: without it there is no device, which is no error. */
export async function loadGpujs(): Promise<LoadedGpujs> {
  try {
    // Its own types know neither the mode of the result nor an argument that is no array.
    return { gpujs: (await import('gpu.js')) as unknown as Gpujs };
  } catch (error) {
    return { gpujs: undefined, isMissing: isMissing(error), problem: errorText(error) };
  }
}

/** The version of the package, without loading it; undefined if it is not there. */
export function gpujsVersion(): string | undefined {
  try {
    const { version } = createRequire(import.meta.url)('gpu.js/package.json') as {
      readonly version?: unknown;
    };
    return typeof version === 'string' ? version : undefined;
  } catch {
    // Not installed: that is told by who wants to load it.
    return undefined;
  }
}

/** Why a mode cannot run in this process; undefined if it can, as far as is known without trying. */
export function missingFor(mode: Mode, { GPU }: Gpujs): string | undefined {
  switch (mode) {
    case 'cpu':
      return undefined;
    case 'webasm':
      return GPU.isWebAssemblySupported ? undefined : 'WebAssembly';
    case 'webgpu':
      return GPU.isWebGPUSupported ? undefined : 'navigator.gpu in this runtime';
    case 'headlessgl':
      return GPU.isHeadlessGLSupported ? undefined : 'the npm package gl, built, and a display';
  }
}

/** What is wrong with the package, in a line that says what to do about it. */
export function packageProblem(isMissing: boolean, problem: string): string {
  return isMissing
    ? 'the npm package gpu.js is not installed; it is optional, and `npm install gpu.js` brings it'
    : `the npm package gpu.js does not load: ${problem}`;
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && errorText(error).includes("'gpu.js'");
}
