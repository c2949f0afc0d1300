/**
 * Changes to a set of coins that is not touched: a reorganisation runs on one overlay and is taken
 * over as a whole, or dropped.
 */
import type { MutableUtxoView, Utxo, UtxoView } from '../chain/utxo.ts';
import { keyText } from './kv.ts';

/** One coin that differs from the view below: as it is now, or `undefined` if it is gone. */
export type UtxoChange = readonly [outputId: Uint8Array, utxo: Utxo | undefined];

export class UtxoOverlay implements MutableUtxoView {
  readonly #base: UtxoView;
  readonly #changes = new Map<string, UtxoChange>();

  constructor(base: UtxoView) {
    this.#base = base;
  }

  get(outputId: Uint8Array): Utxo | undefined {
    const change = this.#changes.get(keyText(outputId));
    return change === undefined ? this.#base.get(outputId) : change[1];
  }

  put(outputId: Uint8Array, utxo: Utxo): void {
    this.#changes.set(keyText(outputId), [outputId, utxo]);
  }

  remove(outputId: Uint8Array): void {
    this.#changes.set(keyText(outputId), [outputId, undefined]);
  }

  /** Every coin that was put or removed, once, as it is now. */
  changes(): Iterable<UtxoChange> {
    return this.#changes.values();
  }
}
