/**
 * What a client reads when a block, work or a transaction is refused: the reference's text where one
 * was recorded, since pools look for some of them, and our own for the rest.
 */
import { RuleError, type RuleName } from '../../consensus/rule-error.ts';
import { StoreError } from '../../store/store-error.ts';
import { CodedError } from '../../util/errors.ts';
import { MempoolError } from '../mempool/mempool-error.ts';
import { CallError, type FailureTitle } from './envelope.ts';

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

/** What a transaction may fail for, by the codes that wallets know. Bytom 1.x mining interfaces, A.1. */
const TX_TITLES: Readonly<Partial<Record<RuleName, FailureTitle>>> = {
  'tx-version': { code: 'BTM730', msg: 'Invalid transaction version' },
  'tx-time-range': { code: 'BTM732', msg: 'Invalid transaction time range' },
  'tx-not-standard': { code: 'BTM733', msg: 'Not standard transaction' },
  'coinbase-position': { code: 'BTM734', msg: 'Invalid coinbase transaction' },
  'coinbase-asset': { code: 'BTM735', msg: 'Invalid coinbase assetID' },
  'coinbase-arbitrary': { code: 'BTM736', msg: 'Invalid coinbase arbitrary size' },
  'tx-no-outputs': { code: 'BTM737', msg: 'No results in the transaction' },
  'tx-overflow': { code: 'BTM744', msg: 'Arithmetic overflow/underflow' },
  'tx-unbalanced': { code: 'BTM746', msg: 'Unbalanced asset amount between input and output' },
  'tx-gas-credit': { code: 'BTM747', msg: 'Gas credit has been spent' },
  'tx-storage-gas': { code: 'BTM748', msg: 'Gas usage calculate got a math error' },
};

const ORPHAN: FailureTitle = { code: 'BTM712', msg: 'Transaction input UTXO not found' };
const NO_GAS: FailureTitle = { code: 'BTM714', msg: 'Transaction has no gas input' };

/** Some of what it spends is not there, or is spent. */
export function orphanFailure(): CallError {
  return new CallError("can't find what the transaction spends", { title: ORPHAN });
}

/** The failure of a transaction. */
export function transactionFailure(error: unknown): unknown {
  if (error instanceof RuleError) {
    const title = TX_TITLES[error.detail.rule];
    return new CallError(error.message, { cause: error, ...(title && { title }) });
  }
  if (error instanceof MempoolError && error.detail.code === 'dust') {
    const isGasless = error.detail.reason === 'no-btm-spent';
    return new CallError(error.message, { cause: error, ...(isGasless && { title: NO_GAS }) });
  }
  return callFailure(error);
}

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
