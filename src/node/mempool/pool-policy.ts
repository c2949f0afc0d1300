/**
 * What a pool refuses before it has run anything: dust, what the operator does not want, what no fee
 * can pay for. Bytom 1.x consensus: "Mempool", 12.1 and 12.3.
 */
import type { Tx } from '../../chain/tx.ts';
import { isBtm } from '../../chain/tx-entries.ts';
import { createGasAccount } from '../../consensus/gas.ts';
import { DUPLICATE_INPUT_RULE_HEIGHT, MAX_TX_GAS } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { checkBalance } from '../../consensus/tx-balance.ts';
import { validatedInputs } from '../../consensus/tx-form.ts';
import { keyText } from '../../store/kv.ts';
import { MempoolError } from './mempool-error.ts';

export interface PoolPolicy {
  /** Programs, as keys for maps, whose outputs are not to be spent. */
  readonly blocked: ReadonlySet<string>;
}

/**
 * Throws `MempoolError` for what this node does not take, and `RuleError` for what no node takes.
 * Returns the fee. `height` is that of the next block.
 */
export function checkPolicy(tx: Tx, height: number, policy: PoolPolicy): bigint {
  checkDust(tx);
  const { length } = tx.raw;
  if (length > MAX_TX_GAS) {
    const expected = `at most ${MAX_TX_GAS} bytes, which is what a fee can pay for`;
    throw new RuleError({ rule: 'tx-storage-gas', expected, actual: `${length}` });
  }
  checkBlocked(tx, policy.blocked);
  // From that height on the rules have it, and the sender is to blame.
  if (height < DUPLICATE_INPUT_RULE_HEIGHT) checkDuplicates(tx);
  const gas = createGasAccount();
  checkBalance(tx, gas);
  return gas.fee;
}

function checkDust(tx: Tx): void {
  if (!tx.inputs.some((input) => input.type === 'spend' && isBtm(input.assetId))) {
    throw new MempoolError({ code: 'dust', reason: 'no-btm-spent' });
  }
  tx.outputs.forEach(({ amount }, output) => {
    if (amount === 0n)
      throw new MempoolError({ code: 'dust', reason: 'output-of-nothing', output });
  });
}

function checkBlocked(tx: Tx, blocked: ReadonlySet<string>): void {
  if (blocked.size === 0) return;
  tx.inputs.forEach((input, i) => {
    if (input.type !== 'spend' || !blocked.has(keyText(input.controlProgram))) return;
    throw new MempoolError({ code: 'blocked-program', input: i });
  });
}

function checkDuplicates(tx: Tx): void {
  const duplicate = validatedInputs(tx).findIndex((counts, i) => counts !== i);
  if (duplicate >= 0) throw new MempoolError({ code: 'duplicate-input', input: duplicate });
}
