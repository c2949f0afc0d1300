/**
 * One batch in flight: the buffers that it goes through, and the commands that take it there. Two
 * lanes let the GPU begin a batch while the one before is read back.
 */
import { PREIMAGE_BYTES } from '../../../src/chain/header.ts';
import type { Target } from '../../../src/tensority/target.ts';
import { u256ToBytes } from '../../../src/util/u256.ts';
import { type BufferSpec, BufferUsage, MAP_READ } from './memory.ts';
import { bindGroup, type KernelPrograms } from './programs.ts';
import type { TableSlot } from './tables.ts';

/** What a batch computes, and what its result is. */
export type BatchInput =
  | {
      readonly kind: 'hash';
      readonly count: number;
      /** 32 bytes each. Result: the PoW hashes, 32 bytes each. */
      readonly headerHashes: Uint8Array;
    }
  | {
      readonly kind: 'search';
      readonly count: number;
      /** Nonces start … start+count−1. Result: a bit for each, little-endian, set if it meets the target. */
      readonly start: bigint;
      readonly preimage: Uint8Array;
      readonly target: Target;
    };

/** Work items of a workgroup, in all programs but the products. */
const WORKGROUP = 64;
const ROW_BYTES = 256;
const SEARCH_PARAMS_BYTES = 160;
const SEQUENCE_PARAMS_BYTES = 16;
const FINISH_PARAMS_BYTES = 48;
const LARGEST_TARGET = (1n << 256n) - 1n;
/** The values of `any` in the program `finish`. */
const COMPARE = 0;
const EVERY = 1;
const NONE = 2;

export class Lane {
  readonly capacity: number;
  readonly #device: GPUDevice;
  readonly #programs: KernelPrograms;
  readonly #buffers: LaneBuffers;
  readonly #headers: GPUBindGroup;
  readonly #sequences: GPUBindGroup;
  readonly #finish: GPUBindGroup;
  readonly #multiply = new Map<TableSlot, GPUBindGroup>();

