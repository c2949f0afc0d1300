/**
 * Which kernels can run on a GPU. A variant is one program of the products made for one shape; which
 * is the fastest is not guessed here but timed on the device, so this only leaves out what cannot run
 * and puts the most promising ones first.
 */
import type { ProgramName, ShaderConstants } from '../../../shaders/index.ts';
import { TABLE_BYTES } from '../../../src/tensority/params.ts';
import { matrixVariants } from './variants-matrix.ts';
import { dp4aVariants, f32Variants } from './variants-scalar.ts';

export type KernelFamily = 'dp4a' | 'f32' | 'int8-matrix' | 'float-matrix';

export interface KernelVariant {
  /** Stable: shown, remembered, and what `--gpu-kernel` takes. */
  readonly name: string;
  readonly family: KernelFamily;
  readonly program: ProgramName;
  readonly constants: ShaderConstants;
  /** Rows that one workgroup owns; it leaves 256 / rows rows of 64 words per hash. */
  readonly rows: number;
  /** How the table that the products read is made from the raw one. */
  readonly table: TableLayout;
  readonly peak: PeakProgram;
  /** Features the device must be opened with: `GPUFeatureName`s or Dawn's experimental ones. */
  readonly features: readonly string[];
  /** Least limits the device must be opened with; some are below the default ones. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface TableLayout {
  /** Entry point of the program `tables`. */
  readonly entry: 'pack_words' | 'pack_tiles';
  readonly bytes: number;
  /** Of the program `tables`, for this entry and for `fold_transpose`. */
  readonly constants: ShaderConstants;
}

/** A loop of a family's multiply-accumulates on registers; binding 0 takes what each thread is left with. */
export interface PeakProgram {
  readonly program: ProgramName;
  readonly constants: ShaderConstants;
  readonly macsPerWorkgroup: number;
  readonly outBytesPerWorkgroup: number;
}

/** What a GPU offers, as far as kernels care. */
export interface Capabilities {
  readonly features: ReadonlySet<string>;
  /** `GPU.wgslLanguageFeatures`; empty if that is not known. */
  readonly languageFeatures: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly matrixConfigs: readonly MatrixConfig[];
  readonly isSoftware: boolean;
}

/** A shape that the GPU's matrix units multiply: M×K by K×N. */
export interface MatrixConfig {
  /** As WGSL spells it: 'i8', 'f16', 'f32', … */
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface VariantChoice {
  /** Best guess first. */
  readonly usable: readonly KernelVariant[];
  /** One line each, why: "needs 32 KiB of workgroup storage, the device has 16 KiB". */
  readonly unusable: readonly UnusableVariant[];
}

export interface UnusableVariant {
  /** Of a variant, or of a whole family where the GPU has nothing that its shapes depend on. */
  readonly name: string;
  readonly reason: string;
}

/** Workgroups of 64 that each entry of the program `tables` is dispatched with. */
export const TABLE_WORKGROUPS: number = TABLE_BYTES / 16 / 64;

export function variantsFor(capabilities: Capabilities): VariantChoice {
  const matrix = matrixVariants(capabilities);
  const all = [...matrix.usable, ...dp4aVariants(), ...f32Variants()];
  const usable: KernelVariant[] = [];
  const unusable: UnusableVariant[] = [];
  for (const variant of all) {
    const reason = whatIsMissing(variant, capabilities);
    if (reason === undefined) usable.push(variant);
    else unusable.push({ name: variant.name, reason });
  }
  return { usable: familiesFirst(usable), unusable: [...unusable, ...matrix.unusable] };
}

/**
 * The best guess of every family before the rest: where the time for trying ends early, no family has
 * been left out for the many shapes of another.
 */
function familiesFirst(variants: readonly KernelVariant[]): readonly KernelVariant[] {
  const firsts = new Set(
    new Map(variants.toReversed().map((each) => [each.family, each])).values(),
  );
  return [
    ...variants.filter((each) => firsts.has(each)),
    ...variants.filter((each) => !firsts.has(each)),
  ];
}

/** Reads what the adapter offers; `gpu` is the root object it came from. */
export function capabilitiesOf(adapter: GPUAdapter, gpu?: GPU): Capabilities {
  const info: ExperimentalInfo = adapter.info;
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[name] = value;
  }
  const configs = [...(info.subgroupMatrixConfigs ?? [])];
  return {
    features: new Set<string>(adapter.features),
    languageFeatures: new Set(gpu?.wgslLanguageFeatures ?? []),
    limits,
    // Where nothing is known: the ends of what there is.
    subgroupMinSize: info.subgroupMinSize ?? 4,
    subgroupMaxSize: info.subgroupMaxSize ?? 128,
    // Copied field by field: they are getters of the binding's objects.
    matrixConfigs: configs.map(({ componentType, resultComponentType, M, N, K }) => ({
      componentType,
      resultComponentType,
      M,
      N,
      K,
    })),
    isSoftware: info.isFallbackAdapter,
  };
}

/** What Dawn adds to the standard's `GPUAdapterInfo` with unsafe APIs allowed. */
interface ExperimentalInfo extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
}

/** Everything reads packed int8, if only to unpack it. */
const LANGUAGE_FEATURE = 'packed_4x8_integer_dot_product';

function whatIsMissing(variant: KernelVariant, offered: Capabilities): string | undefined {
  const { languageFeatures, features, limits } = offered;
  if (languageFeatures.size > 0 && !languageFeatures.has(LANGUAGE_FEATURE)) {
    return `needs the language feature ${LANGUAGE_FEATURE}`;
  }
  const feature = variant.features.find((name) => !features.has(name));
  if (feature !== undefined) return `needs the feature ${feature}`;
  for (const [name, least] of Object.entries(variant.limits)) {
    const most = limits[name] ?? 0;
    if (most < least) return `needs ${limitText(name, least)}, the device has ${shown(name, most)}`;
  }
  return undefined;
}

function limitText(name: string, value: number): string {
  return `${shown(name, value)} ${LIMIT_NAMES[name] ?? name}`;
}

const LIMIT_NAMES: Readonly<Record<string, string>> = {
  maxComputeWorkgroupStorageSize: 'of workgroup storage',
  maxComputeInvocationsPerWorkgroup: 'threads in a workgroup',
  maxComputeWorkgroupSizeX: 'threads in a row',
  maxStorageBufferBindingSize: 'of storage in one binding',
};

function shown(name: string, value: number): string {
  return /Storage|Buffer/.test(name) ? `${Math.round((10 * value) / 1024) / 10} KiB` : `${value}`;
}
