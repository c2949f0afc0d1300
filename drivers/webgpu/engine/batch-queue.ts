/**
 * Jobs on an engine, served in order: each is cut into batches, and while the GPU computes one the
 * next is with it already. Says when to look for a result, so that waiting costs nothing.
 */
import type { Clock } from '../../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../../src/util/deferred.ts';
import type { Flight } from './engine.ts';
import type { GpuLink } from './gpu-link.ts';
import type { BatchInput } from './lane.ts';
import type { Pace } from './pace.ts';
import { inTime } from './patience.ts';
import type { TableSlot } from './tables.ts';

/** Hashes under one table. */
export interface Job {
  readonly slot: TableSlot;
  readonly count: number;
  readonly signal: AbortSignal | undefined;
  /** What computes the `count` hashes from number `at` on. */
  input(at: number, count: number): BatchInput;
  /** Takes the result of such an input. */
  take(at: number, count: number, result: Uint8Array): void;
}

export interface BatchQueueOptions {
  /** Batches in flight, if each is short. */
  readonly depth: number;
  /** A batch longer than this flies alone, so that an abort need not wait for a second one. */
  readonly longMs: number;
  /** 1 … 100 % of the time. */
  readonly intensity: number;
  /** A pending promise of the GPU costs nothing. */
  readonly freeAwaits: boolean;
}

export interface BatchQueueParts {
  readonly link: Pick<GpuLink, 'gone' | 'fail'>;
  readonly engine: { submit(slot: TableSlot, input: BatchInput): Flight };
  readonly pace: Pace;
  readonly clock: Clock;
}

/** A GPU is given up if a batch takes so many times what it should, but not before … */
const PATIENCE = 20;
/** … this. */
const LEAST_PATIENCE_MS = 10_000;

/** A job in the queue. */
interface Entry {
  readonly job: Job;
  readonly end: Deferred<number>;
  /** Hashes handed to the GPU, and hashes done. */
  begun: number;
  done: number;
}

/** Work that wants the GPU for itself. */
interface Exclusive {
  readonly run: () => Promise<void>;
}

interface Under {
  readonly entry: Entry;
  readonly at: number;
  readonly flight: Flight;
}

export class BatchQueue {
  readonly #options: BatchQueueOptions;
  readonly #parts: BatchQueueParts;
  /** What is not completely with the GPU yet, in order. */
  readonly #waiting: (Entry | Exclusive)[] = [];
  readonly #flights: Under[] = [];
  /** Everything that has not ended. */
  readonly #open = new Set<Deferred<number>>();
  /** The loop that waits for batches; it ends when there is nothing to do. */
  #loop: Promise<void> = Promise.resolve();
  #isRunning = false;
  /** The loop waits for a batch: others may be launched meanwhile. */
  #isFlying = false;
  #busyMs = 0;
  #busySince: number | undefined;

