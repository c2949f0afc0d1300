/** A transaction in the pool, and what it weighs: in a block, and in memory. */
import type { Tx } from '../../chain/tx.ts';

/** Where it came from: another node, this node's API, or a block that has left the main chain. */
export type TxSource = 'peer' | 'local' | 'reorg';

/** Its verdict is for the block after the tip. */
export interface PooledTx {
  /** The pool's own copy. */
  readonly tx: Tx;
  /** In neu. */
  readonly fee: bigint;
  /** What counts for the block: 0 … 200,000. */
  readonly gasUsed: number;
  /** Whether only its BTM moves. */
  readonly statusFail: boolean;
  /** When it joined the pool, in milliseconds of the node's clock. */
  readonly addedAt: number;
  readonly source: TxSource;
}

/**
 * About the bytes that a decoded transaction takes in memory. That may be a hundred times those of its
 * wire form: an empty argument is one byte there, and here a view of its own.
 */
export function footprint(tx: Tx): number {
  const { raw, inputs, outputs } = tx;
  let bytes = ENTRY_BYTES + raw.length + OUTPUT_BYTES * outputs.length;
  for (const input of inputs) {
    bytes += INPUT_BYTES;
    if (input.type !== 'coinbase') bytes += VIEW_BYTES * input.arguments.length;
  }
  return bytes;
}

/**
 * What a transaction takes of a block and of the pool, in gas: fees are compared by this. Hardly any
 * weighs more than its gas; one that has paid for few bytes and fills much memory does.
 */
export function weightOf(tx: Tx, gasUsed: number): number {
  return Math.max(gasUsed, tx.raw.length, Math.ceil(footprint(tx) / MEMORY_BYTES_PER_GAS));
}

/** Neu per unit of weight. */
export function feeRate(fee: bigint, weight: number): number {
  return Number(fee) / weight;
}

const VIEW_BYTES = 100;
const INPUT_BYTES = 900;
const OUTPUT_BYTES = 500;
/** Indexes and ids. */
const ENTRY_BYTES = 1000;
/** An ordinary transaction has one or two bytes of memory for each unit of gas. */
const MEMORY_BYTES_PER_GAS = 16;
