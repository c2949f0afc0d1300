/**
 * What a transaction must look like before anything of it is run: version, time range, inputs of
 * their own, programs that BTM may be sent to. Bytom 1.x consensus: "Transaction validation", steps
 * 8.1 to 8.4.
 */
import type { Tx } from '../chain/tx.ts';
import { isBtm } from '../chain/tx-entries.ts';
import { bytesToHex } from '../util/bytes.ts';
import { clip } from '../util/errors.ts';
import type { RunBounds } from '../vm/machine.ts';
import { isStandardProgram } from '../vm/program.ts';
import { BLOCK_VERSION, DUPLICATE_INPUT_RULE_HEIGHT } from './params.ts';
import { RuleError } from './rule-error.ts';

const TX_VERSION = BigInt(BLOCK_VERSION);

/** Where a transaction stands. */
export interface TxContext {
  readonly blockVersion: number;
  /** Of its block; in a memory pool, of the best block. */
  readonly blockHeight: number;
  /** Whether it is transaction 0 of its block: only there a coinbase may be. */
  readonly firstInBlock: boolean;
  /** What a program may do; a memory pool, which nobody has worked for, allows less than a block. */
  readonly bounds?: RunBounds;
}

/**
 * For each input the one that is validated in its place: inputs with the same id are one entry, and
 * of these the last one counts, with its arguments and its position. But a coinbase stands at
 * position 0 wherever it is, so of equal ones the first counts.
 */
export function validatedInputs(tx: Tx): readonly number[] {
  const { inputIds } = tx;
  if (inputIds.length < 2) return inputIds.map((_, i) => i);
  const countsById = new Map<string, number>();
  const keys = inputIds.map(bytesToHex);
  keys.forEach((key, i) => {
    if (tx.inputs[i]!.type !== 'coinbase' || !countsById.has(key)) countsById.set(key, i);
  });
  return keys.map((key) => countsById.get(key)!);
}

/** Throws `RuleError`. `validated` is that of the same transaction. */
export function checkForm(tx: Tx, context: TxContext, validated: readonly number[]): void {
  const { blockVersion, blockHeight } = context;
  if (blockVersion === BLOCK_VERSION && tx.version !== TX_VERSION) {
    const expected = `${TX_VERSION}`;
    throw new RuleError({ rule: 'tx-version', expected, actual: `${tx.version}` });
  }
  if (tx.timeRange !== 0n && tx.timeRange < blockHeight) {
    throw new RuleError({
      rule: 'tx-time-range',
      expected: `0, or at least the block height ${blockHeight}`,
      actual: `${tx.timeRange}`,
      blame: 'nobody',
    });
  }
  if (blockHeight >= DUPLICATE_INPUT_RULE_HEIGHT) checkOwnEntries(tx, validated);
  checkStandard(tx);
}

function checkOwnEntries(tx: Tx, validated: readonly number[]): void {
  tx.inputs.forEach((input, i) => {
    if (input.type === 'coinbase' && i !== 0) refuseCoinbasePosition(i);
    if (validated[i] === i) return;
    throw new RuleError({
      rule: 'tx-duplicate-input',
      expected: 'an entry of its own',
      actual: `that of input ${validated[i]}: ${bytesToHex(tx.inputIds[i]!)}`,
      input: i,
    });
  });
}

export function refuseCoinbasePosition(input: number): never {
  throw new RuleError({
    rule: 'coinbase-position',
    expected: 'a coinbase as input 0 alone',
    actual: `one as input ${input}`,
    input,
  });
}

function checkStandard(tx: Tx): void {
  tx.inputs.forEach((input, i) => {
    if (input.type !== 'spend' || !isBtm(input.assetId)) return;
    if (!isStandardProgram(input.controlProgram)) refuseProgram(input.controlProgram, { input: i });
  });
  tx.outputs.forEach((output, i) => {
    if (tx.results[i]!.retirement || !isBtm(output.assetId)) return;
    if (!isStandardProgram(output.controlProgram)) {
      refuseProgram(output.controlProgram, { output: i });
    }
  });
}

function refuseProgram(program: Uint8Array, at: { input: number } | { output: number }): never {
  throw new RuleError({
    rule: 'tx-not-standard',
    expected: 'a program of a standard form for BTM',
    actual: clip(bytesToHex(program.subarray(0, 64))),
    ...at,
  });
}
