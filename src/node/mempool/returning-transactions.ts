/**
 * Transactions that a reorganisation has put out of place, on their way back into the pool: those of
 * the blocks that left the main chain, the lowest block first, and then those of the pool that stood on
 * them. Blocks are read when their turn has come; what is kept until then is where they are.
 */
import type { Tx } from '../../chain/tx.ts';
import type { ChainBlock } from '../best-chain.ts';
import type { TxSource } from './pooled-tx.ts';

export interface ReturningTx {
  readonly tx: Tx;
  readonly source: TxSource;
}

/** A branch that was longer is no accident. What is below these blocks stays away. */
const MAX_BLOCKS = 256;

export class ReturningTransactions {
  #blocks: ChainBlock[] = [];
  #current: ReturningTx[] = [];
  #pooled: ReturningTx[] = [];

  get isEmpty(): boolean {
    return this.#blocks.length + this.#current.length + this.#pooled.length === 0;
  }

  /** As a tip event has them: the highest first. Returns how many of the lowest are left out. */
  addBlocks(disconnected: readonly ChainBlock[]): number {
    const all = [...this.#blocks, ...[...disconnected].reverse()];
    this.#blocks = all.slice(-MAX_BLOCKS);
    return all.length - this.#blocks.length;
  }

  /** Parents before children. */
  addPooled(transactions: readonly ReturningTx[]): void {
    this.#pooled.push(...transactions);
  }

  /** The next one; throws what reading its block throws, and then that block is passed over. */
  next(): ReturningTx | undefined {
    while (this.#current.length === 0) {
      const block = this.#blocks.shift();
      if (block === undefined) return this.#pooled.shift();
      // Transaction 0 belongs to its block alone.
      const [, ...others] = block.block().transactions;
      this.#current = others.map((tx) => ({ tx, source: 'reorg' }));
    }
    return this.#current.shift();
  }

  clear(): void {
    this.#blocks = [];
    this.#current = [];
    this.#pooled = [];
  }
}
