/** Coins on which one transaction after the other is tried, and taken back if it does not fit. */
import type { MutableUtxoView, Utxo, UtxoView } from '../../chain/utxo.ts';
import { keyText } from '../../store/kv.ts';

/** Templates look for the same coins over and over, by the same arrays. */
const keyTexts = new WeakMap<Uint8Array, string>();

function keyOf(outputId: Uint8Array): string {
  let key = keyTexts.get(outputId);
  if (key === undefined) {
    key = keyText(outputId);
    keyTexts.set(outputId, key);
  }
  return key;
}

/** The coins at one block: each is looked up once, as nothing changes there. */
export class CoinsAt implements UtxoView {
  /** Of that block. */
  readonly hash: Uint8Array;
  readonly #base: UtxoView;
  readonly #known = new Map<string, Utxo | undefined>();

  constructor(hash: Uint8Array, base: UtxoView) {
    this.hash = hash;
    this.#base = base;
  }

  get(outputId: Uint8Array): Utxo | undefined {
    const key = keyOf(outputId);
    const known = this.#known.get(key);
    if (known !== undefined || this.#known.has(key)) return known;
    const utxo = this.#base.get(outputId);
    this.#known.set(key, utxo);
    return utxo;
  }
}

export class TrialCoins implements MutableUtxoView {
  readonly #base: UtxoView;
  /** As they are now; what was looked up is kept too, so the base is asked once for each. */
  readonly #coins = new Map<string, Utxo | undefined>();
  /** What the last changes replaced, the latest last. */
  #undo: [key: string, before: Utxo | undefined][] = [];

  constructor(base: UtxoView) {
    this.#base = base;
  }

  get(outputId: Uint8Array): Utxo | undefined {
    return this.#look(keyOf(outputId), outputId);
  }

  put(outputId: Uint8Array, utxo: Utxo): void {
    this.#set(outputId, utxo);
  }

  remove(outputId: Uint8Array): void {
    this.#set(outputId, undefined);
  }

  /** Makes what has changed last. */
  keep(): void {
    this.#undo = [];
  }

  /** Takes back what has changed since `keep`. */
  undo(): void {
    for (const [key, before] of this.#undo.reverse()) this.#coins.set(key, before);
    this.#undo = [];
  }

  #look(key: string, outputId: Uint8Array): Utxo | undefined {
    const known = this.#coins.get(key);
    if (known !== undefined || this.#coins.has(key)) return known;
    const utxo = this.#base.get(outputId);
    this.#coins.set(key, utxo);
    return utxo;
  }

  #set(outputId: Uint8Array, utxo: Utxo | undefined): void {
    const key = keyOf(outputId);
    this.#undo.push([key, this.#look(key, outputId)]);
    this.#coins.set(key, utxo);
  }
}
