/** Finding the visitor's GPU, and telling in plain words what it is and what it can do. */
import { type Capabilities, capabilitiesOf } from '../engine/variants.ts';

export type AdapterSearch =
  | { readonly kind: 'found'; readonly adapter: GPUAdapter; readonly capabilities: Capabilities }
  /** The page came over plain HTTP from another machine: browsers then hide WebGPU. */
  | { readonly kind: 'insecure' }
  | { readonly kind: 'no-webgpu' }
  | { readonly kind: 'no-adapter'; readonly reason?: string };

/** Looks for a GPU, a real one first. Never rejects. */
export async function findAdapter(
  gpu: GPU | undefined,
  isSecureContext: boolean,
): Promise<AdapterSearch> {
  if (gpu === undefined) return { kind: isSecureContext ? 'no-webgpu' : 'insecure' };
  try {
    const adapter =
      (await gpu.requestAdapter({ powerPreference: 'high-performance' })) ??
      (await gpu.requestAdapter({ forceFallbackAdapter: true }));
    if (adapter === null) return { kind: 'no-adapter' };
    return { kind: 'found', adapter, capabilities: capabilitiesOf(adapter, gpu) };
  } catch (error) {
    return { kind: 'no-adapter', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Browsers name a GPU as closely as they dare, often only its maker and family. */
export function adapterName(info: GPUAdapterInfo): string {
  const maker = [info.vendor, info.architecture].filter((part) => part !== '').join(' ');
  return info.description || info.device || maker || 'a GPU that the browser does not name';
}

export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface Ability {
  readonly label: string;
  readonly has: boolean;
  /** What it is for, and its sizes where it has some. */
  readonly note: string;
}

export function adapterFacts(info: GPUAdapterInfo, capabilities: Capabilities): readonly Fact[] {
  const { limits } = capabilities;
  const name = adapterName(info);
  const facts: (Fact | undefined)[] = [
    { label: 'Name', value: name },
    // Where the browser gives no name, these two are the name.
    name.includes(info.vendor) ? undefined : { label: 'Maker', value: info.vendor },
    name.includes(info.architecture) ? undefined : { label: 'Family', value: info.architecture },
    capabilities.isSoftware
      ? { label: 'Kind', value: 'software: the processor plays a GPU' }
      : { label: 'Kind', value: 'hardware' },
    {
      label: 'Shared memory of a workgroup',
      value: size(limits['maxComputeWorkgroupStorageSize']),
    },
    {
      label: 'Threads in a workgroup',
      value: `up to ${limits['maxComputeInvocationsPerWorkgroup'] ?? '?'}`,
    },
    { label: 'Largest block of memory', value: size(limits['maxStorageBufferBindingSize']) },
  ];
  return facts.filter((each) => each !== undefined);
}

export function adapterAbilities(capabilities: Capabilities): readonly Ability[] {
  const { features, languageFeatures, matrixConfigs } = capabilities;
  const { subgroupMinSize: least, subgroupMaxSize: most } = capabilities;
  const shapes = matrixConfigs.map(
    ({ componentType, resultComponentType, M, N, K }) =>
      `${componentType} to ${resultComponentType} ${M}×${N}×${K}`,
  );
  const hasMatrices = features.has('chromium-experimental-subgroup-matrix');
  return [
    {
      label: 'Integer dot products (dp4a)',
      has: languageFeatures.has('packed_4x8_integer_dot_product'),
      note: 'four products of bytes in one instruction',
    },
    {
      label: 'Subgroups',
      has: features.has('subgroups'),
      // Not every browser tells.
      note: !most
        ? 'threads that run in step'
        : least === most
          ? `of ${most} threads`
          : `of ${least} to ${most} threads`,
    },
    {
      label: 'Matrix units (tensor cores)',
      has: hasMatrices,
      note: hasMatrices
        ? [...new Set(shapes)].join(', ') || 'without any shape'
        : 'browsers offer them only as an experiment, if the GPU has any',
    },
    {
      label: 'Half floats',
      has: features.has('shader-f16'),
      note: 'numbers of 16 bits, for some matrix units',
    },
  ];
}

/** A number of bytes in the largest unit that leaves it whole, or nearly so. */
function size(bytes: number | undefined): string {
  if (bytes === undefined) return 'unknown';
  for (const [unit, name] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const) {
    if (bytes >= unit) return `${Math.round((10 * bytes) / unit) / 10} ${name}`;
  }
  return `${bytes} bytes`;
}
