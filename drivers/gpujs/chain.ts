/**
 * What computes the chains of products of a hash. The running matrix X is kept transposed, Y = Xᵀ: a
 * step is then Y' = fold(M · Y), and M, a matrix of the seed, is read by rows as it lies in the table.
 */
import { fold } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES, ROUNDS } from '../../src/tensority/params.ts';
import type { Kernel } from './package.ts';

export interface ChainKernel {
  /** Chains that it computes together. */
  readonly chains: number;
  /** Makes a table resident in slot 0 or 1. */
  load(slot: number, data: Int8Array): Promise<void>;
  /**
   * Runs at most `chains` chains of `ROUNDS` times their sequence, all of one length, and returns their
   * transposed end matrices (256×256 int8). Awaits `pause` before each step and ends with what that
   * rejects with.
   */
  run(
    slot: number,
    sequences: readonly Uint8Array[],
    pause: () => Promise<void>,
  ): Promise<readonly Int8Array<ArrayBuffer>[]>;
  close(): Promise<void>;
}

/** Throws if gpu.js has put a kernel of the mode `cpu` in the place of one that its mode cannot take. */
export function checkMode({ kernel }: Kernel): void {
  if (kernel.constructor.mode !== 'cpu') return;
  throw new Error(
    `gpu.js took the mode cpu instead: ${kernel.fallbackReason ?? 'it does not say why'}`,
  );
}

/** One running matrix in the form that a mode has it in. */
export interface RunningMatrix {
  /** Y = fold(M): the first step starts from the identity, and is no product. */
  start(matrix: Int8Array): void;
  /** Y = fold(M · Y) */
  step(matrix: Int8Array): void;
  /** Y, 256×256 int8. */
  read(): Int8Array<ArrayBuffer>;
}

/** A kernel that computes one chain at a time, from tables as they are. */
export class SingleChain implements ChainKernel {
  readonly chains = 1;
  readonly #running: RunningMatrix;
  readonly #destroy: () => Promise<void>;
  readonly #tables: Int8Array[] = [];

  constructor(running: RunningMatrix, destroy: () => Promise<void>) {
    this.#running = running;
    this.#destroy = destroy;
  }

  async load(slot: number, data: Int8Array): Promise<void> {
    this.#tables[slot] = data;
  }

  async run(
    slot: number,
    sequences: readonly Uint8Array[],
    pause: () => Promise<void>,
  ): Promise<readonly Int8Array<ArrayBuffer>[]> {
    const table = this.#tables[slot]!;
    const ends: Int8Array<ArrayBuffer>[] = [];
    for (const sequence of sequences) {
      for (let step = 0; step < ROUNDS * sequence.length; step++) {
        await pause();
        const at = sequence[step % sequence.length]! * MATRIX_BYTES;
        const matrix = table.subarray(at, at + MATRIX_BYTES);
        if (step === 0) this.#running.start(matrix);
        else this.#running.step(matrix);
      }
      ends.push(this.#running.read());
    }
    return ends;
  }

  async close(): Promise<void> {
    await this.#destroy();
  }
}

/** `fold` of every int8, by its byte. */
export const FOLDED: Int8Array = Int8Array.from({ length: DIM }, (_v, byte) =>
  fold((byte << 24) >> 24),
);
