/**
 * Tensority on the CPU: a kernel on one thread per core over one shared memory, behind
 * `BatchHasher`. The packed matrices are stored once for all threads; calls to `hash` queue up and
 * run in order, and a thread that finds a batch used up goes on with the next one at once.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import { moduleBeside } from '../util/module-beside.ts';
import type { Unnumbered } from '../util/unnumbered.ts';
import { type BatchHasher, checkBatch, checkTable, HasherError, type Seed } from './hasher.ts';
import { MACS_PER_HASH } from './params.ts';
import { SeedSlots } from './seed-slots.ts';
import { type MatrixTable, sharedData } from './table.ts';
import type { ThreadReply, ThreadRequest, ThreadSetup } from './thread-protocol.ts';
import { abortWord, BATCHES, nextWord } from './wasm/control.ts';
import { type MemoryMap, type MemoryNeeds, planMemory } from './wasm/memory-map.ts';
import { splitsSigns } from './wasm/operands.ts';
import { peakMacs } from './wasm/slice-kernel.ts';
import type { TierName } from './wasm/tiers.ts';
import { KERNEL_MAX_PAGES, type TunedTier } from './wasm/tune.ts';

export interface ThreadHasherOptions {
  /** The kernel to run; 'javascript' runs the plain reference. */
  readonly kernel: TunedTier | 'javascript';
  /** Default: one for each core that this process may use. */
  readonly threads?: number;
  /** Matrix tables kept packed, 16.25 MiB each (32.25 MiB for `relaxed16`). Default 2: a reorganisation over an epoch edge needs both. */
  readonly slots?: number;
  /** Most inputs of one `hash` call. Default 256. */
  readonly maxBatch?: number;
}

/** What the threads have done since the start. */
export interface ThreadHasherTotals {
  readonly hashes: number;
  /** Milliseconds that threads were computing, summed over the threads. */
  readonly busyMs: number;
}

/** A request under way: it is done when every thread has answered. */
interface Pending {
  left: number;
  readonly replies: ThreadReply[];
  readonly resolve: (replies: readonly ThreadReply[]) => void;
  readonly reject: (error: HasherError) => void;
}

export class ThreadHasher implements BatchHasher {
  readonly maxBatch: number;
  readonly threads: number;
  readonly tier: TierName;
  readonly slots: number;
  /** Resolves once: with the reason if a thread died, `undefined` after `close`. Never rejects. */
  readonly lost: Promise<HasherError | undefined>;

  readonly #kernel: TunedTier | 'javascript';
  readonly #map: MemoryMap;
  readonly #bytes: Uint8Array;
  readonly #control: Int32Array;
  readonly #workers: Worker[];
  /** By their index in the memory. */
  readonly #tables: SeedSlots<number>;
  /** Batches that nobody has; empty while calls wait for one. */
  readonly #freeBatches: number[];
  /** Calls of `hash` that wait for a batch, the oldest first. */
  readonly #turns: Deferred<number>[] = [];
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #hashes = 0;
  #busyMs = 0;
  #ended: HasherError | undefined;
  readonly #lost: Deferred<HasherError | undefined> = createDeferred();

