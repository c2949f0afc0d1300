/**
 * Tensority on one GPU with one kernel: tables in slots, lanes for batches in flight. It computes what
 * it is given, in order; how much that should be, and when to look for the result, is decided above.
 */

import type { Clock } from '../../../src/util/clock.ts';
import { errorText } from '../../../src/util/errors.ts';
import { DriverError } from '../../driver.ts';
import { type GpuLink, NEWS_MS } from './gpu-link.ts';
import { type BatchInput, Lane, laneBuffers, rowBytes } from './lane.ts';
import { createBuffers, GpuMemoryError } from './memory.ts';
import type { KernelPrograms } from './programs.ts';
import { type TableSlot, TableStore, tableBuffers } from './tables.ts';

export interface EngineSize {
  /** Tables kept. */
  readonly slots: number;
  /** Batches in flight. */
  readonly lanes: number;
  /** Most hashes of a batch. */
  readonly capacity: number;
}

/** A batch that the GPU has. */
export interface Flight {
  readonly input: BatchInput;
  /** Once: the result as `BatchInput` says, when the batch is done. Rejects with `lost`. */
  read(): Promise<Uint8Array>;
}

export interface EngineParts {
  readonly link: GpuLink;
  readonly programs: KernelPrograms;
  readonly clock: Clock;
}

/** Of one hash in the workgroups of a dispatch; nothing is faster for more. */
const MOST_CAPACITY = 16_384;

export class TensorityEngine {
  readonly size: EngineSize;
  readonly programs: KernelPrograms;
  readonly tables: TableStore;
  readonly #parts: EngineParts;
  readonly #buffers: readonly GPUBuffer[];
  readonly #free: Lane[];

  private constructor(parts: EngineParts, size: EngineSize, buffers: readonly GPUBuffer[]) {
    const { link, programs } = parts;
    this.size = size;
    this.programs = programs;
    this.#parts = parts;
    this.#buffers = buffers;
    const forTables = tableBuffers(programs.variant.table, size.slots).length;
    this.tables = new TableStore({ ...parts, buffers: buffers.slice(0, forTables) });
    const perLane = (buffers.length - forTables) / size.lanes;
    this.#free = Array.from({ length: size.lanes }, (_, i) => {
      const from = forTables + i * perLane;
      const own = buffers.slice(from, from + perLane);
      return new Lane(link.device, programs, size.capacity, own);
    });
  }

  /** Rejects with `GpuMemoryError` if there is no room for an engine of this size. */
  static async create(parts: EngineParts, size: EngineSize): Promise<TensorityEngine> {
    const specs = [...tableBuffers(parts.programs.variant.table, size.slots)];
    for (let i = 0; i < size.lanes; i++) specs.push(...laneBuffers(parts.programs, size.capacity));
    return new TensorityEngine(parts, size, await createBuffers(parts.link.device, specs));
  }

  /** Lanes that would take a batch now. */
  get freeLanes(): number {
    return this.#free.length;
  }

  /** Hands a batch to the GPU, behind those that it has. */
  submit(slot: TableSlot, input: BatchInput): Flight {
    const lane = this.#free.shift();
    if (lane === undefined) throw new RangeError('every lane is in use');
    lane.submit(slot, input);
    return { input, read: () => this.#read(lane, input) };
  }

  /** Gives the memory back. */
  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  async #read(lane: Lane, input: BatchInput): Promise<Uint8Array> {
    const { link, clock } = this.#parts;
    try {
      const result = await lane.read(input);
      this.#free.push(lane);
      return result;
    } catch (error) {
      await clock.sleep(NEWS_MS, link.gone);
      link.fail(`a result cannot be read: ${errorText(error)}`, { cause: error });
      throw link.gone.reason;
    }
  }
}

/**
 * The engine of the wanted size, or the largest below it that there is room for: fewer hashes a batch
 * first, then a single table. Rejects with `unsupported` if there is room for none.
 */
export async function fitEngine(parts: EngineParts, wanted: EngineSize): Promise<TensorityEngine> {
  const { limits } = parts.link.device;
  const most = Math.min(
    wanted.capacity,
    MOST_CAPACITY,
    limits.maxComputeWorkgroupsPerDimension,
    Math.floor(limits.maxStorageBufferBindingSize / rowBytes(parts.programs)),
  );
  let failure: GpuMemoryError | undefined;
  for (let slots = wanted.slots; slots >= 1; slots--) {
    for (let capacity = most; capacity >= 1; capacity = Math.floor(capacity / 4)) {
      try {
        return await TensorityEngine.create(parts, { ...wanted, slots, capacity });
      } catch (error) {
        parts.link.gone.throwIfAborted();
        if (!(error instanceof GpuMemoryError)) throw error;
        failure = error;
      }
    }
  }
  const bytes = failure?.detail.bytes ?? 0;
  const missing = `${Math.ceil(bytes / 2 ** 20)} MiB of GPU memory (${failure?.detail.reason})`;
  throw new DriverError({ code: 'unsupported', missing }, { cause: failure });
}
