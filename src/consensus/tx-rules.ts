/**
 * The rules for a transaction, as far as it and the block it stands in decide on them; whether what
 * it spends is there, the coins say (`utxo-rules.ts`). Bytom 1.x consensus: "Transaction validation".
 *
 * Two things may surprise. A transaction that has paid for its storage and fails after that is no
 * invalid one: it may stand in a block, its fee is taken and its BTM moves, and its other assets stay
 * where they were. And where two inputs are the same entry (possible below the height of the rule
 * against it), both count in the balance, and the last one is validated for both.
 */
import type { Tx } from '../chain/tx.ts';
import { isBtm } from '../chain/tx-entries.ts';
import { createGasAccount, type GasAccount, type GasState, payStorage } from './gas.ts';
import { RuleError } from './rule-error.ts';
import { checkBalance } from './tx-balance.ts';
import { checkForm, type TxContext, validatedInputs } from './tx-form.ts';
import { validatingInput } from './tx-inputs.ts';
import { finish, type Validation } from './validation.ts';

export type { GasState } from './gas.ts';
export type { TxContext } from './tx-form.ts';

/** Most transactions have fewer inputs, and take one step. */
const INPUTS_A_STEP = 16;

export type TxVerdict =
  | { readonly result: 'ok'; readonly gas: GasState; readonly error?: never }
  /** It may stand in a block, marked as failed. */
  | { readonly result: 'status-fail'; readonly gas: GasState; readonly error: RuleError }
  /** The gas is what was booked until it was refused. */
  | { readonly result: 'invalid'; readonly gas: GasState; readonly error: RuleError };

/**
 * Validates a transaction. The verdict depends on its bytes and on `context` alone, so it can be
 * kept: for another block of the same height, if it is not the first in both.
 */
export function validateTx(tx: Tx, context: TxContext): TxVerdict {
  return finish(validatingTx(tx, context));
}

/** `validateTx` in steps: one for some inputs, and more where a program takes long. */
export function* validatingTx(tx: Tx, context: TxContext): Validation<TxVerdict> {
  const gas = createGasAccount();
  try {
    const validated = validatedInputs(tx);
    checkForm(tx, context, validated);
    yield* validatingEntries(tx, context, validated, gas);
    return { result: 'ok', gas };
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    // Nobody knows whether an endless program would have failed.
    const failed = gas.gasValid && error.detail.rule !== 'tx-program-endless';
    return { result: failed ? 'status-fail' : 'invalid', gas, error };
  }
}

function* validatingEntries(
  tx: Tx,
  context: TxContext,
  validated: readonly number[],
  gas: GasAccount,
): Validation<void> {
  if (tx.outputs.length === 0) {
    throw new RuleError({ rule: 'tx-no-outputs', expected: 'at least one output', actual: 'none' });
  }
  checkBalance(tx, gas);
  const done = new Set<number>();
  const validate = function* (i: number): Validation<void> {
    if (done.has(i)) return;
    yield* validatingInput(tx, i, context, gas);
    done.add(i);
    if (done.size % INPUTS_A_STEP === 0) yield;
  };
  for (const [i, input] of tx.inputs.entries()) {
    if (input.type === 'coinbase' || (input.type === 'spend' && isBtm(input.assetId))) {
      yield* validate(validated[i]!);
    }
  }
  payStorage(gas);
  for (const [i, counts] of validated.entries()) {
    yield* validate(counts);
    if (counts === i) continue;
    throw new RuleError({
      rule: 'tx-input-mismatch',
      expected: 'an entry of its own',
      actual: `that of input ${counts}`,
      input: i,
    });
  }
}
