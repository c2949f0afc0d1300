/**
 * Verdicts on transactions for the height of the next block. Those that come with them may be for an
 * earlier one, and that may matter: a time range ends, a program asks for BLOCKHEIGHT. Most
 * transactions cannot tell heights apart, and for these the verdict stands; the others are validated
 * anew for every height, before a template takes them. The memory pool does so too; a block is worth
 * not to depend on that.
 */

import type { Tx } from '../../chain/tx.ts';
import { type TxVerdict, validatingTx } from '../../consensus/tx-rules.ts';
import { keyText } from '../../store/kv.ts';
import type { Clock } from '../../util/clock.ts';
import { isHeightBound } from '../mempool/height-bound.ts';
import { poolContext } from '../mempool/pool-validation.ts';
import { runInSlices } from '../slices.ts';
import type { TemplateTx } from './transaction-source.ts';

export type HeightVerdict = Pick<TemplateTx, 'fee' | 'gasUsed' | 'statusFail'> | 'invalid';

interface Kept {
  readonly height: number;
  readonly verdict: HeightVerdict;
}

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

  /** The verdict, if one step of validation is enough for it: a millisecond, a tenth of a second at worst. */
  validateQuickly({ tx }: TemplateTx, height: number): HeightVerdict | undefined {
    const { done, value } = validatingTx(tx, poolContext(tx, height, true)).next();
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
    const steps = validatingTx(tx, poolContext(tx, height, true));
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
