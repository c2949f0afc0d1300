/**
 * Transactions that were submitted and wait for their turn to be validated: this node's own first, then
 * those of peers, each in the order of arrival and each with limits of its own, so that no flood from
 * outside keeps out what its operator sends.
 */
import type { Tx } from '../../chain/tx.ts';
import type { Deferred } from '../../util/deferred.ts';
import { MempoolError } from './mempool-error.ts';
import { footprint, type TxSource } from './pooled-tx.ts';

/** What a submission comes to. */
export interface TxOutcome {
  /**
   * - `added`: it is in the pool.
   * - `known`: it was there before, or a block of the main chain has it, whatever its witnesses.
   * - `orphan`: it waits for a coin that nobody has seen.
   */
  readonly result: 'added' | 'known' | 'orphan';
}

export interface TxSubmission {
  readonly tx: Tx;
  readonly source: TxSource;
  readonly done: Deferred<TxOutcome>;
  readonly abort: AbortController;
}

export interface QueueLimits {
  readonly transactions: number;
  /** Of memory, see `footprint`. */
  readonly bytes: number;
}

export class SubmissionQueue {
  readonly #limits: QueueLimits;
  readonly #own = new Set<TxSubmission>();
  readonly #others = new Set<TxSubmission>();
  #ownBytes = 0;
  #otherBytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#own.size + this.#others.size;
  }

  /** Throws `MempoolError` 'overloaded'. */
  add(submission: TxSubmission): void {
    const isOther = submission.source === 'peer';
    const queue = isOther ? this.#others : this.#own;
    const held = isOther ? this.#otherBytes : this.#ownBytes;
    const bytes = footprint(submission.tx);
    const { transactions, bytes: maxBytes } = this.#limits;
    // One that is larger than the limit has to be alone.
    const fits = queue.size < transactions && held + bytes <= maxBytes;
    if (queue.size > 0 && !fits) {
      throw new MempoolError({ code: 'overloaded', transactions: queue.size, bytes: held });
    }
    queue.add(submission);
    if (isOther) this.#otherBytes += bytes;
    else this.#ownBytes += bytes;
  }

  /** Takes out the one whose turn it is. */
  next(): TxSubmission | undefined {
    for (const queue of [this.#own, this.#others]) {
      for (const submission of queue) {
        this.remove(submission);
        return submission;
      }
    }
    return undefined;
  }

  /** True if it was there. */
  remove(submission: TxSubmission): boolean {
    const bytes = footprint(submission.tx);
    if (this.#own.delete(submission)) this.#ownBytes -= bytes;
    else if (this.#others.delete(submission)) this.#otherBytes -= bytes;
    else return false;
    return true;
  }

  all(): readonly TxSubmission[] {
    return [...this.#own, ...this.#others];
  }
}
