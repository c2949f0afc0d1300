/** The execution providers of ONNX Runtime as devices: which is `onnx0`, which `onnx1`, and so on. */
import { availableParallelism } from 'node:os';
import { clip } from '../../src/util/errors.ts';
import type { DeviceInfo } from '../driver.ts';
import type { RuntimeBackend } from './runtime.ts';

/**
 * In the order of their numbers, which never change: an id must mean the same provider on every
 * machine, whatever else is installed there.
 */
const PROVIDERS: readonly (readonly [name: string, title: string])[] = [
  ['cpu', 'CPU'],
  ['webgpu', 'WebGPU'],
  ['cuda', 'CUDA'],
  ['tensorrt', 'TensorRT'],
  ['dml', 'DirectML'],
  ['coreml', 'CoreML'],
  ['qnn', 'QNN'],
];

/** Tables that fit beside each other: an epoch's edge needs two. */
export const TABLE_SLOTS = 2;

/** What the listing process has to say. */
export type RuntimeNews =
  | {
      readonly kind: 'runtime';
      readonly version: string;
      readonly backends: readonly RuntimeBackend[];
    }
  | { readonly kind: 'problem'; readonly problem: string; readonly isMissing: boolean };

export interface ProviderDevice {
  readonly provider: string;
  readonly info: DeviceInfo;
}

export interface ProviderListing {
  readonly devices: readonly ProviderDevice[];
  readonly unavailable?: string;
}

/** The devices behind what the runtime was built for. `threads`: of the CPU; default one for each core. */
export function providerDevices(
  version: string,
  backends: readonly RuntimeBackend[],
  threads: number = availableParallelism(),
): ProviderListing {
  const known = PROVIDERS.map(([name]) => name);
  // Names come once each, whatever the runtime lists.
  const others = [...new Set(backends.map(({ name }) => name))].filter((n) => !known.includes(n));
  const devices: ProviderDevice[] = [];
  for (const [index, provider] of [...known, ...others].entries()) {
    if (!backends.some(({ name, isInstalled }) => name === provider && isInstalled)) continue;
    const isCpu = provider === 'cpu';
    devices.push({
      provider,
      info: {
        id: `onnx${index}`,
        name: `ONNX Runtime ${version}, ${providerTitle(provider)}`,
        tableSlots: TABLE_SLOTS,
        rollsNonce: false,
        ...(isCpu ? { processor: 'cpu', threads } : {}),
        details: isCpu
          ? ['computes on the cores of the cpu']
          : ['the runtime does not tell which processor it computes on: taken by name only'],
      },
    });
  }
  const absent = backends.filter(({ isInstalled }) => !isInstalled).map(({ name }) => name);
  return absent.length === 0 ? { devices } : { devices, unavailable: absentText(absent) };
}

/** What people call it: 'CUDA'. */
export function providerTitle(provider: string): string {
  return PROVIDERS.find(([name]) => name === provider)?.[1] ?? provider;
}

/** The names that an option may begin with. */
export const PROVIDER_NAMES: readonly string[] = PROVIDERS.map(([name]) => name);

/** What a listing came to that brought no runtime. */
export interface ListingFailure {
  /** 'linux-x64' */
  readonly platform: string;
  readonly problem?: { readonly problem: string; readonly isMissing: boolean } | undefined;
  /** How the process ended, if it did before it was done: 'SIGSEGV: what it said last'. */
  readonly crash?: string | undefined;
  /** It was killed after so long. */
  readonly lateMs?: number | undefined;
}

/** Why there is no device at all, in a line that says what to do about it. */
export function listingProblem({ platform, problem, crash, lateMs }: ListingFailure): string {
  if (problem?.isMissing === true) {
    return 'the npm package onnxruntime-node is not installed; it is optional, and `npm install onnxruntime-node` brings it';
  }
  if (problem !== undefined) {
    const text = problem.problem;
    const needed = /version `(GLIBC|GLIBCXX|CXXABI)_([\d.]+)' not found/.exec(text);
    if (needed !== null) {
      return `the npm package onnxruntime-node needs ${needed[1]} ${needed[2]}, which this system is too old for`;
    }
    if (/Cannot find module .*onnxruntime_binding\.node/.test(text)) {
      return `the npm package onnxruntime-node has no program for ${platform}`;
    }
    return `the npm package onnxruntime-node does not load: ${clip(text, 160)}`;
  }
  if (lateMs !== undefined) {
    return `ONNX Runtime did not answer within ${Math.round(lateMs / 1000)} s`;
  }
  return `ONNX Runtime crashed when it was loaded: ${clip(crash ?? 'it said nothing', 160)}`;
}

function absentText(absent: readonly string[]): string {
  const names = absent.map(providerTitle).join(' and ');
  return (
    `the libraries of ${names} are not installed: \`npm explore onnxruntime-node -- node script/install ` +
    '--onnxruntime-node-install` downloads what is missing (hundreds of MB, for CUDA 12)'
  );
}
