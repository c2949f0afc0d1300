/** What a template is made of: transactions that wait for a block, with the verdicts on them. */
import type { Tx } from '../../chain/tx.ts';

/** A transaction with the verdict on it: it is not invalid, at the height it was validated for. */
export interface TemplateTx {
  readonly tx: Tx;
  /** In neu. */
  readonly fee: bigint;
  /** What counts for the block; may be below zero. */
  readonly gasUsed: number;
  readonly statusFail: boolean;
}

export interface TransactionSource {
  /** Parents before children, and otherwise in the order in which they are to be taken. */
  transactions(): readonly TemplateTx[];
  /** Returns how to end it. */
  onAdded(listener: (tx: TemplateTx) => void): () => void;
  onRemoved(listener: (tx: TemplateTx) => void): () => void;
}
