/**
 * The refusal of a block, header or transaction: which rule, what it asks for, what was found, and
 * whether whoever sent it is to blame. Bytom 1.x consensus: "Block validation", "Transaction
 * validation".
 */
import { CodedError } from '../util/errors.ts';

/** Every rule that can refuse something. */
export type RuleName =
  // header
  | 'header-version'
  | 'header-height'
  | 'header-bits'
  | 'previous-block'
  | 'timestamp-too-early'
  | 'timestamp-too-late'
  | 'proof-of-work'
  // block
  | 'block-gas'
  | 'coinbase-missing'
  | 'coinbase-outputs'
  | 'coinbase-amount'
  | 'transactions-root'
  | 'status-root'
  // transaction
  | 'tx-version'
  | 'tx-time-range'
  | 'tx-duplicate-input'
  | 'tx-not-standard'
  | 'tx-no-outputs'
  | 'tx-overflow'
  | 'tx-unbalanced'
  | 'tx-storage-gas'
  | 'tx-gas-credit'
  | 'tx-program'
  | 'coinbase-position'
  | 'coinbase-asset'
  | 'coinbase-arbitrary'
  | 'tx-input-mismatch'
  // against the unspent outputs
  | 'utxo-missing'
  | 'coinbase-immature'
  // limits of this node: no rules of consensus
  | 'tx-program-endless'
  | 'checkpoint';

export interface RuleDetail {
  readonly code: 'rule';
  readonly rule: RuleName;
  /** What the rule asks for, and what was found, as people read it. */
  readonly expected: string;
  readonly actual: string;
  /**
   * 'nobody' where an honest peer can send the same: a time too far ahead of our own clock, or a
   * transaction that another block has overtaken.
   */
  readonly blame: 'peer' | 'nobody';
  /** Index of the transaction in its block, and of the input or output in its transaction. */
  readonly transaction?: number;
  readonly input?: number;
  readonly output?: number;
}

export class RuleError extends CodedError<RuleDetail> {
  constructor(
    detail: Omit<RuleDetail, 'code' | 'blame'> & { readonly blame?: RuleDetail['blame'] },
    options?: ErrorOptions,
  ) {
    super(ruleMessage(detail), { code: 'rule', blame: 'peer', ...detail }, options);
  }
}

function ruleMessage(detail: Omit<RuleDetail, 'code' | 'blame'>): string {
  const { rule, expected, actual, transaction, input, output } = detail;
  const at = [
    ...(transaction === undefined ? [] : [`transaction ${transaction}`]),
    ...(input === undefined ? [] : [`input ${input}`]),
    ...(output === undefined ? [] : [`output ${output}`]),
  ].join(', ');
  return `${rule}${at === '' ? '' : ` (${at})`}: expected ${expected}, got ${actual}`;
}
