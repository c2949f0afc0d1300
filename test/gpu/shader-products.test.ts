/** Whole hashes by every kernel that any adapter can run: real seeds and the extreme table. */
import { afterAll, describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { gpuOrSkip } from '../support/gpu.ts';
import { matrixGpu, PLAIN_GPU } from '../support/gpu-capabilities.ts';
import { ProductRunner } from '../support/gpu-products.ts';

describe('products', () => {
  const usable = variantsFor(PLAIN_GPU).usable;
  // With more workgroup memory; the same kernels besides.
  const large = variantsFor(matrixGpu([], { storageBytes: 32_768 })).usable;
  const names = new Set(usable.map(({ name }) => name));
  const variants = [...usable, ...large.filter(({ name }) => !names.has(name))];
  const runners = new Map<string, ProductRunner>();
  afterAll(() => {
    for (const runner of runners.values()) runner.destroy();
  });

  function tableOf(seed: string): MatrixTable {
    return seed === 'extreme' ? extremeTable() : buildMatrixTable(hexToBytes(seed, 'seed', 32));
  }

  it.for(variants.flatMap(({ name }) => SELF_TEST_GROUPS.map(({ seed }) => [name, seed] as const)))(
    '%s under the table %s',
    async ([name, seed], ctx) => {
      const gpu = await gpuOrSkip(ctx);
      const variant = variants.find((each) => each.name === name)!;
      let runner = runners.get(seed);
      if (runner === undefined) {
        runner = new ProductRunner(gpu, tableOf(seed));
        runners.set(seed, runner);
      }
      const { vectors } = SELF_TEST_GROUPS.find((group) => group.seed === seed)!;
      // All vectors of the extreme table, one of the others: a hash takes the better part of a second.
      const used = seed === 'extreme' ? vectors : vectors.slice(0, 1);
      const hashes = used.map(({ headerHash }) => hexToBytes(headerHash, 'headerHash', 32));
      expect(await runner.hashes(variant, hashes)).toEqual(used.map(({ powHash }) => powHash));
    },
  );
});
