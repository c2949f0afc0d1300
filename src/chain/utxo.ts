/**
 * Unspent outputs ("coins"), by the entry id of the output. A coin's asset and amount are not kept:
 * whoever spends it repeats them, and a wrong copy has another id.
 */

export interface Utxo {
  /** Height of the block that made it. */
  readonly height: number;
  /** Made by transaction 0 of its block: spendable only after the maturity. */
  readonly coinbase: boolean;
}

/** The unspent outputs of one branch at one block. */
export interface UtxoView {
  /** `undefined` if there is none or it is spent. */
  get(outputId: Uint8Array): Utxo | undefined;
}

/** A view that a block can be connected to. */
export interface MutableUtxoView extends UtxoView {
  /** Adds or replaces. */
  put(outputId: Uint8Array, utxo: Utxo): void;
  remove(outputId: Uint8Array): void;
}

/** A coin that a block took, to be put back when the block is disconnected. */
export interface SpentUtxo extends Utxo {
  readonly outputId: Uint8Array;
}
