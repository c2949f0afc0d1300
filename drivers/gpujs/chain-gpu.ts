/**
 * The modes that compute on a GPU: `webgpu`, where the runtime has `navigator.gpu`, and `headlessgl`, where
 * the npm package `gl` is built. One thread for each entry of Y, the chains of a hash side by side; table
 * and Y stay on the GPU from step to step.
 */
import {
  DIM,
  MATRICES,
  MATRIX_BYTES,
  ROUNDS,
  SLICES,
  TABLE_BYTES,
} from '../../src/tensority/params.ts';
import { type ChainKernel, checkMode } from './chain.ts';
import type { Gpu, Gpujs, Kernel } from './package.ts';

/** What stays on the GPU. */
interface Handle {
  toArray(): Rows | Promise<Rows>;
  delete(): void;
}

/** By chain, then row. */
type Rows = readonly (readonly Float32Array[])[];

const KEEP = 'function (table) { return table[this.thread.z][this.thread.y][this.thread.x]; }';

/** fold of an int8: one less if it is negative, and −129 is 127. */
const START = `function (table, names) {
  const v = table[names[this.thread.z]][this.thread.y][this.thread.x];
  let w = v;
  if (v < 0.0) w = v - 1.0;
  if (w < -128.0) w = w + 256.0;
  return w;
}`;

/** Sums reach 2²², and floats are exact up to 2²⁴. */
const STEP = `function (table, names, y) {
  const name = names[this.thread.z];
  let v = 0.0;
  for (let k = 0; k < ${DIM}; k++) {
    v += table[name][this.thread.y][k] * y[this.thread.z][k][this.thread.x];
  }
  const w = v - Math.floor(v * ${1 / 256}) * 255.0;
  return w - Math.floor((w + 128.0) * ${1 / 256}) * 256.0;
}`;

export async function openGpuChain(
  mode: 'webgpu' | 'headlessgl',
  { GPU, input }: Gpujs,
): Promise<ChainKernel> {
  return new GpuChains(new GPU({ mode }), input);
}

class GpuChains implements ChainKernel {
  readonly chains: number = SLICES;
  readonly #gpu: Gpu;
  readonly #input: Gpujs['input'];
  readonly #keep: Kernel;
  readonly #start: Kernel;
  readonly #step: Kernel;
  readonly #tables: Handle[] = [];

  constructor(gpu: Gpu, input: Gpujs['input']) {
    this.#gpu = gpu;
    this.#input = input;
    const settings = { pipeline: true, immutable: true, precision: 'single' } as const;
    this.#keep = gpu.createKernel(KEEP, { ...settings, output: [DIM, DIM, MATRICES] });
    this.#start = gpu.createKernel(START, { ...settings, output: [DIM, DIM, SLICES] });
    this.#step = gpu.createKernel(STEP, { ...settings, output: [DIM, DIM, SLICES] });
  }

  async load(slot: number, data: Int8Array): Promise<void> {
    this.#tables[slot]?.delete();
    const floats = new Float32Array(TABLE_BYTES);
    floats.set(data);
    const table = this.#input(floats, [DIM, DIM, MATRICES]);
    this.#tables[slot] = (await this.#keep(table)) as Handle;
    checkMode(this.#keep);
  }

  async run(
    slot: number,
    sequences: readonly Uint8Array[],
    pause: () => Promise<void>,
  ): Promise<readonly Int8Array<ArrayBuffer>[]> {
    const table = this.#tables[slot]!;
    const { length } = sequences[0]!;
    let y: Handle | undefined;
    try {
      for (let step = 0; step < ROUNDS * length; step++) {
        await pause();
        // Chains that nobody asked for are computed like the first.
        const names = Float32Array.from(
          { length: SLICES },
          (_v, chain) => (sequences[chain] ?? sequences[0]!)[step % length]!,
        );
        const next = await (y === undefined
          ? this.#start(table, names)
          : this.#step(table, names, y));
        y?.delete();
        y = next as Handle;
      }
      checkMode(this.#start);
      checkMode(this.#step);
      const rows = await y!.toArray();
      return sequences.map((_sequence, chain) => matrixOf(rows[chain]!));
    } finally {
      y?.delete();
    }
  }

  async close(): Promise<void> {
    for (const table of this.#tables) table?.delete();
    await this.#gpu.destroy();
  }
}

function matrixOf(rows: readonly Float32Array[]): Int8Array<ArrayBuffer> {
  const matrix = new Int8Array(MATRIX_BYTES);
  for (const [index, row] of rows.entries()) matrix.set(row, index * DIM);
  return matrix;
}
