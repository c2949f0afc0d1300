/**
 * Matrix tables on the GPU: a fixed number of slots, the least recently used one is replaced. The
 * table is uploaded as it is (16 MiB) and the GPU makes of it what the products read.
 *
 * The upload goes in pieces, so that batches under another seed are not held up by it.
 */
import { HasherError, type Seed } from '../../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../../src/tensority/params.ts';
import { untilAbort } from '../../../src/util/abort.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
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

/** A slot that is not replaced before it is released. */
export interface TableUse {
  readonly slot: TableSlot;
  release(): void;
}

interface Place {
  readonly slot: TableSlot;
  /** Hex of the seed whose table is here. */
  seed: string | undefined;
  /** Calls that read it, and a load that writes it. */
  users: number;
  lastUsed: number;
}

interface Load {
  readonly done: Promise<void>;
  /** Callers that still want it. */
  wanted: number;
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
  readonly #places: readonly Place[];
  /** Where tables are uploaded to. */
  readonly #raw: GPUBuffer;
  readonly #loads = new Map<string, Load>();
  /** Loads run one after the other: they share the upload buffer. */
  #last: Promise<void> = Promise.resolve();
  #waits: (() => void)[] = [];
  #uses = 0;

  constructor(parts: TableStoreParts) {
    this.#parts = parts;
    const [raw, ...buffers] = parts.buffers;
    this.#raw = raw!;
    this.slots = buffers.length / 2;
    this.#places = Array.from({ length: this.slots }, (_, i) => ({
      slot: { first: buffers[2 * i]!, table: buffers[2 * i + 1]! },
      seed: undefined,
      users: 0,
      lastUsed: 0,
    }));
    // A load that waits for a slot must hear that there will be none.
    parts.link.gone.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** Keeps the table of a seed until it is released. Throws `seed-not-loaded`. */
  use(seed: Seed): TableUse {
    const name = bytesToHex(seed);
    const place = this.#find(name);
    if (place === undefined) throw new HasherError({ code: 'seed-not-loaded', seed: name });
    place.users++;
    place.lastUsed = ++this.#uses;
    let isHeld = true;
    return {
      slot: place.slot,
      release: () => {
        if (isHeld) this.#release(place);
        isHeld = false;
      },
    };
  }

  /** Makes a table (16 MiB, row-major) resident. Waits while every slot is in use. */
  async load(seed: Seed, data: Int8Array, signal?: AbortSignal): Promise<void> {
    const name = bytesToHex(seed);
    for (;;) {
      const resident = this.#find(name);
      if (resident !== undefined) {
        resident.lastUsed = ++this.#uses;
        return;
      }
      // Two callers may ask for one seed at once; it is uploaded once.
      const load = this.#loads.get(name) ?? this.#begin(name, data);
      load.wanted++;
      try {
        await untilAbort(load.done, signal);
      } finally {
        load.wanted--;
        // One that waits for a slot, and that nobody wants any more, ends.
        this.#wake();
      }
    }
  }

  #begin(name: string, data: Int8Array): Load {
    const run = async (): Promise<void> => {
      const place = await this.#acquire(load);
      if (place === undefined) return;
      try {
        await this.#upload(place.slot, data);
        place.seed = name;
        place.lastUsed = ++this.#uses;
      } finally {
        this.#release(place);
      }
    };
    const load: Load = {
      done: this.#last.then(run).finally(() => this.#loads.delete(name)),
      wanted: 0,
    };
    this.#loads.set(name, load);
    this.#last = load.done.catch(() => undefined);
    return load;
  }

  /** The least recently used slot that nobody uses, emptied; `undefined` once nobody wants the load. */
  async #acquire(load: Load): Promise<Place | undefined> {
    for (;;) {
      this.#parts.link.gone.throwIfAborted();
      if (load.wanted === 0) return undefined;
      const idle = this.#places.filter((place) => place.users === 0);
      const oldest = idle.sort((a, b) => a.lastUsed - b.lastUsed)[0];
      if (oldest !== undefined) {
        oldest.seed = undefined;
        oldest.users++;
        return oldest;
      }
      await new Promise<void>((resolve) => {
        this.#waits.push(resolve);
      });
    }
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

  #find(name: string): Place | undefined {
    return this.#places.find((place) => place.seed === name);
  }

  #release(place: Place): void {
    place.users--;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waits.splice(0)) wake();
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
