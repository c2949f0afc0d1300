/**
 * What a client reads when a block, work or a transaction is refused: the reference's text where one
 * was recorded, since pools look for some of them, and our own for the rest.
 */
import { RuleError, type RuleName } from '../../consensus/rule-error.ts';
import { StoreError } from '../../store/store-error.ts';
import { CodedError } from '../../util/errors.ts';
import { CallError } from './envelope.ts';

const WRONG_COINBASE = 'wrong coinbase transaction: invalid block';

/** As recorded, without the reference's details, which differ from block to block. */
const BLOCK_TEXTS: Readonly<Partial<Record<RuleName, string>>> = {
  'header-version': 'version regression: invalid block',
  'header-height': 'misordered block height: invalid block',
  'header-bits': 'block bits is invalid: invalid block',
  'timestamp-too-early': 'block timestamp is not in the valid range: invalid block',
  'timestamp-too-late': 'block timestamp is not in the valid range: invalid block',
  'proof-of-work': 'invalid difficulty proof of work: invalid block',
  'block-gas': "block's gas is over the limit: invalid block",
  'coinbase-missing': `block is empty: ${WRONG_COINBASE}`,
  'coinbase-amount': `dismatch output amount: ${WRONG_COINBASE}`,
  'transactions-root': 'transaction id merkle root: mismatched merkle root: invalid block',
  'status-root': 'transaction status merkle root: mismatched merkle root: invalid block',
  'utxo-missing': 'fail to find utxo entry',
  'coinbase-immature': 'coinbase utxo is not ready for use',
};

/** The failure of a block or of work on one. What is no verdict comes back as it is. */
export function blockFailure(error: unknown): unknown {
  if (!(error instanceof RuleError)) return callFailure(error);
  const text = BLOCK_TEXTS[error.detail.rule] ?? `${error.message}: invalid block`;
  return new CallError(text, { cause: error });
}

/**
 * The failure of anything else. An error that is not one of ours is a mistake, and one of the disk
 * names paths: neither is a client's business, so they come back as they are, for the log.
 */
export function callFailure(error: unknown): unknown {
  const ours = error instanceof CodedError && !(error instanceof StoreError);
  return ours ? new CallError(error.message, { cause: error }) : error;
}
