/**
 * Single slices by the fastest CPU kernel, on the calling thread: for whoever needs more of a hash than
 * its end.
 */
import { cpuTuning } from './cpu-hasher.ts';
import { MATRICES, MATRIX_BYTES } from './params.ts';
import { runSlice } from './reference.ts';
import { type MatrixTable, matrixOf } from './table.ts';
import {
  CORRECTION_BYTES,
  CORRECTIONS_OFFSET,
  planMemory,
  THREAD_RAW,
  THREAD_SCRATCH,
  THREAD_SEQUENCE,
  THREAD_SUM,
  THREAD_X0,
  THREAD_X1,
} from './wasm/memory-map.ts';
import { splitsSigns } from './wasm/operands.ts';
import type { KernelExports } from './wasm/slice-kernel.ts';
import { KERNEL_MAX_PAGES, type TunedTier } from './wasm/tune.ts';

/** From a slice's 32 matrix names to its end matrix (256×256, row-major), as `runSlice` gives it. */
export type SliceRunner = (sequence: Uint8Array) => Int8Array;

/**
 * Packs the table, which takes some 10 ms; a slice then takes about as many. `kernel` is by default the
 * fastest that is exact here; where plain JavaScript is all that runs, a slice takes a second.
 */
export function openSliceRunner(
  table: MatrixTable,
  kernel: TunedTier | undefined = cpuTuning().tiers[0],
): SliceRunner {
  if (kernel === undefined) return (sequence) => runSlice(sequence, table);
  const signs = splitsSigns(kernel.tier.shape);
  const map = planMemory({ batches: 1, maxBatch: 1, threads: 1, slots: 1, signs });
  const memory = new WebAssembly.Memory({
    initial: map.pages,
    maximum: KERNEL_MAX_PAGES,
    shared: true,
  });
  const bytes = new Uint8Array(memory.buffer);
  const { exports } = new WebAssembly.Instance(kernel.module, { env: { memory } });
  const { pack, slice } = exports as unknown as KernelExports;
  const [area, slot] = [map.thread(0), map.slot(0)];
  for (let name = 0; name < MATRICES; name++) {
    bytes.set(matrixOf(table, name), area + THREAD_RAW);
    const corrections = slot + CORRECTIONS_OFFSET + name * CORRECTION_BYTES;
    pack(area + THREAD_RAW, slot + name * MATRIX_BYTES, corrections);
  }
  return (sequence) => {
    const sum = area + THREAD_SUM;
    bytes.fill(0, sum, sum + MATRIX_BYTES);
    bytes.set(sequence, area + THREAD_SEQUENCE);
    const [x0, x1, scratch] = [THREAD_X0, THREAD_X1, THREAD_SCRATCH].map((at) => area + at);
    slice(area + THREAD_SEQUENCE, slot, x0!, x1!, scratch!, sum);
    return new Int8Array(bytes.slice(sum, sum + MATRIX_BYTES).buffer);
  };
}
