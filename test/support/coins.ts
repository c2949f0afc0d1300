/** Coins in a map, for tests. */
import type { MutableUtxoView, Utxo } from '../../src/chain/utxo.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';

export class MapUtxoView implements MutableUtxoView {
  /** By output id, as hex. */
  readonly coins: Map<string, Utxo>;

  constructor(coins: Iterable<readonly [string, Utxo]> = []) {
    this.coins = new Map(coins);
  }

  get(outputId: Uint8Array): Utxo | undefined {
    return this.coins.get(bytesToHex(outputId));
  }

  put(outputId: Uint8Array, utxo: Utxo): void {
    this.coins.set(bytesToHex(outputId), utxo);
  }

  remove(outputId: Uint8Array): void {
    this.coins.delete(bytesToHex(outputId));
  }

  copy(): MapUtxoView {
    return new MapUtxoView(this.coins);
  }

  /** All coins in the order of their ids: equal for equal sets. */
  sorted(): readonly (readonly [string, Utxo])[] {
    return [...this.coins].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** SHA3-256 of the sorted ids, as hex. */
  digest(): string {
    const ids = this.sorted().map(([id]) => hexToBytes(id, 'output id'));
    return bytesToHex(sha3(concatBytes(...ids)));
  }
}
