/** What gpu.js computes on the cores, against the plain reference. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { type ChainKernel, checkMode } from '../../drivers/gpujs/chain.ts';
import { openChainKernel } from '../../drivers/gpujs/modes.ts';
import { type Gpujs, loadGpujs, missingFor } from '../../drivers/gpujs/package.ts';
import { mulFold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { matrixOf } from '../../src/tensority/table.ts';
import { hasPackage, skipWithout } from '../support/optional-packages.ts';

skipWithout('gpu.js');
const table = extremeTable();

async function gpujs(): Promise<Gpujs> {
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) throw new Error(loaded.problem);
  return loaded.gpujs;
}

/** The transposed end of two rounds of a sequence of one matrix. */
function endOf(name: number): Int8Array {
  const identity = new Int8Array(MATRIX_BYTES);
  for (let i = 0; i < DIM; i++) identity[i * DIM + i] = 1;
  const matrix = matrixOf(table, name);
  const first = new Int8Array(MATRIX_BYTES);
  const second = new Int8Array(MATRIX_BYTES);
  mulFold(identity, matrix, first);
  mulFold(first, matrix, second);
  return Int8Array.from(second, (_v, i) => second[(i % DIM) * DIM + Math.floor(i / DIM)]!);
}

function differences(actual: Int8Array, expected: Int8Array): number {
  return expected.reduce((count, entry, i) => count + Number(entry !== actual[i]), 0);
}

describe.each(['cpu', 'webasm'] as const)('the mode %s', (mode) => {
  let kernel: ChainKernel;
  beforeAll(async () => {
    if (!hasPackage('gpu.js')) return;
    kernel = await openChainKernel(mode, await gpujs());
    await kernel.load(1, table.data);
  });
  afterAll(() => kernel?.close());

  it.each([
    ['all −128, so that sums are 2^22', 0],
    ['127 and −128 in stripes', 2],
    ['random ends of int8', 6],
    ['any byte', 8],
  ])('is exact under a matrix that is %s', async (_what, name) => {
    const [end] = await kernel.run(1, [Uint8Array.of(name)], async () => {});
    expect(differences(end!, endOf(name))).toBe(0);
  });

  it('runs through the sequence twice, from another table than before', async () => {
    const data = new Int8Array(table.data.length);
    data.set(matrixOf(table, 7), 0);
    data.set(matrixOf(table, 8), MATRIX_BYTES);
    await kernel.load(0, data);
    const names = [0, 1].map((name) => Uint8Array.of(name, name));
    const [same] = await kernel.run(0, [names[0]!], async () => {});
    const [once] = await kernel.run(1, [Uint8Array.of(7, 7)], async () => {});
    expect(differences(same!, once!)).toBe(0);
    const [turned] = await kernel.run(0, [Uint8Array.of(0, 1)], async () => {});
    expect(differences(turned!, once!)).toBeGreaterThan(MATRIX_BYTES / 2);
  });

  it('pauses before each step, and ends with what the pause rejects with', async () => {
    let pauses = 0;
    const count = async (): Promise<void> => {
      if (++pauses === 4) throw new Error('enough');
    };
    await expect(kernel.run(1, [Uint8Array.of(5, 6, 7)], count)).rejects.toThrow('enough');
    expect(pauses).toBe(4);
  });
});

describe('a kernel that its mode cannot take', () => {
  it('is refused, though gpu.js computes it by the mode cpu', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { GPU } = await gpujs();
    const kernel = new GPU({ mode: 'webasm' }).createKernelMap(
      {
        twice: function twice(v: number): number {
          return 2 * v;
        },
      },
      'function (a) { return twice(a[this.thread.x]); }',
      { output: [4] },
    );
    kernel([1, 2, 3, 4]);
    expect(() => checkMode(kernel)).toThrow(/^gpu.js took the mode cpu instead: kernel maps/);
    warn.mockRestore();
  });
});

describe('what a mode lacks', () => {
  it('is nothing on the cores, and a GPU that this process has not', async () => {
    const loaded = await gpujs();
    expect(missingFor('cpu', loaded)).toBeUndefined();
    expect(missingFor('webasm', loaded)).toBeUndefined();
    expect(missingFor('webgpu', loaded)).toBe('navigator.gpu in this runtime');
  });

  it('stays so: loading the package gives this process no navigator.gpu', async () => {
    await gpujs();
    expect((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu).toBeUndefined();
  });
});
