/**
 * The rules for the body of a block that need nothing but the block: its transactions, its gas, what
 * its first transaction creates, its roots. Bytom 1.x consensus: "Block validation", rules 7 to 11.
 *
 * The order is the reference's, although the roots are the cheapest to check: it decides which rule a
 * refusal names. A block of more gas than allowed ends the work early.
 */
import type { Block } from '../chain/block.ts';
import { statusRoot, transactionsRoot } from '../chain/merkle.ts';
import type { Tx } from '../chain/tx.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { BLOCK_GAS_LIMIT } from './params.ts';
import { RuleError, type RuleName } from './rule-error.ts';
import { subsidy } from './subsidy.ts';
import { type TxVerdict, validatingTx } from './tx-rules.ts';
import { finish, type Validation } from './validation.ts';

export interface BlockVerdict {
  /** For each transaction, whether it failed; the coins change accordingly. */
  readonly statusFail: readonly boolean[];
  readonly gasUsed: number;
  /** Of all transactions, failed ones included, in neu. */
  readonly fees: bigint;
}

/**
 * Validates the body of a block in the context of its own header, which is taken as it is. Throws
 * `RuleError` with the index of the transaction where it is one's fault; whoever made the block is to
 * blame for all of it.
 */
export function validateBlockBody(block: Block): BlockVerdict {
  return finish(validatingBlockBody(block));
}

/** `validateBlockBody` in steps: one for each transaction, and more where its programs take long. */
export function* validatingBlockBody(block: Block): Validation<BlockVerdict> {
  const { header, transactions } = block;
  const statusFail: boolean[] = [];
  let gasUsed = 0;
  let fees = 0n;
  for (const [i, tx] of transactions.entries()) {
    const context = {
      blockVersion: header.version,
      blockHeight: header.height,
      firstInBlock: i === 0,
    };
    const verdict = yield* validatingTx(tx, context);
    if (verdict.result === 'invalid') refuseTx(verdict, i);
    statusFail.push(verdict.result === 'status-fail');
    fees += verdict.gas.fee;
    gasUsed += verdict.gas.gasUsed;
    // Programs can give gas back, but not more than the block has used so far.
    if (gasUsed < 0 || gasUsed > BLOCK_GAS_LIMIT) {
      refuse('block-gas', `a sum of 0 … ${BLOCK_GAS_LIMIT}`, `${gasUsed}`, i);
    }
    yield;
  }
  checkReward(transactions[0], header.height, fees);
  checkRoot('transactions-root', transactionsRoot(transactions), header.transactionsMerkleRoot);
  checkRoot('status-root', statusRoot(statusFail), header.transactionStatusHash);
  return { statusFail, gasUsed, fees };
}

/**
 * Whether transaction 0 creates what it may: it need not be a coinbase, and the asset of its output
 * is no matter here. That a coinbase pays in BTM is a rule for transactions.
 */
function checkReward(first: Tx | undefined, height: number, fees: bigint): void {
  if (first === undefined) refuse('coinbase-missing', 'a transaction 0', 'no transactions');
  const [output] = first.outputs;
  if (output === undefined || first.outputs.length !== 1) {
    refuse('coinbase-outputs', 'one output', `${first.outputs.length}`, 0);
  }
  if (first.results[0]?.retirement) {
    refuse('coinbase-outputs', 'an output that is a coin', 'a retirement', 0);
  }
  // The reference adds up in 64 bits. Sums beyond that take coins that cannot exist.
  const reward = BigInt.asUintN(64, subsidy(height) + fees);
  if (output.amount !== reward) {
    refuse('coinbase-amount', `${reward} (subsidy and fees)`, `${output.amount}`, 0);
  }
}

function checkRoot(
  rule: 'transactions-root' | 'status-root',
  computed: Uint8Array,
  stated: Uint8Array,
): void {
  if (!bytesEqual(computed, stated)) refuse(rule, bytesToHex(computed), bytesToHex(stated));
}

function refuseTx(
  { error }: Extract<TxVerdict, { result: 'invalid' }>,
  transaction: number,
): never {
  // A time range that has passed is somebody's mistake here; a program without an end is still nobody's.
  const blame = error.detail.rule === 'tx-program-endless' ? 'nobody' : 'peer';
  throw new RuleError({ ...error.detail, blame, transaction }, { cause: error });
}

function refuse(rule: RuleName, expected: string, actual: string, transaction?: number): never {
  const at = transaction === undefined ? {} : { transaction };
  throw new RuleError({ rule, expected, actual, ...at });
}
