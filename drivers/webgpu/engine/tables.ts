/**
 * Matrix tables on the GPU: a fixed number of slots, the least recently used one is replaced. The
 * table is uploaded as it is (16 MiB) and the GPU makes of it what the products read.
 *
 * The upload goes in pieces, so that batches under another seed are not held up by it.
 */
import type { Seed } from '../../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../../src/tensority/params.ts';
import { SeedSlots, type SlotUse } from '../../../src/tensority/seed-slots.ts';
import type { Clock } from '../../../src/util/clock.ts';
import type { GpuLink } from './gpu-link.ts';
import { type BufferSpec, BufferUsage } from './memory.ts';
import { bindGroup, type KernelPrograms } from './programs.ts';
import { TABLE_WORKGROUPS, type TableLayout } from './variants.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

/** What the products read of one table. */
export interface TableSlot {
  /** Folded transposes, row-major: what a slice starts from. */
  readonly first: GPUBuffer;
  /** In the layout of the kernel. */
  readonly table: GPUBuffer;
}

export interface TableStoreParts {
  readonly link: GpuLink;
  readonly programs: KernelPrograms;
  readonly clock: Clock;
  /** As `tableBuffers` describes them. */
  readonly buffers: readonly GPUBuffer[];
}

export class TableStore {
  /** Called when a table has been handed to the GPU: what runs now takes longer than it should. */
  onUpload: () => void = () => {};
  readonly slots: number;
  readonly #parts: TableStoreParts;
  readonly #slots: SeedSlots<TableSlot>;
  /** Where tables are uploaded to, one at a time. */
  readonly #raw: GPUBuffer;

  constructor(parts: TableStoreParts) {
    this.#parts = parts;
    const [raw, ...buffers] = parts.buffers;
    this.#raw = raw!;
    this.slots = buffers.length / 2;
    this.#slots = new SeedSlots({
      slots: Array.from({ length: this.slots }, (_, i) => ({
        first: buffers[2 * i]!,
        table: buffers[2 * i + 1]!,
      })),
      fill: (slot, data) => this.#upload(slot, data),
    });
    const { gone } = parts.link;
    // A load that waits for a slot must hear that there will be none.
    gone.addEventListener('abort', () => this.#slots.end(gone.reason), { once: true });
  }

  /** Keeps the table of a seed until it is released. Throws `seed-not-loaded`. */
  use(seed: Seed): SlotUse<TableSlot> {
    return this.#slots.use(seed);
  }

  /** Makes a table (16 MiB, row-major) resident. Waits while every slot is in use. */
  load(seed: Seed, data: Int8Array, signal?: AbortSignal): Promise<void> {
    return this.#slots.load(seed, data, signal);
  }

  async #upload(slot: TableSlot, data: Int8Array): Promise<void> {
    const { link, programs, clock } = this.#parts;
    const { queue } = link.device;
    const raw = this.#raw;
    for (let at = 0; at < TABLE_BYTES; at += PIECE_BYTES) {
      // A copy of the piece: the table may lie in shared memory, which not every WebGPU takes.
      queue.writeBuffer(raw, at, data.slice(at, at + PIECE_BYTES));
      await clock.sleep(0, link.gone);
      link.gone.throwIfAborted();
    }
    this.#make(programs.foldTranspose, raw, slot.first);
    this.#make(programs.pack, raw, slot.table);
    this.onUpload();
  }

  #make(pipeline: GPUComputePipeline, raw: GPUBuffer, out: GPUBuffer): void {
    const { device } = this.#parts.link;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup(device, pipeline, [raw, out]));
    pass.dispatchWorkgroups(TABLE_WORKGROUPS);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
}

/** The buffers of a store of `slots` tables. */
export function tableBuffers(layout: TableLayout, slots: number): BufferSpec[] {
  const { STORAGE, COPY_DST } = BufferUsage;
  const slot = [TABLE_BYTES, layout.bytes].map((size) => ({ size, usage: STORAGE }));
  return [
    { size: TABLE_BYTES, usage: STORAGE | COPY_DST },
    ...Array.from({ length: slots }, () => slot).flat(),
  ];
}
