/**
 * The kernels on matrix units, on adapters that have none: with subgroup matrices replaced by plain
 * WGSL (emulated-matrix.ts). It shows that offsets, strides, passes, barriers and the fold are right; that
 * a GPU's matrix units do what they should, only that GPU's own self-test can show.
 */
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { type KernelVariant, variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { emulateMatrices } from '../support/emulated-matrix.ts';
import { createBuffer, gpuOrSkip, type TestGpu } from '../support/gpu.ts';
import { KNOWN_TILES, matrixGpu } from '../support/gpu-capabilities.ts';
import { foldedRows, ProductRunner, sumOfSlices } from '../support/gpu-products.ts';

const EXTREME = SELF_TEST_GROUPS.find(({ seed }) => seed === 'extreme')!.vectors;
const HASHES = EXTREME.map(({ headerHash }) => hexToBytes(headerHash, 'headerHash', 32));
const TABLE = extremeTable();
/** Enough to change slices and matrices several times; a whole hash has 4 and 64. */
const SLICES = 2;
const STEPS = 5;
const SUM = sumOfSlices(HASHES[0]!, TABLE, SLICES, STEPS);

const LARGE = matrixGpu(KNOWN_TILES);
/** What lavapipe has; the tiles of a pass are fewer there. */
const MEDIUM = matrixGpu(KNOWN_TILES, { storageBytes: 32_768 });
const SMALL = matrixGpu(KNOWN_TILES, { storageBytes: 16_384, threads: 256 });
/** Its subgroups may have 32 threads or 16. */
const UNSURE = matrixGpu(KNOWN_TILES, { subgroupMinSize: 16, storageBytes: 32_768 });

let runner: ProductRunner | undefined;
let gpu: TestGpu;

async function open(ctx: Pick<TestContext, 'skip'>): Promise<ProductRunner> {
  gpu = await gpuOrSkip(ctx);
  runner ??= new ProductRunner(gpu, TABLE);
  return runner;
}

function find(capabilities: Parameters<typeof variantsFor>[0], name: string): KernelVariant {
  const variant = variantsFor(capabilities).usable.find((each) => each.name === name);
  if (variant === undefined) throw new Error(`there is no ${name}`);
  return variant;
}

/** Cuts a hash short. */
function shorten(text: string): string {
  const short = text
    .replace('slice < 4u;', `slice < ${SLICES}u;`)
    .replace('step < 64u;', `step < ${STEPS}u;`);
  if (!short.includes(`slice < ${SLICES}u;`) || !short.includes(`step < ${STEPS}u;`)) {
    throw new Error('the program has other loops');
  }
  return short;
}

describe('matrix kernels, emulated', () => {
  afterAll(() => runner?.destroy());

  it('compute whole hashes', async (ctx) => {
    const products = await open(ctx);
    const variant = find(MEDIUM, 'int8-matrix-16x16x32-64x8');
    const rewrite = (text: string): string => emulateMatrices(text, { lanes: 32 });
    expect(await products.hashes(variant, HASHES, { rewrite })).toEqual(
      EXTREME.map(({ powHash }) => powHash),
    );
  });

  it.for([
    ['int8-matrix-16x16x32-64x4', MEDIUM],
    ['int8-matrix-16x16x32-32x4', MEDIUM],
    ['int8-matrix-16x16x32-32x4', SMALL],
    ['int8-matrix-16x16x32-16x4', SMALL],
    ['int8-matrix-16x8x32-64x8', MEDIUM],
    ['int8-matrix-8x16x32-64x8', MEDIUM],
    ['int8-matrix-16x16x16-32x4', MEDIUM],
    ['float-matrix-f16-16x16x16-16x4', MEDIUM],
    ['float-matrix-f16-16x8x8-16x4', MEDIUM],
    ['float-matrix-f32-8x8x8-16x4', MEDIUM],
  ] as const)('%s multiplies, folds and sums up exactly', async ([name, capabilities], ctx) => {
    const products = await open(ctx);
    const variant = find(capabilities, name);
    const rewrite = (text: string): string => emulateMatrices(shorten(text), { lanes: 32 });
    const rows = await products.rows(variant, [HASHES[0]!], { rewrite });
    expect(rows).toEqual(foldedRows(SUM, 256 / variant.rows));
  });

  it('are right where the device chooses smaller subgroups than it could', async (ctx) => {
    const products = await open(ctx);
    const variant = find(UNSURE, 'int8-matrix-16x16x32-64x8');
    expect(variant.constants['EXACT_SIZE']).toBe(0);
    for (const lanes of [16, 32]) {
      const rewrite = (text: string): string => emulateMatrices(shorten(text), { lanes });
      const rows = await products.rows(variant, [HASHES[0]!], { rewrite });
      expect(rows, `subgroups of ${lanes}`).toEqual(foldedRows(SUM, 256 / variant.rows));
    }
  });

  // More workgroup memory than software adapters have, so it is a buffer here, for one block at a time.
  it.for([
    'int8-matrix-16x16x32-64x8',
    'int8-matrix-16x16x32-128x8',
    'int8-matrix-16x16x32-128x16',
    'float-matrix-f16-16x16x16-64x8',
  ])('%s is right with all the memory of a large GPU', async (name, ctx) => {
    const products = await open(ctx);
    const variant = find(LARGE, name);
    const tile = createBuffer(gpu.device, variant.limits['maxComputeWorkgroupStorageSize']!);
    const block = 256 / variant.rows - 1;
    const rewrite = (text: string): string => emulateMatrices(shorten(text), { lanes: 32, block });
    const rows = await products.rows(variant, [HASHES[0]!], {
      rewrite,
      blocks: 1,
      buffers: [tile],
    });
    tile.destroy();
    const expected = foldedRows(SUM, 256 / variant.rows);
    expect(rows.slice(64 * block)).toEqual(expected.slice(64 * block));
  });

  it('the emulation notices a missing barrier and a wrong stride', async (ctx) => {
    const products = await open(ctx);
    if (!gpu.adapter.info.isFallbackAdapter) {
      ctx.skip('a GPU may be right by chance without a barrier; a software adapter never is');
    }
    const variant = find(MEDIUM, 'int8-matrix-16x16x32-32x4');
    const expected = foldedRows(SUM, 256 / variant.rows);
    for (const [what, sabotage] of SABOTAGE) {
      const rewrite = (text: string): string => {
        const broken = sabotage(shorten(text));
        if (broken === shorten(text)) throw new Error(`nothing there for: ${what}`);
        return emulateMatrices(broken, { lanes: 32 });
      };
      expect(await products.rows(variant, [HASHES[0]!], { rewrite }), what).not.toEqual(expected);
    }
  });
});

/** Takes the barrier away that follows a piece of the program's text. */
function withoutBarrier(after: RegExp): (text: string) => string {
  const source = `(${after.source}[^]*?)workgroupBarrier\\(\\);`;
  return (text) => text.replace(new RegExp(source), '$1');
}

const SABOTAGE: readonly (readonly [string, (text: string) => string])[] = [
  ['no barrier after the products', withoutBarrier(/subgroupMatrixMultiplyAccumulate/)],
  ['no barrier after the sums', withoutBarrier(/subgroupMatrixStore/)],
  ['no barrier before the next pass', withoutBarrier(/folded\(x\[at\]\)/)],
  ['no barrier after the new rows', withoutBarrier(/put\(place\.x/)],
  ['a row too short', (text) => text.replace('k * K_VEC4, ROW_STRIDE)', 'k * K_VEC4, ROW_VEC4)')],
  ['sums that overlap', (text) => text.replace('TILE_M * UNIT_STRIDE +', 'TILE_M +')],
];
