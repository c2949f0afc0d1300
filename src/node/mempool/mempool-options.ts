/** What a memory pool is made of and asked for, and what it tells. */
import type { RuleName } from '../../consensus/rule-error.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import type { MempoolErrorDetail } from './mempool-error.ts';
import type { OrphanTransactionsOptions } from './orphan-transactions.ts';
import type { TxSource } from './pooled-tx.ts';

export interface MempoolOptions {
  /** Default 10,000, as in the reference. */
  readonly maxTransactions?: number;
  /** About what they take in memory: some ten times their wire form. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Transactions of the pool that one may stand on, directly and indirectly. Default 25. */
  readonly maxAncestors?: number;
  /**
   * Transactions whose programs may ask for the height: each is validated again for every block.
   * Default 200.
   */
  readonly maxHeightBound?: number;
  /** How long one stays. Default 72 hours. */
  readonly maxAgeMs?: number;
  /** That wait to be validated, of peers, and again of this node. Default 1000. */
  readonly maxQueued?: number;
  /** About what these take in memory. Default 16 MiB each. */
  readonly maxQueuedBytes?: number;
  readonly orphans?: OrphanTransactionsOptions;
  /** Control programs whose outputs are not to be spent. Default none. */
  readonly blockedPrograms?: readonly Uint8Array[];
}

/** The pool owns none of them. */
export interface MempoolParts {
  readonly chain: Pick<Chain, 'tip' | 'utxos' | 'onTip'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}

export interface TxSubmitOptions {
  readonly source: TxSource;
  /** Aborting has no effect once the transaction is in the pool. */
  readonly signal?: AbortSignal;
}

/**
 * Why a transaction has left the pool.
 * - `confirmed`: a block of the main chain has it.
 * - `conflict`: a block has taken a coin of it, or of one that it stood on.
 * - `returning`: the main chain has lost what it stood on; it is validated anew, and may come back.
 * - `invalid`: the next block cannot take it, as its programs see the height.
 * - `expired`: its time range has passed, or it was there too long, or one that it stood on.
 * - `evicted`: it made room for one that pays more, or stood on one that did.
 */
export type RemovalReason =
  | 'confirmed'
  | 'conflict'
  | 'returning'
  | 'invalid'
  | 'expired'
  | 'evicted';

/** Why a transaction was not taken. */
export type RefusalReason = MempoolErrorDetail['code'] | RuleName;

/** Totals since the start. */
export interface MempoolCounts {
  readonly added: number;
  /** Put aside, as a coin is missing. Those that got in later count as added as well. */
  readonly orphaned: number;
  /** Of submissions, orphans, and what a reorganisation has put out of place. */
  readonly refused: ReadonlyMap<RefusalReason, number>;
  readonly removed: Readonly<Record<RemovalReason, number>>;
}