  /** `buffers` as `laneBuffers` describes them for the same capacity. */
  constructor(
    device: GPUDevice,
    programs: KernelPrograms,
    capacity: number,
    buffers: readonly GPUBuffer[],
  ) {
    this.capacity = capacity;
    this.#device = device;
    this.#programs = programs;
    const all = namedBuffers(buffers);
    this.#buffers = all;
    this.#headers = this.#bind(programs.headers, [all.searchParams, all.headerHashes]);
    this.#sequences = this.#bind(programs.sequences, [
      all.sequenceParams,
      all.headerHashes,
      all.sequences,
    ]);
    this.#finish = this.#bind(programs.finish, [
      all.finishParams,
      all.rows,
      all.powHashes,
      all.found,
    ]);
  }

  /** Hands a batch to the GPU; `read` gives its result. The lane takes no other until then. */
  submit(slot: TableSlot, input: BatchInput): void {
    const { queue } = this.#device;
    const { count } = input;
    const programs = this.#programs;
    const buffers = this.#buffers;
    if (count > this.capacity) throw new RangeError(`"count" above ${this.capacity}: ${count}`);
    queue.writeBuffer(buffers.sequenceParams, 0, Uint32Array.of(count, 0, 0, 0));
    queue.writeBuffer(buffers.finishParams, 0, finishParams(input, blocksOf(programs)));
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const run = (pipeline: GPUComputePipeline, group: GPUBindGroup, x: number, y = 1): void => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y);
    };
    if (input.kind === 'hash') {
      // A copy: they may lie in shared memory, which not every WebGPU takes.
      queue.writeBuffer(buffers.headerHashes, 0, new Uint8Array(input.headerHashes));
    } else {
      queue.writeBuffer(buffers.searchParams, 0, searchParams(input));
      run(programs.headers, this.#headers, Math.ceil(count / WORKGROUP));
    }
    run(programs.sequences, this.#sequences, Math.ceil((4 * count) / WORKGROUP));
    run(programs.multiply, this.#multiplyWith(slot), blocksOf(programs), count);
    run(programs.finish, this.#finish, Math.ceil(count / WORKGROUP));
    pass.end();
    const result = input.kind === 'hash' ? buffers.powHashes : buffers.found;
    encoder.copyBufferToBuffer(result, 0, buffers.staging, 0, resultBytes(input));
    queue.submit([encoder.finish()]);
  }

  /** Waits for the submitted batch and gives its result. */
  async read(input: BatchInput): Promise<Uint8Array> {
    const { staging } = this.#buffers;
    const bytes = resultBytes(input);
    await staging.mapAsync(MAP_READ, 0, bytes);
    const copy = new Uint8Array(staging.getMappedRange(0, bytes).slice(0));
    staging.unmap();
    return copy;
  }

  #multiplyWith(slot: TableSlot): GPUBindGroup {
    let group = this.#multiply.get(slot);
    if (group === undefined) {
      const { sequences, rows } = this.#buffers;
      group = this.#bind(this.#programs.multiply, [sequences, slot.table, slot.first, rows]);
      this.#multiply.set(slot, group);
    }
    return group;
  }

  #bind(pipeline: GPUComputePipeline, buffers: readonly GPUBuffer[]): GPUBindGroup {
    return bindGroup(this.#device, pipeline, buffers);
  }
}

/** The buffers of a lane that takes batches of `capacity`. */
export function laneBuffers(programs: KernelPrograms, capacity: number): BufferSpec[] {
  const { MAP_READ: MAP, COPY_SRC, COPY_DST, UNIFORM, STORAGE } = BufferUsage;
  return [
    { size: SEARCH_PARAMS_BYTES, usage: UNIFORM | COPY_DST },
    { size: SEQUENCE_PARAMS_BYTES, usage: UNIFORM | COPY_DST },
    { size: FINISH_PARAMS_BYTES, usage: UNIFORM | COPY_DST },
    { size: 32 * capacity, usage: STORAGE | COPY_DST },
    { size: 128 * capacity, usage: STORAGE },
    { size: rowBytes(programs) * capacity, usage: STORAGE },
    { size: 32 * capacity, usage: STORAGE | COPY_SRC },
    { size: 8 * Math.ceil(capacity / WORKGROUP), usage: STORAGE | COPY_SRC },
    { size: 32 * capacity, usage: MAP | COPY_DST },
  ];
}

/** Bytes that the product leaves of each hash. */
export function rowBytes(programs: KernelPrograms): number {
  return blocksOf(programs) * ROW_BYTES;
}

type LaneBuffers = Readonly<Record<(typeof LANE_BUFFERS)[number], GPUBuffer>>;

/** In the order of `laneBuffers`. */
const LANE_BUFFERS = [
  'searchParams',
  'sequenceParams',
  'finishParams',
  'headerHashes',
  'sequences',
  'rows',
  'powHashes',
  'found',
  'staging',
] as const;

function namedBuffers(buffers: readonly GPUBuffer[]): LaneBuffers {
  return Object.fromEntries(LANE_BUFFERS.map((name, i) => [name, buffers[i]])) as LaneBuffers;
}

/** Workgroups that share a hash. */
function blocksOf(programs: KernelPrograms): number {
  return 256 / programs.variant.rows;
}

function resultBytes(input: BatchInput): number {
  return input.kind === 'hash' ? 32 * input.count : 4 * Math.ceil(input.count / 32);
}

/** The struct `SearchParams`: preimage, then the nonce to start from in two words, then the count. */
function searchParams(input: BatchInput & { kind: 'search' }): ArrayBuffer {
  const params = new ArrayBuffer(SEARCH_PARAMS_BYTES);
  new Uint8Array(params).set(input.preimage);
  const view = new DataView(params, PREIMAGE_BYTES + 8);
  view.setBigUint64(0, input.start, true);
  view.setUint32(8, input.count, true);
  return params;
}

/** The struct `FinishParams`. */
function finishParams(input: BatchInput, blocks: number): ArrayBuffer {
  const params = new ArrayBuffer(FINISH_PARAMS_BYTES);
  const view = new DataView(params);
  view.setUint32(0, input.count, true);
  view.setUint32(4, blocks, true);
  const target = input.kind === 'hash' ? -1n : input.target;
  const any = target < 0n ? NONE : target >= LARGEST_TARGET ? EVERY : COMPARE;
  view.setUint32(8, any, true);
  if (any === COMPARE) new Uint8Array(params).set(u256ToBytes(target), 16);
  return params;
}