  constructor(options: ThreadHasherOptions) {
    this.lost = this.#lost.promise;
    this.#kernel = options.kernel;
    this.tier = options.kernel === 'javascript' ? 'javascript' : options.kernel.tier.name;
    this.threads = options.threads ?? availableParallelism();
    this.slots = options.slots ?? 2;
    this.maxBatch = options.maxBatch ?? 256;
    for (const [name, value] of [
      ['threads', this.threads],
      ['slots', this.slots],
      ['maxBatch', this.maxBatch],
    ] as const) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RangeError(`"${name}" expected a whole number from 1, got ${value}`);
      }
    }
    const needs: MemoryNeeds = {
      batches: BATCHES,
      maxBatch: this.maxBatch,
      threads: this.threads,
      slots: this.slots,
      signs: options.kernel !== 'javascript' && splitsSigns(options.kernel.tier.shape),
    };
    this.#map = planMemory(needs);
    if (this.#map.pages > KERNEL_MAX_PAGES) {
      throw new RangeError(
        `memory expected at most ${KERNEL_MAX_PAGES} pages, got ${this.#map.pages} for ${this.threads} threads, ${this.slots} slots and batches of ${this.maxBatch}`,
      );
    }
    const memory = new WebAssembly.Memory({
      initial: this.#map.pages,
      maximum: KERNEL_MAX_PAGES,
      shared: true,
    });
    this.#bytes = new Uint8Array(memory.buffer);
    this.#control = new Int32Array(memory.buffer, 0, 256);
    this.#tables = new SeedSlots({
      slots: Array.from({ length: this.slots }, (_v, index) => index),
      fill: async (slot, data) => {
        await this.#toAll({ kind: 'pack', slot, table: sharedData(data) });
      },
    });
    this.#freeBatches = Array.from({ length: BATCHES }, (_v, index) => index);
    this.#workers = Array.from({ length: this.threads }, (_v, index) => {
      const setup: ThreadSetup = {
        index,
        needs,
        memory,
        module: options.kernel === 'javascript' ? undefined : options.kernel.module,
      };
      const worker = new Worker(THREAD_FILE, {
        workerData: setup,
        name: `tensority ${index}`,
        // The process's own may not suit a thread that runs a file: --input-type ends it at once.
        execArgv: [],
        // A thread's garbage is small; with V8's defaults each would grow by tens of megabytes.
        resourceLimits: { maxYoungGenerationSizeMb: 2 },
      });
      worker.on('message', (reply: ThreadReply) => this.#onReply(reply));
      worker.on('error', (error) => this.#end(`thread ${index}: ${errorText(error)}`));
      worker.on('exit', (code) => this.#end(`thread ${index} ended with code ${code}`));
      worker.unref();
      return worker;
    });
  }

  get totals(): ThreadHasherTotals {
    return { hashes: this.#hashes, busyMs: this.#busyMs };
  }

  /** True if the seed's table is packed. */
  hasSeed(seed: Seed): boolean {
    return this.#tables.has(seed);
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    checkTable(seed, table);
    signal?.throwIfAborted();
    this.#checkOpen();
    await this.#tables.load(seed, table.data, signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    this.#checkOpen();
    const table = this.#tables.use(seed);
    let batch: number | undefined;
    try {
      batch = await this.#acquireBatch(signal);
      await this.#runBatch(batch, table.slot, headerHashes, signal);
      const at = this.#map.batch(batch) + 32 * this.maxBatch;
      out.set(this.#bytes.subarray(at, at + out.length));
    } finally {
      if (batch !== undefined) this.#releaseBatch(batch);
      table.release();
    }
    signal?.throwIfAborted();
  }

  /**
   * Hashes a second that the tier's dot products alone would allow on these threads: a loop on
   * registers, best of `runs`. 0 for plain JavaScript.
   */
  async measurePeak(runs = 5): Promise<number> {
    this.#checkOpen();
    if (this.#kernel === 'javascript') return 0;
    const turns = 400_000;
    let best = 0;
    for (let run = 0; run < runs; run++) {
      const replies = await this.#toAll({ kind: 'peak', turns });
      const macsPerMs = replies.reduce(
        (sum, reply) => sum + peakMacs(this.#kernelShape(), turns) / reply.busyMs,
        0,
      );
      best = Math.max(best, (1000 * macsPerMs) / MACS_PER_HASH);
    }
    return best;
  }

  async close(): Promise<void> {
    this.#end(undefined);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #kernelShape(): TunedTier['tier']['shape'] {
    if (this.#kernel === 'javascript') throw new TypeError('plain JavaScript has no kernel shape');
    return this.#kernel.tier.shape;
  }

  async #acquireBatch(signal: AbortSignal | undefined): Promise<number> {
    const batch = this.#freeBatches.shift();
    if (batch !== undefined) return batch;
    const turn = createDeferred<number>();
    this.#turns.push(turn);
    const leave = (): void => {
      const at = this.#turns.indexOf(turn);
      if (at >= 0) this.#turns.splice(at, 1);
      // No effect if a batch was handed over just now; `runBatch` looks at the signal again.
      turn.reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave);
    try {
      return await turn.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Hands the batch to the call that waits longest, so that no newer call can come before it. */
  #releaseBatch(batch: number): void {
    const turn = this.#turns.shift();
    if (turn === undefined) this.#freeBatches.push(batch);
    else turn.resolve(batch);
  }

  async #runBatch(
    batch: number,
    slot: number,
    headerHashes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    this.#bytes.set(headerHashes, this.#map.batch(batch));
    Atomics.store(this.#control, nextWord(batch), 0);
    Atomics.store(this.#control, abortWord(batch), 0);
    const abort = (): void => {
      Atomics.store(this.#control, abortWord(batch), 1);
    };
    signal?.addEventListener('abort', abort);
    try {
      await this.#toAll({
        kind: 'batch',
        batch,
        slot,
        count: headerHashes.length / 32,
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Sends a request to every thread and waits until all have answered. */
  #toAll(request: Unnumbered<ThreadRequest>): Promise<readonly ThreadReply[]> {
    this.#checkOpen();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { left: this.threads, replies: [], resolve, reject });
      // Threads hold the process only while they owe an answer.
      if (this.#pending.size === 1) for (const worker of this.#workers) worker.ref();
      for (const worker of this.#workers) worker.postMessage({ ...request, id });
    });
  }

  #onReply(reply: ThreadReply): void {
    this.#hashes += reply.hashed;
    this.#busyMs += reply.busyMs;
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    pending.replies.push(reply);
    if (--pending.left > 0) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) for (const worker of this.#workers) worker.unref();
    pending.resolve(pending.replies);
  }

  #checkOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** Ends the hasher once: by `close` without a reason, or because a thread died. */
  #end(reason: string | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = new HasherError({ code: 'lost', reason: reason ?? 'closed' });
    for (let batch = 0; batch < BATCHES; batch++) {
      Atomics.store(this.#control, abortWord(batch), 1);
    }
    for (const pending of this.#pending.values()) pending.reject(this.#ended);
    this.#pending.clear();
    for (const turn of this.#turns.splice(0)) turn.reject(this.#ended);
    this.#tables.end(this.#ended);
    this.#lost.resolve(reason === undefined ? undefined : this.#ended);
    if (reason !== undefined) for (const worker of this.#workers) void worker.terminate();
  }
}

/** The thread's file beside this one, compiled or not. */
const THREAD_FILE = moduleBeside(import.meta.url, './hasher-thread');
