/** Runs a kernel's product program on a real adapter, and says what must come out of it. */
import { type KernelVariant, TABLE_WORKGROUPS } from '../../drivers/webgpu/engine/variants.ts';
import { mulFold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { finishHash, fnv, sliceSequence } from '../../src/tensority/reference.ts';
import { type MatrixTable, matrixOf } from '../../src/tensority/table.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { compileProgram, createBuffer, readBuffer, runProgram, type TestGpu } from './gpu.ts';

export interface ProductOptions {
  /** Applied to the program's text. */
  readonly rewrite?: (text: string) => string;
  /** Workgroups of a hash; all of its blocks by default. */
  readonly blocks?: number;
  /** Further buffers, by binding from 4 on. */
  readonly buffers?: readonly GPUBuffer[];
}

/** One table on the GPU, and what the products make of it. */
export class ProductRunner {
  readonly #gpu: TestGpu;
  readonly #raw: GPUBuffer;
  #made: { readonly key: string; readonly buffers: readonly GPUBuffer[] } | undefined;

  constructor(gpu: TestGpu, table: MatrixTable) {
    this.#gpu = gpu;
    this.#raw = createBuffer(gpu.device, new Int8Array(table.data));
  }

  /** The rows that the product leaves: 256 / variant.rows of 64 words for each header hash. */
  async rows(
    variant: KernelVariant,
    headerHashes: readonly Uint8Array[],
    { rewrite, blocks = DIM / variant.rows, buffers = [] }: ProductOptions = {},
  ): Promise<Uint32Array> {
    const { device } = this.#gpu;
    const [first, table] = await this.#tables(variant);
    const sequences = headerHashes.flatMap((hash) =>
      [0, 1, 2, 3].map((slice) => sliceSequence(hash, slice)),
    );
    const rows = createBuffer(device, (headerHashes.length * DIM * DIM) / variant.rows);
    const program = await compileProgram(this.#gpu, {
      program: variant.program,
      constants: variant.constants,
      entry: 'multiply',
      ...(rewrite === undefined ? {} : { rewrite }),
    });
    const bound = [Uint8Array.from(sequences.flatMap((s) => [...s])), table!, first!, rows];
    await program.dispatch([blocks, headerHashes.length], [...bound, ...buffers]);
    const read = await readBuffer(device, rows);
    rows.destroy();
    return new Uint32Array(read.buffer);
  }

  /** The PoW hashes in hex, through the program `finish`. */
  async hashes(
    variant: KernelVariant,
    headerHashes: readonly Uint8Array[],
    options?: ProductOptions,
  ): Promise<readonly string[]> {
    const { device } = this.#gpu;
    const rows = await this.rows(variant, headerHashes, options);
    const n = headerHashes.length;
    const powHashes = createBuffer(device, 32 * n);
    await runProgram(this.#gpu, {
      program: 'finish',
      entry: 'finish_hashes',
      workgroups: [Math.ceil(n / 64)],
      bindings: [
        Uint32Array.of(n, DIM / variant.rows, 1, 0, ...new Array<number>(8).fill(0)),
        rows as Uint32Array<ArrayBuffer>,
        powHashes,
        new Uint32Array(Math.ceil(n / 32)),
      ],
      uniforms: [0],
    });
    const hex = bytesToHex(await readBuffer(device, powHashes));
    powHashes.destroy();
    return Array.from({ length: n }, (_, i) => hex.slice(64 * i, 64 * i + 64));
  }

  destroy(): void {
    for (const buffer of [this.#raw, ...(this.#made?.buffers ?? [])]) buffer.destroy();
  }

  /** Of the last layout asked for: tests go through them one after the other. */
  async #tables({ table }: KernelVariant): Promise<readonly GPUBuffer[]> {
    const key = JSON.stringify(table);
    if (this.#made?.key === key) return this.#made.buffers;
    for (const buffer of this.#made?.buffers ?? []) buffer.destroy();
    const { device } = this.#gpu;
    const buffers = [createBuffer(device, 1 << 24), createBuffer(device, table.bytes)];
    for (const [i, entry] of ['fold_transpose', table.entry].entries()) {
      await runProgram(this.#gpu, {
        program: 'tables',
        constants: table.constants,
        entry,
        workgroups: [TABLE_WORKGROUPS],
        bindings: [this.#raw, buffers[i]!],
      });
    }
    this.#made = { key, buffers };
    return buffers;
  }
}

/** The sum of the first `slices` slices after `steps` of their 64 steps, as the reference computes it. */
export function sumOfSlices(
  headerHash: Uint8Array,
  table: MatrixTable,
  slices: number,
  steps: number,
): Uint8Array {
  const sum = new Uint8Array(MATRIX_BYTES);
  for (let slice = 0; slice < slices; slice++) {
    const sequence = sliceSequence(headerHash, slice);
    let a: Int8Array = new Int8Array(MATRIX_BYTES);
    let next: Int8Array = new Int8Array(MATRIX_BYTES);
    for (let i = 0; i < DIM; i++) a[i * DIM + i] = 1;
    for (let step = 0; step < steps; step++) {
      mulFold(a, matrixOf(table, sequence[step % 32]!), next);
      [a, next] = [next, a];
    }
    for (let i = 0; i < MATRIX_BYTES; i++) sum[i]! += a[i]!;
  }
  return sum;
}

/** The words (256×64) of summed bytes. */
function wordsOf(sum: Uint8Array): Uint32Array {
  const words = new Uint32Array(DIM * 64);
  for (let i = 0; i < words.length; i++) {
    const at = (i >> 6) * DIM + (i & 63);
    words[i] = sum[at]! | (sum[at + 64]! << 8) | (sum[at + 128]! << 16) | (sum[at + 192]! << 24);
  }
  return words;
}

/** The rows of words that `blocks` blocks leave: the first so many steps of the end of a hash. */
export function foldedRows(sum: Uint8Array, blocks: number): Uint32Array {
  const words = wordsOf(sum);
  for (let half = DIM / 2; half >= blocks; half /= 2) {
    for (let i = 0; i < half * 64; i++) words[i] = fnv(words[i]!, words[i + half * 64]!);
  }
  return words.slice(0, blocks * 64);
}

/** The PoW hash in hex. */
export function hashOfSum(sum: Uint8Array): string {
  return bytesToHex(finishHash(sum));
}
