/**
 * Chooses the transactions of a block, and makes its coinbase and roots. What it makes meets every rule
 * for the body of a block, and its coins are there: Bytom 1.x consensus, "Block validation", rules 7 to
 * 13, and "Coinbase".
 *
 * Transactions are taken in the order of the pool. One that does not fit is skipped, and with it what
 * spends its outputs.
 */
import type { BlockHeader } from '../../chain/header.ts';
import { statusRoot } from '../../chain/merkle.ts';
import type { Tx } from '../../chain/tx.ts';
import { createTx } from '../../chain/tx-codec.ts';
import type { UtxoView } from '../../chain/utxo.ts';
import { createCoinbase } from '../../consensus/coinbase.ts';
import { BLOCK_GAS_LIMIT, BLOCK_VERSION } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { subsidy } from '../../consensus/subsidy.ts';
import { connectBlock } from '../../consensus/utxo-rules.ts';
import type { HeightVerdict } from './height-verdicts.ts';
import type { RootCache } from './root-cache.ts';
import type { TemplateTx } from './transaction-source.ts';
import { TrialCoins } from './trial-coins.ts';

/** Gas that a transaction is taken to use at least, where that bounds how many are validated. */
const MIN_EXPECTED_GAS = 5000;
const NO_HASH = new Uint8Array(32);

/** No rule of consensus: a block travels as hex in a message of at most 22,020,096 bytes. */
const MAX_TRANSACTIONS_BYTES = 10_000_000;

export interface AssembleOptions {
  /** Of the block. */
  readonly height: number;
  /** Whom the coinbase pays, and what else it says. */
  readonly program: Uint8Array;
  readonly arbitrary: Uint8Array;
}

export interface AssembleParts {
  /** At the parent. */
  readonly coins: UtxoView;
  readonly roots: RootCache;
  /** For a block at that height; `undefined` where it is not known. */
  readonly verdict: (tx: TemplateTx) => HeightVerdict | undefined;
}

export interface Assembly {
  /** The coinbase first. */
  readonly transactions: readonly Tx[];
  readonly transactionsMerkleRoot: Uint8Array;
  readonly transactionStatusHash: Uint8Array;
  /** Of all transactions, in neu. */
  readonly fees: bigint;
  readonly gasUsed: number;
  /** Skipped, since the verdict on them is not known: no more than might have fitted. */
  readonly unverified: readonly TemplateTx[];
}

export function assemble(
  candidates: readonly TemplateTx[],
  options: AssembleOptions,
  parts: AssembleParts,
): Assembly {
  const { height, program, arbitrary } = options;
  const selection = new Selection(height, parts);
  const later = candidates.filter((candidate) => selection.offer(candidate) === 'later');
  // Programs can gain gas: what would have brought the sum below zero may fit behind the others.
  if (selection.metNegative) for (const candidate of later) selection.offer(candidate);
  const { fees, gasUsed, unverified } = selection;
  const amount = subsidy(height) + fees;
  const coinbase = createCoinbase({ height, program, amount, extra: arbitrary });
  const transactions = [coinbase, ...selection.transactions];
  return {
    transactions,
    transactionsMerkleRoot: parts.roots.root(transactions),
    transactionStatusHash: statusRoot([false, ...selection.statusFail]),
    fees,
    gasUsed,
    unverified,
  };
}

/** What has been chosen so far. The coinbase uses no gas: sums begin at zero. */
class Selection {
  readonly #header: BlockHeader;
  readonly #parts: AssembleParts;
  readonly #coins: TrialCoins;
  readonly transactions: Tx[] = [];
  readonly statusFail: boolean[] = [];
  readonly unverified: TemplateTx[] = [];
  fees = 0n;
  gasUsed = 0;
  metNegative = false;
  #bytes = 0;
  #unverifiedGas = 0;

  constructor(height: number, parts: AssembleParts) {
    this.#header = headerAt(height);
    this.#parts = parts;
    this.#coins = new TrialCoins(parts.coins);
  }

  /** Takes it if it fits. 'later': it might, behind others. */
  offer(candidate: TemplateTx): 'taken' | 'later' | 'skipped' {
    const { tx } = candidate;
    const verdict = this.#parts.verdict(candidate);
    if (verdict === undefined) {
      this.#skipUnverified(candidate);
      return 'skipped';
    }
    if (verdict === 'invalid') return 'skipped';
    const gasUsed = this.gasUsed + verdict.gasUsed;
    const bytes = this.#bytes + tx.raw.length;
    if (gasUsed > BLOCK_GAS_LIMIT || bytes > MAX_TRANSACTIONS_BYTES) return 'skipped';
    if (gasUsed < 0) {
      this.metNegative = true;
      return 'later';
    }
    if (!this.#connect(tx, verdict.statusFail)) return 'later';
    this.transactions.push(tx);
    this.statusFail.push(verdict.statusFail);
    this.fees += verdict.fee;
    this.gasUsed = gasUsed;
    this.#bytes = bytes;
    return 'taken';
  }

  #skipUnverified(candidate: TemplateTx): void {
    // What would not fit in any case is not worth validating.
    if (this.gasUsed + this.#unverifiedGas >= BLOCK_GAS_LIMIT) return;
    this.#unverifiedGas += Math.max(MIN_EXPECTED_GAS, candidate.gasUsed);
    this.unverified.push(candidate);
  }

  #connect(tx: Tx, failed: boolean): boolean {
    const block = { header: this.#header, transactions: [NO_COINBASE, tx] };
    try {
      connectBlock(block, [false, failed], this.#coins);
      this.#coins.keep();
      return true;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.#coins.undo();
      return false;
    }
  }
}

/** Stands where the coinbase will: the coins of transaction 0 cannot be spent in its own block. */
const NO_COINBASE = createTx({ version: 1n, timeRange: 0n, inputs: [], outputs: [] });

/** Connecting looks at the height alone. */
function headerAt(height: number): BlockHeader {
  return {
    version: BLOCK_VERSION,
    height,
    previousBlockHash: NO_HASH,
    timestamp: 0,
    transactionsMerkleRoot: NO_HASH,
    transactionStatusHash: NO_HASH,
    nonce: 0n,
    bits: 0n,
  };
}
