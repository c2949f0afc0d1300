/**
 * Under what the choice of a kernel is remembered: what is known and could make another one better.
 * Which chip another provider than the CPU computes on is not known; who puts in another one chooses
 * anew with `--retune`.
 */
import { createHash } from 'node:crypto';
import { cpus, release } from 'node:os';
import { threadsFor } from '../threads.ts';
import { kernelsFor, modelOf } from './kernels.ts';
import type { OnnxTarget } from './open-onnx.ts';
import { providerTitle } from './providers.ts';

/** Which of several chips a provider takes, or whose program drives it. */
const DEVICE_VARIABLES = [
  'CUDA_VISIBLE_DEVICES',
  'CUDA_DEVICE_ORDER',
  'NVIDIA_VISIBLE_DEVICES',
  'HIP_VISIBLE_DEVICES',
  'ROCR_VISIBLE_DEVICES',
  'VK_ICD_FILENAMES',
  'VK_DRIVER_FILES',
  'VK_LOADER_DRIVERS_SELECT',
  'VK_LOADER_DRIVERS_DISABLE',
  'MESA_VK_DEVICE_SELECT',
  'DRI_PRIME',
  '__NV_PRIME_RENDER_OFFLOAD',
];

const hashes = new Map<string, string>();

/** `version`: of the package. `intensity`: of the opening. */
export function choiceKey(
  version: string,
  { provider, options, threads }: OnnxTarget,
  intensity?: number,
): string {
  const settings = options
    .filter(({ scope }) => scope === provider || scope === 'session')
    .map(({ scope, key, value }) => `${scope}.${key}=${String(value)}`);
  return [
    `onnxruntime-node ${version}`,
    providerTitle(provider),
    `${process.platform} ${process.arch} ${release()}`,
    ...(provider === 'cpu'
      ? [cpus()[0]?.model.trim() ?? '', `${threadsFor(threads, intensity)} lanes`]
      : deviceVariables()),
    ...settings.sort(),
    `models ${modelsHash(provider)}`,
  ].join(' | ');
}

function deviceVariables(): readonly string[] {
  return DEVICE_VARIABLES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** Changes with the list of kernels and with their models, which take some tens of milliseconds. */
function modelsHash(provider: string): string {
  const known = hashes.get(provider);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const kernel of kernelsFor(provider)) hash.update(kernel.name).update(modelOf(kernel));
  const text = hash.digest('hex').slice(0, 16);
  hashes.set(provider, text);
  return text;
}
