/** What happens to the transactions of a pool: who is told of it, and how often it was. */
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { MempoolCounts, RefusalReason, RemovalReason } from './mempool-options.ts';
import type { PooledTx } from './pooled-tx.ts';

export type AddedListener = (pooled: PooledTx) => void;
export type RemovedListener = (pooled: PooledTx, reason: RemovalReason) => void;

export class PoolLedger {
  readonly #log: Logger;
  readonly #addedListeners = new Set<AddedListener>();
  readonly #removedListeners = new Set<RemovedListener>();
  readonly #refused = new Map<RefusalReason, number>();
  #added = 0;
  #orphaned = 0;
  #removed: MempoolCounts['removed'] = {
    confirmed: 0,
    conflict: 0,
    returning: 0,
    invalid: 0,
    expired: 0,
    evicted: 0,
  };

  constructor(log: Logger) {
    this.#log = log;
  }

  get counts(): MempoolCounts {
    return {
      added: this.#added,
      orphaned: this.#orphaned,
      refused: new Map(this.#refused),
      removed: this.#removed,
    };
  }

  onAdded(listener: AddedListener): () => void {
    this.#addedListeners.add(listener);
    return () => this.#addedListeners.delete(listener);
  }

  onRemoved(listener: RemovedListener): () => void {
    this.#removedListeners.add(listener);
    return () => this.#removedListeners.delete(listener);
  }

  added(pooled: PooledTx): void {
    this.#added++;
    for (const listener of this.#addedListeners) this.#tell(() => listener(pooled));
  }

  removed(pooled: PooledTx, reason: RemovalReason): void {
    this.#removed = { ...this.#removed, [reason]: this.#removed[reason] + 1 };
    for (const listener of this.#removedListeners) this.#tell(() => listener(pooled, reason));
  }

  orphaned(): void {
    this.#orphaned++;
  }

  refused(reason: RefusalReason): void {
    this.#refused.set(reason, 1 + (this.#refused.get(reason) ?? 0));
  }

  /** Calls a listener, whose mistakes are not ours. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#log.error('mempool listener failed', { reason: errorText(error) });
    }
  }
}
