/** What a chain is made of and asked for, and what it tells. */
import type { Network } from '../consensus/network.ts';
import type { PowPriority } from '../pow/hash-queue.ts';
import type { PowVerifier } from '../pow/pow-verifier.ts';
import type { ChainStore, IndexEntry } from '../store/chain-store.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { TipChange } from './best-chain.ts';
import type { FlushOptions } from './flush-policy.ts';
import type { OrphanPoolOptions } from './orphans.ts';

export interface ChainOptions extends FlushOptions {
  readonly network: Network;
  /**
   * 'enforce', the default, refuses a block that is another than the checkpoint of its height, and
   * new ones below a checkpoint that the main chain has passed. No rule of consensus: it protects a
   * node that is still behind from a long branch of little work, and the disk from many of them.
   */
  readonly checkpoints?: 'enforce' | 'ignore';
  readonly orphans?: OrphanPoolOptions;
  /**
   * Blocks, and bytes of their wire form, that may be under way. Decoded, they take some fifteen times
   * these bytes. Default 4096 and 64 MiB.
   */
  readonly maxPending?: number;
  readonly maxPendingBytes?: number;
}

/** The chain owns none of them: whoever opened the store and the verifier closes them, after it. */
export interface ChainParts {
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}

export interface SubmitOptions {
  /**
   * Above all, how soon the proof of work is computed. 'sync' is for blocks of the past: theirs are
   * begun before that of the parent is known, and they reach the disk a little later. Everything else
   * is on disk when the submission settles.
   */
  readonly priority: PowPriority;
  /** Aborting has no effect once the block is stored. */
  readonly signal?: AbortSignal;
}

export interface TipEvent extends TipChange {
  readonly tip: IndexEntry;
}

/** Totals since the start. */
export interface ChainCounters {
  /** Blocks and their transactions stored, on whatever branch. */
  readonly stored: number;
  readonly transactions: number;
  readonly connected: number;
  readonly disconnected: number;
}
