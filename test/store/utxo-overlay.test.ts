import { describe, expect, it } from 'vitest';
import type { Utxo } from '../../src/chain/utxo.ts';
import { UtxoOverlay } from '../../src/store/utxo-overlay.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import { idOf } from './sample-chain.ts';

describe('UtxoOverlay', () => {
  it('does what a map does, leaves the view below alone, and lists what differs', () => {
    const random = seededRandom(3);
    const below = (n: number): number => Math.floor(random() * n);
    const ids = Array.from({ length: 40 }, (_, i) => idOf(i));
    const utxo = (): Utxo => ({ height: below(1000), coinbase: random() < 0.5 });
    const base = new Map(ids.slice(0, 20).map((id) => [bytesToHex(id), utxo()]));
    const untouched = new Map(base);
    const view = { get: (id: Uint8Array) => base.get(bytesToHex(id)) };
    for (let round = 0; round < 50; round++) {
      const overlay = new UtxoOverlay(view);
      const model = new Map(base);
      const touched = new Set<string>();
      for (let i = below(60); i > 0; i--) {
        const id = ids[below(ids.length)]!;
        touched.add(bytesToHex(id));
        if (random() < 0.5) {
          const added = utxo();
          overlay.put(id, added);
          model.set(bytesToHex(id), added);
        } else {
          overlay.remove(id);
          model.delete(bytesToHex(id));
        }
        const asked = ids[below(ids.length)]!;
        expect(overlay.get(asked)).toEqual(model.get(bytesToHex(asked)));
      }
      expect(base).toEqual(untouched);
      const changes = [...overlay.changes()].map(([id, each]) => [bytesToHex(id), each] as const);
      expect(new Set(changes.map(([id]) => id))).toEqual(touched);
      expect(changes).toHaveLength(touched.size);
      for (const [id, each] of changes) expect(each, id).toEqual(model.get(id));
    }
  });

  it('stands on another overlay, which can be dropped', () => {
    const lower = new UtxoOverlay({ get: () => undefined });
    lower.put(idOf(1), { height: 1, coinbase: true });
    const upper = new UtxoOverlay(lower);
    upper.remove(idOf(1));
    upper.put(idOf(2), { height: 2, coinbase: false });
    expect([upper.get(idOf(1)), lower.get(idOf(2))]).toEqual([undefined, undefined]);
    expect(lower.get(idOf(1))).toEqual({ height: 1, coinbase: true });
  });
});
