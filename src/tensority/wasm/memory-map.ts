/**
 * Where everything lies in the one shared memory of the CPU hasher.
 *
 *   page 0          control words of the running batches
 *   batch areas     for each: header hashes in, PoW hashes out
 *   thread areas    for each thread: X twice, scratch, sequences, sum, one raw matrix
 *   table slots     for each: 256 packed matrices (64 KiB each), their column corrections and,
 *                   where the arithmetic splits M, the packed signs
 */
import { DIM, MATRICES, MATRIX_BYTES } from '../params.ts';

/** Columns of a packed panel. */
export const PANEL_COLUMNS = 16;
/** Groups of 4 consecutive k. */
export const QUADS = 64; // DIM / 4
/** Bytes of one group of one panel: 16 columns × 4 k. */
export const QUAD_BLOCK_BYTES = 64;

/** Bytes of the column corrections of one matrix: an i32 a column. */
export const CORRECTION_BYTES = 1024; // 4 * DIM
/** Where a slot's corrections begin. */
export const CORRECTIONS_OFFSET: number = MATRICES * MATRIX_BYTES;
/** From a packed matrix to its packed signs, in kernels that keep |M| and the signs apart. */
export const SIGNS_OFFSET: number = CORRECTIONS_OFFSET + MATRICES * CORRECTION_BYTES;

/** Scratch: the sums of up to 6 rows × 16 columns × 8 bytes. */
export const SCRATCH_BYTES = 4096;

/** One thread's area, by offset from its start. The largest X is 264 rows of 16-bit values. */
export const X_BYTES: number = 2 * 264 * DIM;
export const THREAD_X0 = 0;
export const THREAD_X1: number = THREAD_X0 + X_BYTES;
export const THREAD_SUM: number = THREAD_X1 + X_BYTES;
export const THREAD_RAW: number = THREAD_SUM + MATRIX_BYTES;
export const THREAD_SCRATCH: number = THREAD_RAW + MATRIX_BYTES;
export const THREAD_SEQUENCE: number = THREAD_SCRATCH + SCRATCH_BYTES;
export const THREAD_BYTES: number = THREAD_SEQUENCE + 4096;

export const PAGE_BYTES = 65_536;

export interface MemoryMap {
  readonly pages: number;
  /** Byte offset of batch area b: `maxBatch` × 32 bytes in, then as many out. */
  batch(index: number): number;
  thread(index: number): number;
  slot(index: number): number;
}

export interface MemoryNeeds {
  readonly batches: number;
  readonly maxBatch: number;
  readonly threads: number;
  readonly slots: number;
  /** True if the kernel keeps packed signs: a slot is twice as large then. */
  readonly signs: boolean;
}

export function planMemory(needs: MemoryNeeds): MemoryMap {
  const batchBytes = roundUp(64 * needs.maxBatch, 4096);
  const threadsAt = roundUp(PAGE_BYTES + needs.batches * batchBytes, PAGE_BYTES);
  const threadBytes = roundUp(THREAD_BYTES, 4096);
  const slotsAt = roundUp(threadsAt + needs.threads * threadBytes, PAGE_BYTES);
  const slotBytes = needs.signs ? SIGNS_OFFSET + CORRECTIONS_OFFSET : SIGNS_OFFSET;
  return {
    pages: Math.ceil((slotsAt + needs.slots * slotBytes) / PAGE_BYTES),
    batch: (index) => PAGE_BYTES + index * batchBytes,
    thread: (index) => threadsAt + index * threadBytes,
    slot: (index) => slotsAt + index * slotBytes,
  };
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
