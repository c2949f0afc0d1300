import { describe, expect, it } from 'vitest';
import {
  type Capabilities,
  type KernelVariant,
  TABLE_WORKGROUPS,
  variantsFor,
} from '../../drivers/webgpu/engine/variants.ts';
import { KNOWN_TILES, matrixGpu, PLAIN_GPU, tile } from '../support/gpu-capabilities.ts';

const names = (variants: readonly { readonly name: string }[]): string[] =>
  variants.map(({ name }) => name);
const reasonFor = (capabilities: Capabilities, name: string): string | undefined =>
  variantsFor(capabilities).unusable.find((each) => each.name === name)?.reason;
/** A number of a variant's constants. */
const constant = (variant: KernelVariant, name: string): number => {
  const value = variant.constants[name];
  if (typeof value !== 'number') throw new Error(`${variant.name} has no constant ${name}`);
  return value;
};

describe('choice of kernels', () => {
  it('needs nothing above what WebGPU guarantees', () => {
    const { usable } = variantsFor(PLAIN_GPU);
    expect(names(usable)).toEqual([
      'dp4a-64',
      'f32-16',
      'dp4a-64-16x4',
      'dp4a-32',
      'dp4a-16',
      'dp4a-16-16x4',
    ]);
  });

  it('says of every kernel that cannot run what is missing', () => {
    expect(reasonFor(PLAIN_GPU, 'f32-32')).toBe(
      'needs 32 KiB of workgroup storage, the device has 16 KiB',
    );
    expect(reasonFor(PLAIN_GPU, 'int8-matrix')).toBe(
      'needs the feature chromium-experimental-subgroup-matrix',
    );
    expect(reasonFor(matrixGpu([]), 'float-matrix')).toBe(
      'the device names no tile of its matrix units',
    );
    const few = { ...PLAIN_GPU, limits: { ...PLAIN_GPU.limits, maxComputeWorkgroupSizeX: 128 } };
    expect(reasonFor(few, 'dp4a-64')).toBe('needs 256 threads in a row, the device has 128');
    const noHalf = { ...matrixGpu(KNOWN_TILES), features: new Set([...matrixGpu([]).features]) };
    noHalf.features.delete('shader-f16');
    expect(reasonFor(noHalf, 'float-matrix-f16-16x16x16-32x4')).toBe(
      'needs the feature shader-f16',
    );
  });

  it('finds nothing where packed int8 cannot be read, and asks nobody who does not know', () => {
    const old = variantsFor({
      ...PLAIN_GPU,
      languageFeatures: new Set(['pointer_composite_access']),
    });
    expect(old.usable).toEqual([]);
    expect(old.unusable[0]?.reason).toContain('packed_4x8_integer_dot_product');
    const unknown = variantsFor({ ...PLAIN_GPU, languageFeatures: new Set() });
    expect(unknown.usable).not.toEqual([]);
  });

  it('tries one kernel of each family before the others, int8 matrix units first', () => {
    const { usable } = variantsFor(matrixGpu(KNOWN_TILES));
    const families = usable.map(({ family }) => family);
    expect(families.slice(0, 4)).toEqual(['int8-matrix', 'float-matrix', 'dp4a', 'f32']);
    const others = families.slice(4);
    expect(others).toEqual(others.toSorted((a, b) => order(a) - order(b)));
    expect(usable[0]?.name).toBe('int8-matrix-16x16x32-64x8');
  });

  it('refuses tiles whose sums round, and those that do not fit', () => {
    const gpu = matrixGpu([
      tile('f16', 'f16', 16, 16, 16),
      tile('i8', 'i32', 16, 32, 32),
      tile('i8', 'i32', 16, 16, 24),
      tile('i8', 'i32', 3, 16, 32),
      tile('u8', 'u32', 16, 16, 32),
    ]);
    const { usable, unusable } = variantsFor(gpu);
    expect(names(usable).filter((name) => name.includes('matrix'))).toEqual([]);
    expect(unusable.slice(-4)).toEqual([
      { name: 'int8-matrix-16x32x32', reason: 'tiles of 32 columns do not fit the fold' },
      { name: 'int8-matrix-16x16x24', reason: 'tiles 24 deep do not fit the rows' },
      { name: 'int8-matrix-3x16x32', reason: 'tiles of 3 rows do not fit a workgroup’s' },
      { name: 'float-matrix-f16-16x16x16', reason: 'sums in f16 are not exact' },
    ]);
  });

  it('names each kernel once, though a device names a tile twice', () => {
    const all = names(variantsFor(matrixGpu([...KNOWN_TILES, ...KNOWN_TILES])).usable);
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(names(variantsFor(matrixGpu(KNOWN_TILES)).usable));
  });

  it.each([16, 32, 48, 64, 228])('stays within %i KiB of workgroup storage', (kib) => {
    const gpu = matrixGpu(KNOWN_TILES, { storageBytes: kib * 1024 });
    for (const { name, limits } of variantsFor(gpu).usable) {
      expect(limits['maxComputeWorkgroupStorageSize'], name).toBeLessThanOrEqual(kib * 1024);
    }
  });

  it('gives each thread and each subgroup whole tiles, and each pass whole units', () => {
    const gpus = [
      matrixGpu(KNOWN_TILES),
      matrixGpu(KNOWN_TILES, { storageBytes: 16_384, threads: 256 }),
      matrixGpu(KNOWN_TILES, { subgroupMinSize: 16, subgroupMaxSize: 64 }),
    ];
    for (const gpu of gpus) {
      for (const variant of variantsFor(gpu).usable.filter(({ family }) => /matrix/.test(family))) {
        const of = (name: string): number => constant(variant, name);
        const rows = of('ROWS') / (of('SUBGROUPS') / of('GRID_COLUMNS'));
        const columns = 256 / of('GRID_COLUMNS');
        expect(rows % of('TILE_M'), variant.name).toBe(0);
        expect(columns % Math.max(of('TILE_N'), 16), variant.name).toBe(0);
        const units = (rows / of('TILE_M')) * (columns / 16);
        expect(units % of('PASS_UNITS'), variant.name).toBe(0);
        // WebGPU wants workgroups to be a multiple of the largest subgroup.
        const threads = variant.limits['maxComputeInvocationsPerWorkgroup'];
        expect(threads, variant.name).toBe(of('SUBGROUPS') * gpu.subgroupMaxSize);
        expect(of('EXACT_SIZE')).toBe(gpu.subgroupMinSize === gpu.subgroupMaxSize ? 1 : 0);
      }
    }
  });

  it('makes room for the table of each layout', () => {
    const bytes = new Map(
      variantsFor(matrixGpu(KNOWN_TILES)).usable.map(({ name, table }) => [name, table.bytes]),
    );
    const mib = 1024 * 1024;
    expect(bytes.get('dp4a-64')).toBe(16 * mib);
    expect(bytes.get('int8-matrix-16x16x32-64x8')).toBe(16 * mib);
    expect(bytes.get('float-matrix-f16-16x16x16-32x4')).toBe(32 * mib);
    expect(bytes.get('float-matrix-f32-8x8x8-16x4')).toBe(64 * mib);
    expect(TABLE_WORKGROUPS * 64 * 16).toBe(16 * mib);
  });

  it('divides the rows of a hash among workgroups without a rest', () => {
    for (const { name, rows } of variantsFor(matrixGpu(KNOWN_TILES)).usable) {
      expect(256 % rows, name).toBe(0);
      // The end of a hash takes at most so many blocks.
      expect(256 / rows, name).toBeLessThanOrEqual(64);
    }
  });
});

function order(family: KernelVariant['family']): number {
  return ['int8-matrix', 'float-matrix', 'dp4a', 'f32'].indexOf(family);
}
