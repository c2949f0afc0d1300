/** Whole hashes by every kernel that runs on the adapter: real seeds and the extreme table. */
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import {
  capabilitiesOf,
  type KernelVariant,
  variantsFor,
} from '../../drivers/webgpu/engine/variants.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { gpuOrSkip } from '../support/gpu.ts';
import { matrixGpu } from '../support/gpu-capabilities.ts';
import { ProductRunner } from '../support/gpu-products.ts';

/** Those that need no matrix units. */
const PLAIN = variantsFor(matrixGpu([])).usable;
/** Those that run on the matrix units of this adapter. */
const MATRIX = process.env['TEST_WEBGPU'] === '1' ? await matrixVariants() : [];
const SEEDS = SELF_TEST_GROUPS.map(({ seed }) => seed);

async function matrixVariants(): Promise<readonly KernelVariant[]> {
  const { adapter, gpu } = await gpuOrSkip({
    skip: () => {
      throw new Error('this is asked only where there is a GPU');
    },
  });
  return variantsFor(capabilitiesOf(adapter, gpu)).usable.filter(({ family }) =>
    family.endsWith('-matrix'),
  );
}

describe('products', () => {
  const runners = new Map<string, ProductRunner>();
  afterAll(() => {
    for (const runner of runners.values()) runner.destroy();
  });

  /** Compares hashes under one of the self-test's tables. */
  async function compare(
    ctx: Pick<TestContext, 'skip'>,
    variant: KernelVariant,
    seed: string,
  ): Promise<void> {
    let runner = runners.get(seed);
    if (runner === undefined) {
      const table =
        seed === 'extreme' ? extremeTable() : buildMatrixTable(hexToBytes(seed, 'seed', 32));
      runner = new ProductRunner(await gpuOrSkip(ctx), table);
      runners.set(seed, runner);
    }
    const { vectors } = SELF_TEST_GROUPS.find((group) => group.seed === seed)!;
    // All vectors of the extreme table, one of the others: in software a hash takes the better part of a second.
    const used = seed === 'extreme' ? vectors : vectors.slice(0, 1);
    const hashes = used.map(({ headerHash }) => hexToBytes(headerHash, 'headerHash', 32));
    const expected = used.map(({ powHash }) => powHash);
    expect(await runner.hashes(variant, hashes), variant.name).toEqual(expected);
  }

  it.for(PLAIN.flatMap(({ name }) => SEEDS.map((seed) => [name, seed] as const)))(
    '%s under the table %s',
    async ([name, seed], ctx) => {
      const { adapter, gpu } = await gpuOrSkip(ctx);
      const { usable, unusable } = variantsFor(capabilitiesOf(adapter, gpu));
      const variant = usable.find((each) => each.name === name);
      if (variant === undefined) {
        return ctx.skip(
          unusable.find((each) => each.name === name)?.reason ?? 'it does not run here',
        );
      }
      await compare(ctx, variant, seed);
    },
  );

  // Left out rather than skipped on adapters without: there is nothing that a user could do about it.
  it.for(MATRIX.map(({ name }) => name))(
    '%s on the matrix units of the adapter',
    async (name, ctx) => {
      const variant = MATRIX.find((each) => each.name === name)!;
      for (const seed of SEEDS) await compare(ctx, variant, seed);
    },
  );
});
