/**
 * Kernels on matrix units (tensor cores, XMX, WMMA, simdgroup matrices), for every tile that the GPU
 * names and that is exact.
 */
import { DIM, TABLE_BYTES } from '../../../src/tensority/params.ts';
import type {
  Capabilities,
  KernelVariant,
  MatrixConfig,
  PeakProgram,
  TableLayout,
  UnusableVariant,
} from './variants.ts';
import { workgroupLimits } from './variants-scalar.ts';

export interface MatrixVariants {
  readonly usable: readonly KernelVariant[];
  readonly unusable: readonly UnusableVariant[];
}

/** Rows of a workgroup and how its subgroups share them: `across` of them lie side by side. */
interface MatrixShape {
  readonly rows: number;
  readonly subgroups: number;
  readonly across: number;
}

interface Components {
  readonly family: 'int8-matrix' | 'float-matrix';
  /** In a vec4 of memory. */
  readonly perVec4: 16 | 8 | 4;
  readonly result: 'i32' | 'f32';
  readonly features: readonly string[];
  /** The most promising first. */
  readonly shapes: readonly MatrixShape[];
}

const FEATURE = 'chromium-experimental-subgroup-matrix';

/**
 * Bound by fetching matrices, with two workgroups at once on a multiprocessor, where rows are few; bound
 * by the matrix units and the fold, where they are many.
 */
const LARGE: readonly MatrixShape[] = [
  { rows: 64, subgroups: 8, across: 8 },
  { rows: 128, subgroups: 8, across: 4 },
  { rows: 128, subgroups: 16, across: 8 },
  { rows: 64, subgroups: 4, across: 4 },
];
const SMALL: readonly MatrixShape[] = [
  { rows: 32, subgroups: 4, across: 4 },
  { rows: 16, subgroups: 4, across: 4 },
];

const COMPONENTS: Readonly<Record<string, Components>> = {
  i8: {
    family: 'int8-matrix',
    perVec4: 16,
    result: 'i32',
    features: ['subgroups', FEATURE],
    shapes: [...LARGE, ...SMALL],
  },
  f16: {
    family: 'float-matrix',
    perVec4: 8,
    result: 'f32',
    features: ['subgroups', FEATURE, 'shader-f16'],
    shapes: [{ rows: 64, subgroups: 8, across: 8 }, ...SMALL],
  },
  f32: {
    family: 'float-matrix',
    perVec4: 4,
    result: 'f32',
    features: ['subgroups', FEATURE, 'shader-f16'],
    shapes: [...SMALL, { rows: 8, subgroups: 4, across: 4 }],
  },
};

/** Bytes of vec4s, and how many of them a row of 16 sums takes in scratch memory. */
const VEC4_BYTES = 16;
const UNIT_STRIDE = 5;
/** More than this for one workgroup keeps others from running beside it. */
const MOST_STORAGE = 48 * 1024;

/** Whether they fit the device's limits and features is for the caller to see. */
export function matrixVariants(capabilities: Capabilities): MatrixVariants {
  const { matrixConfigs, features } = capabilities;
  if (!features.has(FEATURE)) return refusal(`needs the feature ${FEATURE}`);
  if (matrixConfigs.length === 0) return refusal('the device names no tile of its matrix units');
  const usable: KernelVariant[] = [];
  const unusable: UnusableVariant[] = [];
  // int8 first: it is twice as fast as f16 where there are both.
  for (const [type, components] of Object.entries(COMPONENTS)) {
    const tiles = new Map<string, MatrixConfig>();
    const reasons = new Map<string, string>();
    for (const config of matrixConfigs.filter(({ componentType }) => componentType === type)) {
      const name = configName(config, components);
      const reason = whyNot(config, components);
      if (reason === undefined) tiles.set(name, config);
      else reasons.set(name, reason);
    }
    // Shape by shape: that matters more than which of its tiles a GPU is given.
    for (const shape of components.shapes) {
      for (const config of tiles.values()) {
        if (shape.rows / (shape.subgroups / shape.across) < config.M) continue;
        usable.push(matrixVariant(config, components, shape, capabilities));
      }
    }
    for (const [name, reason] of reasons) {
      // The GPU may add up the same tile in another type as well.
      if (!tiles.has(name)) unusable.push({ name, reason });
    }
  }
  return { usable, unusable };
}

function refusal(reason: string): MatrixVariants {
  const names = ['int8-matrix', 'float-matrix'];
  return { usable: [], unusable: names.map((name) => ({ name, reason })) };
}

