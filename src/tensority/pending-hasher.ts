/**
 * A hasher that is on its way: a device takes a second to be opened, tuned and tested, and what needs
 * no hash need not wait for that. Calls wait for it, and are then its own.
 */

import { untilAbort } from '../util/abort.ts';
import { createDeferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import { type BatchHasher, HasherError, type Seed } from './hasher.ts';
import type { MatrixTable } from './table.ts';

export class PendingHasher implements BatchHasher {
  readonly #arrival = createDeferred<BatchHasher>();
  #hasher: BatchHasher | undefined;

  constructor() {
    // It may never be asked for anything.
    this.#arrival.promise.catch(() => {});
  }

  /** The smallest there is until the hasher has come. */
  get maxBatch(): number {
    return this.#hasher?.maxBatch ?? 1;
  }

  /** Whoever opened it closes it. The first of these two calls counts. */
  arrived(hasher: BatchHasher): void {
    this.#hasher = hasher;
    this.#arrival.resolve(hasher);
  }

  /** There will be none: everything rejects `lost`. */
  failed(error: unknown): void {
    const reason = errorText(error);
    this.#arrival.reject(new HasherError({ code: 'lost', reason }, { cause: error }));
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    const hasher = await untilAbort(this.#arrival.promise, signal);
    await hasher.loadSeed(seed, table, signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const hasher = await untilAbort(this.#arrival.promise, signal);
    await hasher.hash(seed, headerHashes, out, signal);
  }

  /** What waits rejects `lost`. */
  async close(): Promise<void> {
    if (this.#hasher === undefined) this.failed('closed');
  }
}
