/**
 * Tensority through ONNX Runtime behind `BatchHasher`: the inputs of a call lie in memory that all
 * lanes share, and a lane that finds a call used up goes on with the next one at once.
 *
 * An abort takes effect between runs: a run that has begun cannot be stopped.
 */
import {
  type BatchHasher,
  checkBatch,
  checkTable,
  HasherError,
  type Seed,
} from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { untilAbort } from '../../src/util/abort.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';
import { Batch } from './batch.ts';
import { type Lane, LaneEnded } from './lane.ts';
import type { Tables } from './tables.ts';

export interface OnnxHasherOptions {
  readonly maxBatch: number;
  /** Without a run that ends for so long, while there is something to do, it is lost. */
  readonly silenceMs: number;
  /** 1 … 100 % (default 100): of the time; for the rest of it the lanes rest, which is no silence. */
  readonly intensity?: number;
}

export interface OnnxHasherParts {
  /** With sessions that are open; closed with the hasher. */
  readonly lanes: readonly Lane[];
  readonly tables: Tables;
  readonly clock: Clock;
}

export class OnnxHasher implements BatchHasher {
  readonly maxBatch: number;
  /** Resolves once: with the reason if a lane failed, `undefined` after `close`. Never rejects. */
  readonly lost: Promise<HasherError | undefined>;
  readonly #options: OnnxHasherOptions;
  readonly #parts: OnnxHasherParts;
  readonly #resolveLost: (error: HasherError | undefined) => void;
  /** Aborts with the `HasherError` when it is closed or lost. */
  readonly #gone = new AbortController();
  readonly #batches = new Set<Batch>();
  /** Signs of life in batches that are done. */
  #signs = 0;
  #isBroken = false;

  constructor(options: OnnxHasherOptions, parts: OnnxHasherParts) {
    this.maxBatch = options.maxBatch;
    this.#options = options;
    this.#parts = parts;
    const lost = createDeferred<HasherError | undefined>();
    this.lost = lost.promise;
    this.#resolveLost = lost.resolve;
    for (const lane of parts.lanes) void lane.ended.then((error) => this.#endBy(error));
  }

  /** A lane cannot be used any more, by another hasher either: a run does not end, or its thread has. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    checkTable(seed, table);
    signal?.throwIfAborted();
    this.#gone.signal.throwIfAborted();
    // After the end a table may be in use for ever.
    const end = AbortSignal.any([this.#gone.signal, ...(signal === undefined ? [] : [signal])]);
    await this.#parts.tables.load(seed, table.data, end);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    this.#gone.signal.throwIfAborted();
    const { lanes, tables } = this.#parts;
    const table = tables.use(seed);
    const batch = Batch.of(headerHashes);
    const abort = (): void => batch.abort();
    signal?.addEventListener('abort', abort);
    const { intensity } = this.#options;
    const runs = lanes.map((lane) => lane.run(table.slot, batch.memory, intensity));
    // Whatever becomes of this call, lanes read the table until they are done.
    void Promise.allSettled(runs).then(() => table.release());
    this.#batches.add(batch);
    const watching = new AbortController();
    void this.#watch(watching.signal);
    try {
      await untilAbort(Promise.all(runs), this.#gone.signal);
    } catch (error) {
      this.#gone.signal.throwIfAborted();
      throw this.#endBy(error);
    } finally {
      watching.abort();
      this.#batches.delete(batch);
      this.#signs += batch.signs;
      signal?.removeEventListener('abort', abort);
    }
    signal?.throwIfAborted();
    out.set(batch.powHashes);
  }

  async close(): Promise<void> {
    this.#end(undefined);
    await Promise.all(this.#parts.lanes.map((lane) => lane.close()));
  }

  /** Ends the hasher if nothing is done, for this call or for those before it. */
  async #watch(done: AbortSignal): Promise<void> {
    const { silenceMs } = this.#options;
    for (let before = this.#signsSoFar(); ; before = this.#signsSoFar()) {
      await this.#parts.clock.sleep(silenceMs, done);
      if (done.aborted || this.#gone.signal.aborted) return;
      if (this.#signsSoFar() === before) break;
    }
    this.#isBroken = true;
    this.#end(`no run ended for ${Math.round(silenceMs / 1000)} s`);
  }

  #signsSoFar(): number {
    return [...this.#batches].reduce((sum, batch) => sum + batch.signs, this.#signs);
  }

  /** Ends it with the error of a lane. */
  #endBy(error: unknown): unknown {
    this.#isBroken ||= error instanceof LaneEnded;
    return this.#end(errorText(error));
  }

  /** Ends it once: by `close` without a reason, or as it was lost. Returns the error of later calls. */
  #end(reason: string | undefined): unknown {
    const gone = this.#gone;
    if (!gone.signal.aborted) {
      const error = new HasherError({ code: 'lost', reason: reason ?? 'it was closed' });
      gone.abort(error);
      for (const batch of this.#batches) batch.abort();
      this.#resolveLost(reason === undefined ? undefined : error);
    }
    return gone.signal.reason;
  }
}