/** Why no shape can use this tile. */
function whyNot(config: MatrixConfig, { perVec4, result }: Components): string | undefined {
  const { M, N, K, resultComponentType } = config;
  if (resultComponentType !== result) return `sums in ${resultComponentType} are not exact`;
  if (N !== 8 && N !== 16) return `tiles of ${N} columns do not fit the fold`;
  if (![8, 16, 32, 64].includes(M)) return `tiles of ${M} rows do not fit a workgroup’s`;
  if (K % perVec4 !== 0 || DIM % K !== 0) return `tiles ${K} deep do not fit the rows`;
  return undefined;
}

function matrixVariant(
  config: MatrixConfig,
  components: Components,
  shape: MatrixShape,
  { subgroupMinSize, subgroupMaxSize, limits }: Capabilities,
): KernelVariant {
  const { M, N, K, componentType } = config;
  const { family, perVec4 } = components;
  const { rows, subgroups, across } = shape;
  const threads = subgroups * subgroupMaxSize;
  const table = tableLayout(config, perVec4);
  const rowBytes = (DIM / perVec4 + 1) * VEC4_BYTES;
  const storage = Math.min(MOST_STORAGE, limits['maxComputeWorkgroupStorageSize'] ?? 0);
  const units = (rows * DIM) / subgroups / (M * 16);
  const scratchBytes = subgroups * M * UNIT_STRIDE * VEC4_BYTES;
  const passUnits = largestDivisor(units, storage / scratchBytes);
  const isFloat = family === 'float-matrix';
  return {
    name: `${configName(config, components)}-${rows}x${subgroups}`,
    family,
    program: isFloat ? 'product-float-matrix' : 'product-int8-matrix',
    constants: {
      ROWS: rows,
      SUBGROUPS: subgroups,
      GRID_COLUMNS: across,
      SUBGROUP_SIZE: subgroupMaxSize,
      EXACT_SIZE: subgroupMinSize === subgroupMaxSize ? 1 : 0,
      TILE_M: M,
      TILE_N: N,
      TILE_K: K,
      PASS_UNITS: passUnits,
      ...(isFloat ? { COMPONENT: componentType, PER_VEC4: perVec4 } : {}),
    },
    rows,
    table,
    peak: matrixPeak(config, components, subgroupMaxSize),
    features: components.features,
    limits: workgroupLimits(Math.max(rows * rowBytes, passUnits * scratchBytes), threads, table),
  };
}

/** `int8-matrix-16x16x32`, `float-matrix-f16-16x16x16`. */
function configName({ componentType, M, N, K }: MatrixConfig, { family }: Components): string {
  return `${family}${family === 'float-matrix' ? `-${componentType}` : ''}-${M}x${N}x${K}`;
}

function tableLayout({ N, K }: MatrixConfig, perVec4: number): TableLayout {
  const perWord = perVec4 / 4;
  return {
    entry: 'pack_tiles',
    bytes: TABLE_BYTES * (4 / perWord),
    constants: { TILE_N: N, TILE_K: K, PER_WORD: perWord },
  };
}

/** The largest divisor of `value` that is at most `limit`; 1 if there is none. */
function largestDivisor(value: number, limit: number): number {
  for (let divisor = Math.min(value, Math.floor(limit)); divisor > 1; divisor--) {
    if (value % divisor === 0) return divisor;
  }
  return 1;
}

const PEAK_SUBGROUPS = 8;
/** Tiles of results that a subgroup adds to. */
const PEAK_TILES = 8;
const PEAK_TURNS = 256;

function matrixPeak(
  { M, N, K, componentType }: MatrixConfig,
  { family, perVec4 }: Components,
  subgroupSize: number,
): PeakProgram {
  const isFloat = family === 'float-matrix';
  return {
    program: isFloat ? 'peak-float-matrix' : 'peak-int8-matrix',
    constants: {
      SUBGROUPS: PEAK_SUBGROUPS,
      SUBGROUP_SIZE: subgroupSize,
      TILES: PEAK_TILES,
      TURNS: PEAK_TURNS,
      TILE_M: M,
      TILE_N: N,
      TILE_K: K,
      ...(isFloat ? { COMPONENT: componentType, PER_VEC4: perVec4 } : {}),
    },
    macsPerWorkgroup: PEAK_SUBGROUPS * PEAK_TILES * M * N * K * PEAK_TURNS,
    outBytesPerWorkgroup: PEAK_SUBGROUPS * M * N * 4,
  };
}
