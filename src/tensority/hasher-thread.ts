/**
 * One thread of `ThreadHasher`: an instance of the kernel over the shared memory. It runs what it
 * is told in order; inside a batch the threads share out the inputs among themselves.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { MATRICES, MATRIX_BYTES, SEQUENCE_LENGTH, SLICES, TABLE_BYTES } from './params.ts';
import { finishHash, sliceSequence, tensority } from './reference.ts';
import type { ThreadReply, ThreadRequest, ThreadSetup } from './thread-protocol.ts';
import { abortWord, nextWord } from './wasm/control.ts';
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
import type { KernelExports } from './wasm/slice-kernel.ts';

const setup = workerData as ThreadSetup;
const port = parentPort;
if (port === null) throw new Error('hasher-thread runs as a worker thread only');

const map = planMemory(setup.needs);
const bytes = new Uint8Array(setup.memory.buffer);
const control = new Int32Array(setup.memory.buffer, 0, 256);
const area = map.thread(setup.index);
const kernel =
  setup.module === undefined
    ? undefined
    : (new WebAssembly.Instance(setup.module, { env: { memory: setup.memory } })
        .exports as unknown as KernelExports);

port.on('message', (request: ThreadRequest) => {
  const started = performance.now();
  let hashed = 0;
  switch (request.kind) {
    case 'pack':
      pack(request.slot, request.table);
      break;
    case 'batch':
      hashed = runBatch(request.batch, request.slot, request.count);
      break;
    case 'peak':
      kernel?.peak(request.turns, area + THREAD_SCRATCH);
      break;
  }
  const reply: ThreadReply = { id: request.id, hashed, busyMs: performance.now() - started };
  port.postMessage(reply);
});

/** Packs this thread's share of the matrices of a table into a slot. */
function pack(slot: number, table: Int8Array): void {
  const to = map.slot(slot);
  const raw = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
  for (let m = setup.index; m < MATRICES; m += setup.needs.threads) {
    const matrix = raw.subarray(m * MATRIX_BYTES, (m + 1) * MATRIX_BYTES);
    if (kernel === undefined) {
      bytes.set(matrix, to + m * MATRIX_BYTES);
      continue;
    }
    bytes.set(matrix, area + THREAD_RAW);
    kernel.pack(
      area + THREAD_RAW,
      to + m * MATRIX_BYTES,
      to + CORRECTIONS_OFFSET + m * CORRECTION_BYTES,
    );
  }
}

function runBatch(batch: number, slot: number, count: number): number {
  const at = map.batch(batch);
  let hashed = 0;
  for (;;) {
    const i = Atomics.add(control, nextWord(batch), 1);
    if (i >= count || Atomics.load(control, abortWord(batch)) !== 0) return hashed;
    const headerHash = bytes.slice(at + 32 * i, at + 32 * i + 32);
    bytes.set(hashOne(headerHash, slot), at + 32 * (setup.needs.maxBatch + i));
    hashed++;
  }
}

function hashOne(headerHash: Uint8Array, slot: number): Uint8Array {
  const table = map.slot(slot);
  if (kernel === undefined) {
    const data = new Int8Array(setup.memory.buffer, table, TABLE_BYTES);
    return tensority(headerHash, { seed: headerHash, data });
  }
  const sum = bytes.subarray(area + THREAD_SUM, area + THREAD_SUM + MATRIX_BYTES);
  sum.fill(0);
  for (let slice = 0; slice < SLICES; slice++) {
    const sequence = area + THREAD_SEQUENCE + slice * SEQUENCE_LENGTH;
    bytes.set(sliceSequence(headerHash, slice), sequence);
    kernel.slice(
      sequence,
      table,
      area + THREAD_X0,
      area + THREAD_X1,
      area + THREAD_SCRATCH,
      area + THREAD_SUM,
    );
  }
  return finishHash(sum);
}
