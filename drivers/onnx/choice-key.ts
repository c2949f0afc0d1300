/** Under what the choice of a kernel is remembered: anything that could make another one better. */
import { createHash } from 'node:crypto';
import { availableParallelism, cpus } from 'node:os';
import { familyOf, kernelsFor, modelOf } from './kernels.ts';
import type { OnnxTarget } from './open-onnx.ts';
import { providerTitle } from './providers.ts';

const hashes = new Map<string, string>();

/** `version`: of the package. */
export function choiceKey(version: string, { provider, options, threads }: OnnxTarget): string {
  const settings = options
    .filter(({ scope }) => scope === provider || scope === 'session')
    .map(({ scope, key, value }) => `${scope}.${key}=${String(value)}`);
  return [
    `onnxruntime-node ${version}`,
    providerTitle(provider),
    ...(provider === 'cpu'
      ? [cpus()[0]?.model.trim() ?? '', `${threads ?? availableParallelism()} lanes`]
      : []),
    ...settings.sort(),
    `models ${modelsHash(provider)}`,
  ].join(' | ');
}

/** Changes with the list of kernels and with their models, of which those of a family differ by numbers only. */
function modelsHash(provider: string): string {
  const known = hashes.get(provider);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  const families = new Set<string>();
  for (const kernel of kernelsFor(provider)) {
    hash.update(kernel.name);
    if (!families.has(familyOf(kernel))) hash.update(modelOf(kernel));
    families.add(familyOf(kernel));
  }
  const text = hash.digest('hex').slice(0, 16);
  hashes.set(provider, text);
  return text;
}
