/**
 * The GPU kernel of gpu.js, on a GPU that this test lends it: the miner gives no process a `navigator.gpu`,
 * so there it runs only where the runtime has one.
 */
import { afterEach, expect, it, type TestContext, vi } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { openChainKernel } from '../../drivers/gpujs/modes.ts';
import { type Gpujs, loadGpujs, missingFor } from '../../drivers/gpujs/package.ts';
import { DIM } from '../../src/tensority/params.ts';
import { runSlice } from '../../src/tensority/reference.ts';
import { gpuOrSkip } from '../support/gpu.ts';
import { skipWithout } from '../support/optional-packages.ts';

skipWithout('gpu.js');
afterEach(() => vi.unstubAllGlobals());

async function gpujsOnGpu(ctx: TestContext): Promise<Gpujs> {
  const { gpu } = await gpuOrSkip(ctx);
  const { globals } = await import('webgpu');
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
  vi.stubGlobal('navigator', { gpu });
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) throw new Error(loaded.problem);
  return loaded.gpujs;
}

it('is exact, each chain by itself and from either table', async (ctx) => {
  const gpujs = await gpujsOnGpu(ctx);
  expect(missingFor('webgpu', gpujs)).toBeUndefined();
  const table = extremeTable();
  const other = new Int8Array(table.data.length);
  other.set(table.data.subarray(0, other.length / 2), other.length / 2);
  const kernel = await openChainKernel('webgpu', gpujs);
  try {
    await kernel.load(0, other);
    await kernel.load(1, table.data);
    const names = [0, 6, 8];
    const ends = await kernel.run(
      1,
      names.map((name) => Uint8Array.of(name)),
      async () => {},
    );
    expect(ends).toHaveLength(names.length);
    for (const [index, name] of names.entries()) {
      const end = runSlice(Uint8Array.of(name), table);
      expect(differences(ends[index]!, end), `matrix ${name}`).toBe(0);
    }
    const [moved] = await kernel.run(0, [Uint8Array.of(6 + 128)], async () => {});
    expect(differences(moved!, runSlice(Uint8Array.of(6), table)), 'other table').toBe(0);
  } finally {
    await kernel.close();
  }
});

/** Of a transposed matrix from another. */
function differences(transposed: Int8Array, matrix: Int8Array): number {
  return matrix.reduce(
    (count, entry, i) =>
      count + Number(entry !== transposed[(i % DIM) * DIM + Math.floor(i / DIM)]),
    0,
  );
}
