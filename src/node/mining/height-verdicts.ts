/**
 * Verdicts on pooled transactions for the height of the next block. The pool's are for the height of
 * the best block, or of one long past, and that may matter: a time range ends, a program asks for
 * BLOCKHEIGHT. Most transactions cannot tell heights apart, and for these the pool's verdict stands;
 * the others are validated anew for every height, before a template takes them.
 */

import type { Tx } from '../../chain/tx.ts';
import { BLOCK_VERSION } from '../../consensus/params.ts';
import { type TxContext, type TxVerdict, validatingTx } from '../../consensus/tx-rules.ts';
import { keyText } from '../../store/kv.ts';
import type { Clock } from '../../util/clock.ts';
import type { RunBounds } from '../../vm/machine.ts';
import { isHeightBound } from '../mempool/height-bound.ts';
import { runInSlices } from '../slices.ts';
import type { TemplateTx } from './transaction-source.ts';

export type HeightVerdict = Pick<TemplateTx, 'fee' | 'gasUsed' | 'statusFail'> | 'invalid';

interface Kept {
  readonly height: number;
  readonly verdict: HeightVerdict;
}

/** Some 50 ms for one program, 100 ms for all of a transaction: what the pool allows, and no block. */
const PROGRAM_WORK = 2 ** 27;
const TX_WORK = 2 ** 28;
/** Each may check a signature, however many they are. */
const MIN_PROGRAM_WORK = 2 ** 19;

export class HeightVerdicts {
  /** By the transaction itself: it goes when the pool lets it go. */
  readonly #depends = new WeakMap<Tx, boolean>();
  readonly #kept = new WeakMap<Tx, Kept>();

  /** The verdict for a block at `height`; `undefined` if the transaction has to be validated first. */
  get(pooled: TemplateTx, height: number): HeightVerdict | undefined {
    const { tx } = pooled;
    if (tx.timeRange !== 0n && tx.timeRange < height) return 'invalid';
    if (!this.#isHeightDependent(tx)) return pooled;
    const kept = this.#kept.get(tx);
    return kept?.height === height ? kept.verdict : undefined;
  }

  /** The verdict, if one step of validation is enough for it: a few milliseconds at most. */
  validateQuickly({ tx }: TemplateTx, height: number): HeightVerdict | undefined {
    const { done, value } = validatingTx(tx, contextOf(tx, height)).next();
    return done === true ? this.#keep(tx, height, value) : undefined;
  }

  /** Validates it for a block at `height`, in slices. Rejects with the signal's reason. */
  async validate(
    { tx }: TemplateTx,
    height: number,
    clock: Pick<Clock, 'now'>,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    // Whatever else happens, nobody shall try again at this height.
    this.#kept.set(tx, { height, verdict: 'invalid' });
    const steps = validatingTx(tx, contextOf(tx, height));
    this.#keep(tx, height, await runInSlices(steps, clock, signal));
  }

  #keep(tx: Tx, height: number, { result, gas }: TxVerdict): HeightVerdict {
    const { fee, gasUsed } = gas;
    const verdict: HeightVerdict =
      result === 'invalid' ? result : { fee, gasUsed, statusFail: result === 'status-fail' };
    this.#kept.set(tx, { height, verdict });
    return verdict;
  }

  #isHeightDependent(tx: Tx): boolean {
    let depends = this.#depends.get(tx);
    if (depends === undefined) {
      depends = isHeightDependent(tx);
      this.#depends.set(tx, depends);
    }
    return depends;
  }
}

/** Whether anything but its time range may make a transaction valid at one height and not at another. */
function isHeightDependent(tx: Tx): boolean {
  // From one height on, no two inputs may be the same.
  return isHeightBound(tx) || new Set(tx.inputIds.map(keyText)).size !== tx.inputIds.length;
}

function contextOf(tx: Tx, blockHeight: number): TxContext {
  return {
    blockVersion: BLOCK_VERSION,
    blockHeight,
    firstInBlock: false,
    bounds: boundsFor(tx.inputs.length),
  };
}

function boundsFor(programs: number): RunBounds {
  const share = Math.floor(TX_WORK / Math.max(1, programs));
  const work = Math.max(MIN_PROGRAM_WORK, Math.min(PROGRAM_WORK, share));
  return { work, items: 2 ** 20, bytes: 2 ** 26 };
}
