/**
 * Validation for the pool. Bytom 1.x consensus: "Mempool", 12.1.
 *
 * The reference validates at the height of the best block. But the first block a transaction can stand
 * in is the next one, and a program may tell the two apart: what is only valid now can never be mined,
 * and what is only valid then is refused by every peer, which counts it against whoever sent it. So a
 * transaction has to be valid at both heights, and the verdict is that for the next one.
 *
 * Nobody has worked for a transaction, so its programs get less time than those of a block: all that
 * gas can buy, but not what programs that gain gas may run on for. What goes beyond is refused as
 * `tx-program-endless`, for which nobody is to blame. So is a program that joins strings: the reference may
 * judge it otherwise, and would refuse a block of ours that has it. Coins that are not there cost nothing: what
 * claims to spend them gets a small part of that time.
 */
import type { Tx } from '../../chain/tx.ts';
import { BLOCK_VERSION } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import type { TxContext } from '../../consensus/tx-form.ts';
import { type TxVerdict, validatingTx } from '../../consensus/tx-rules.ts';
import type { Clock } from '../../util/clock.ts';
import type { RunBounds } from '../../vm/machine.ts';
import { runInSlices } from '../slices.ts';

/** What the pool keeps of a verdict. */
export interface PoolVerdict {
  readonly fee: bigint;
  readonly gasUsed: number;
  readonly statusFail: boolean;
  /** Of the block it was validated for. */
  readonly height: number;
}

export interface PoolValidation {
  readonly heightBound: boolean;
  /** Of the next block. */
  readonly height: number;
  /** Whether the BTM that it spends is there. */
  readonly funded: boolean;
}

/** Rejects `RuleError` if it is invalid, or the signal's reason. */
export async function validateForPool(
  tx: Tx,
  options: PoolValidation,
  clock: Pick<Clock, 'now'>,
  signal: AbortSignal,
): Promise<PoolVerdict> {
  const { heightBound, height, funded } = options;
  const validate = async (blockHeight: number): Promise<TxVerdict> => {
    const context = poolContext(tx, blockHeight, funded);
    const verdict = await runInSlices(validatingTx(tx, context), clock, signal);
    signal.throwIfAborted();
    if (verdict.result !== 'invalid') return verdict;
    // At the height of whoever sent it, it may have been valid.
    throw heightBound ? blameNobody(verdict.error) : verdict.error;
  };
  if (heightBound) await validate(height - 1);
  const { result, gas } = await validate(height);
  const { fee, gasUsed } = gas;
  return { fee, gasUsed, statusFail: result === 'status-fail', height };
}

/** Throws `RuleError` where the time range has passed: then no block can take it any more. */
export function checkTimeRange(tx: Tx, height: number): void {
  if (tx.timeRange === 0n || tx.timeRange >= height) return;
  throw new RuleError({
    rule: 'tx-time-range',
    expected: `0, or at least the height of the next block ${height}`,
    actual: `${tx.timeRange}`,
    blame: 'nobody',
  });
}

/** Some 20 milliseconds, on a busy machine 100: 80 signatures' worth. */
const PROGRAM_WORK = 2 ** 25;
/** All programs of a transaction together, which share it alike. */
const TX_WORK = 2 ** 27;
/** The same where its coins are not there: some ten milliseconds, 40 signatures' worth. */
const UNFUNDED_TX_WORK = 2 ** 24;
/** But each may check one signature: of more than a few hundred of these, gas allows no more. */
const MIN_PROGRAM_WORK = 2 ** 19;

/** In which a transaction of the pool is validated for a block at that height. */
export function poolContext(tx: Tx, blockHeight: number, funded: boolean): TxContext {
  return {
    blockVersion: BLOCK_VERSION,
    blockHeight,
    firstInBlock: false,
    bounds: boundsFor(tx.inputs.length, funded ? TX_WORK : UNFUNDED_TX_WORK),
  };
}

function boundsFor(programs: number, txWork: number): RunBounds {
  const share = Math.floor(txWork / Math.max(1, programs));
  const work = Math.max(MIN_PROGRAM_WORK, Math.min(PROGRAM_WORK, share));
  return { work, items: 2 ** 20, bytes: 2 ** 26, joins: false };
}

function blameNobody(error: RuleError): RuleError {
  if (error.detail.blame === 'nobody') return error;
  return new RuleError({ ...error.detail, blame: 'nobody' }, { cause: error });
}
