/**
 * Which coins a transaction takes and makes: all of them, or if it fails those of BTM. Bytom 1.x
 * consensus: "Block validation", rules 12 and 13.
 */
import type { AssetAmount, Tx } from '../../chain/tx.ts';
import { isBtm } from '../../chain/tx-entries.ts';
import { keyText } from '../../store/kv.ts';

export interface CoinSpend {
  /** Of the output, as a key for maps. */
  readonly key: string;
  readonly outputId: Uint8Array;
  readonly input: number;
}

/** Each coin once. */
export function spentCoins(tx: Tx, statusFail: boolean): readonly CoinSpend[] {
  const spends = new Map<string, CoinSpend>();
  tx.inputs.forEach((input, i) => {
    const outputId = tx.spentOutputIds[i];
    if (input.type !== 'spend' || outputId === undefined || !moves(input, statusFail)) return;
    const key = keyText(outputId);
    if (!spends.has(key)) spends.set(key, { key, outputId, input: i });
  });
  return [...spends.values()];
}

/** The keys of the coins it makes. */
export function madeCoins(tx: Tx, statusFail: boolean): readonly string[] {
  const keys: string[] = [];
  tx.outputs.forEach((output, i) => {
    const { id, retirement } = tx.results[i]!;
    if (!retirement && moves(output, statusFail)) keys.push(keyText(id));
  });
  return keys;
}

function moves(value: AssetAmount, statusFail: boolean): boolean {
  return !statusFail || isBtm(value.assetId);
}