  constructor(options: BatchQueueOptions, parts: BatchQueueParts) {
    this.#options = options;
    this.#parts = parts;
    const { gone } = parts.link;
    const end = (): void => {
      this.#waiting.length = 0;
      for (const { reject } of this.#open) reject(gone.reason);
      this.#open.clear();
    };
    gone.addEventListener('abort', end, { once: true });
  }

  /** Milliseconds in which batches were in flight. */
  get busyMs(): number {
    const since = this.#busySince;
    return this.#busyMs + (since === undefined ? 0 : this.#parts.clock.now() - since);
  }

  /**
   * Runs a job to its end, or to the end of the batches in flight when its signal aborts. Resolves
   * with how many of its hashes are done, from the first on. Rejects with `lost`, or with what `take` throws.
   */
  async run(job: Job): Promise<number> {
    this.#parts.link.gone.throwIfAborted();
    const entry: Entry = { job, end: createDeferred<number>(), begun: 0, done: 0 };
    if (job.count === 0 || job.signal?.aborted === true) return 0;
    const stop = (): void => {
      this.#remove(entry);
      this.#settle(entry);
      this.#fill();
    };
    this.#open.add(entry.end);
    this.#waiting.push(entry);
    job.signal?.addEventListener('abort', stop, { once: true });
    this.#fill();
    try {
      return await entry.end.promise;
    } finally {
      this.#open.delete(entry.end);
      job.signal?.removeEventListener('abort', stop);
    }
  }

  /** Runs `work` when everything before it has ended, and nothing else meanwhile. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    const { gone } = this.#parts.link;
    gone.throwIfAborted();
    const turn = createDeferred<number>();
    const ended = createDeferred<void>();
    this.#open.add(turn);
    const run = (): Promise<void> => {
      turn.resolve(0);
      return ended.promise;
    };
    this.#waiting.push({ run });
    this.#fill();
    try {
      await turn.promise;
      this.#open.delete(turn);
      return await work();
    } finally {
      ended.resolve();
    }
  }

  /** Resolves when nothing of the queue runs any more. For after the end of the link. */
  async idle(): Promise<void> {
    await this.#loop;
  }

  /** Gives the GPU as many batches as it should have. */
  #fill(): void {
    // While the loop rests, or somebody has the GPU for himself, it is the loop that goes on.
    if (!this.#isRunning) this.#loop = this.#run();
    else if (this.#isFlying) this.#launch();
  }

  async #run(): Promise<void> {
    const { gone } = this.#parts.link;
    this.#isRunning = true;
    try {
      while (!gone.aborted) {
        this.#launch();
        const under = this.#flights[0];
        if (under !== undefined) {
          await this.#land(under);
          continue;
        }
        const next = this.#waiting[0];
        if (next === undefined || !('run' in next)) break;
        this.#waiting.shift();
        await next.run();
        this.#parts.pace.disturbed();
      }
    } catch (error) {
      // The engine's calls do not throw as long as it lives: this is the end of it.
      if (!gone.aborted) this.#parts.link.fail(String(error), { cause: error });
    } finally {
      this.#isRunning = false;
      this.#endBusy();
    }
  }

  #launch(): void {
    const { pace, engine, clock } = this.#parts;
    while (this.#flights.length < this.#depth()) {
      const entry = this.#waiting[0];
      if (entry === undefined || 'run' in entry) return;
      const { job, begun: at } = entry;
      const count = pace.batchSize(job.count - at);
      const flight = engine.submit(job.slot, job.input(at, count));
      const now = clock.now();
      if (this.#flights.length === 0) pace.began(now);
      this.#busySince ??= now;
      this.#flights.push({ entry, at, flight });
      entry.begun += count;
      if (entry.begun === job.count) this.#waiting.shift();
    }
  }

  /** Waits for the oldest batch and hands out its result. */
  async #land(under: Under): Promise<void> {
    const { pace, clock, link } = this.#parts;
    const { entry, at, flight } = under;
    const { count } = flight.input;
    this.#isFlying = true;
    const began = clock.now();
    const expected = pace.predictEnd(count, began) - began;
    // Upwards: timers are in whole milliseconds, and asking too early is what costs.
    if (!this.#options.freeAwaits) await clock.sleep(Math.ceil(expected), link.gone);
    link.gone.throwIfAborted();
    const asked = clock.now();
    const patience = Math.max(LEAST_PATIENCE_MS, PATIENCE * expected);
    const result = await inTime(flight.read(), patience, { link, clock });
    const now = clock.now();
    this.#isFlying = false;
    pace.ended(count, asked, now, this.#options.freeAwaits);
    this.#flights.shift();
    if (this.#flights.length === 0) this.#endBusy();
    try {
      entry.job.take(at, count, result);
      entry.done += count;
    } catch (error) {
      this.#remove(entry);
      entry.end.reject(error);
    }
    this.#settle(entry);
    const { intensity } = this.#options;
    const rest = ((now - began) * (100 - intensity)) / intensity;
    if (rest > 0) await clock.sleep(rest, link.gone);
  }

  /** Ends an entry that has nothing left to do or is not wanted, once none of its batches is in flight. */
  #settle(entry: Entry): void {
    if (this.#flights.some((under) => under.entry === entry)) return;
    const { job, done, end } = entry;
    if (done === job.count || job.signal?.aborted === true) end.resolve(done);
  }

  #remove(entry: Entry): void {
    const at = this.#waiting.indexOf(entry);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #endBusy(): void {
    if (this.#busySince === undefined) return;
    this.#busyMs += this.#parts.clock.now() - this.#busySince;
    this.#busySince = undefined;
  }

  #depth(): number {
    const { depth, longMs, intensity } = this.#options;
    // A GPU that is to rest must have nothing to go on with.
    return intensity < 100 || this.#parts.pace.msPerHash > longMs ? 1 : depth;
  }
}
