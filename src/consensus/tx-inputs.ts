/**
 * Validating one input: its program, or the rules for a coinbase. Bytom 1.x consensus: "Transaction
 * validation", steps 8.6 and 8.9.
 */
import type { CoinbaseInput, IssuanceInput, SpendInput, Tx } from '../chain/tx.ts';
import { inputValue, isBtm, signatureHash } from '../chain/tx-entries.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import type { OutputClaim, VmContext } from '../vm/context.ts';
import { executedProgram } from '../vm/program.ts';
import { ProgramRun } from '../vm/run.ts';
import { bookProgram, type GasAccount } from './gas.ts';
import { COINBASE_ARBITRARY_BYTES } from './params.ts';
import { RuleError } from './rule-error.ts';
import { refuseCoinbasePosition, type TxContext } from './tx-form.ts';
import type { Validation } from './validation.ts';

/** Work between two steps: some milliseconds. Nearly all programs are done long before. */
const STEP_WORK = 2 ** 24;

/** Validates input `index`, in steps, and books the gas that it used. Throws `RuleError`. */
export function* validatingInput(
  tx: Tx,
  index: number,
  context: TxContext,
  gas: GasAccount,
): Validation<void> {
  const input = tx.inputs[index]!;
  if (input.type === 'coinbase') {
    checkCoinbase(tx, input, index, context);
    gas.storageGas = 0;
    return;
  }
  const run = new ProgramRun(vmContext(tx, input, index, context), gas.gasLeft, context.bounds);
  let outcome = run.step(STEP_WORK);
  while (outcome === undefined) {
    yield;
    outcome = run.step(STEP_WORK);
  }
  const { fault, gasLeft } = outcome;
  if (fault === 'out of bounds') refuseEndless(index);
  if (fault !== undefined) {
    const expected = 'a program that accepts';
    throw new RuleError({ rule: 'tx-program', expected, actual: fault, input: index });
  }
  bookProgram(gas, gasLeft, index);
}

/**
 * No rule of consensus: a program that gains gas may run for days and still be right. But it takes a
 * node as long to find out, whichever it is, so none waits for it; and nobody is to blame for that.
 */
function refuseEndless(input: number): never {
  throw new RuleError({
    rule: 'tx-program-endless',
    expected: 'a program within the bounds of this node',
    actual: 'one that runs on, or joins strings where that is not taken',
    blame: 'nobody',
    input,
  });
}

function checkCoinbase(tx: Tx, input: CoinbaseInput, index: number, context: TxContext): void {
  if (!context.firstInBlock) {
    throw new RuleError({
      rule: 'coinbase-position',
      expected: 'no coinbase but in transaction 0 of a block',
      actual: 'one elsewhere',
      input: index,
    });
  }
  const { assetId } = inputValue(tx, index);
  if (!isBtm(assetId)) {
    throw new RuleError({
      rule: 'coinbase-asset',
      expected: 'BTM in output 0',
      actual: `asset ${bytesToHex(assetId)}`,
      output: 0,
    });
  }
  const { length } = input.arbitrary;
  if (length > COINBASE_ARBITRARY_BYTES) {
    throw new RuleError({
      rule: 'coinbase-arbitrary',
      expected: `at most ${COINBASE_ARBITRARY_BYTES} bytes`,
      actual: `${length}`,
      input: index,
    });
  }
  // A copy of input 0 is the same entry and is not asked for here. It fails by its position, later.
  if (index !== 0) refuseCoinbasePosition(index);
}

function vmContext(
  tx: Tx,
  input: SpendInput | IssuanceInput,
  inputIndex: number,
  { blockHeight }: TxContext,
): VmContext {
  const spend = input.type === 'spend';
  const entryId = tx.inputIds[inputIndex]!;
  let signed: Uint8Array | undefined;
  return {
    vmVersion: spend ? 1n : input.vmVersion,
    program: executedProgram(spend ? input.controlProgram : input.issuanceProgram),
    arguments: input.arguments,
    txVersion: tx.version,
    blockHeight,
    inputIndex,
    assetId: input.assetId,
    amount: input.amount,
    entryId,
    spentOutputId: tx.spentOutputIds[inputIndex],
    signatureHash: () => (signed ??= signatureHash(entryId, tx.id)),
    checkOutput: (claim) => checkOutput(tx, claim),
  };
}

/** A retirement answers as if its program had version 0, and was empty or anything the claim says. */
function checkOutput(tx: Tx, claim: OutputClaim): boolean | undefined {
  if (claim.index >= tx.outputs.length) return undefined;
  const index = Number(claim.index);
  const output = tx.outputs[index]!;
  if (output.amount !== claim.amount || !bytesEqual(output.assetId, claim.assetId)) return false;
  if (tx.results[index]!.retirement) {
    return claim.vmVersion === 0n && (claim.expansionReserved || claim.program.length === 0);
  }
  return claim.vmVersion === 1n && bytesEqual(output.controlProgram, claim.program);
}
