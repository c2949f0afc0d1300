import { describe, expect, it } from 'vitest';
import type { Utxo } from '../../../src/chain/utxo.ts';
import { CoinsAt, TrialCoins } from '../../../src/node/mining/trial-coins.ts';

const coin = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const at = (height: number): Utxo => ({ height, coinbase: false });

function trial(): { readonly coins: TrialCoins; readonly asked: readonly number[] } {
  const asked: number[] = [];
  const get = (id: Uint8Array): Utxo | undefined => {
    asked.push(id[0]!);
    return id[0]! < 10 ? at(id[0]!) : undefined;
  };
  return { coins: new TrialCoins({ get }), asked };
}

describe('coins on trial', () => {
  it('are those of the base until they change, and the base is asked once for each', () => {
    const { coins, asked } = trial();
    coins.remove(coin(1));
    coins.put(coin(20), at(20));
    for (let i = 0; i < 2; i++) {
      expect([1, 2, 20, 21].map((n) => coins.get(coin(n)))).toEqual([
        undefined,
        at(2),
        at(20),
        undefined,
      ]);
    }
    expect(asked).toEqual([1, 20, 2, 21]);
  });

  it('are what they were at the last keep when changes are taken back', () => {
    const { coins } = trial();
    coins.remove(coin(1));
    coins.keep();
    coins.put(coin(1), at(50));
    coins.put(coin(1), at(51));
    coins.remove(coin(2));
    coins.put(coin(30), at(30));
    coins.remove(coin(30));
    coins.undo();
    expect([1, 2, 30].map((n) => coins.get(coin(n)))).toEqual([undefined, at(2), undefined]);
    coins.undo();
    expect(coins.get(coin(1))).toBeUndefined();
  });
});

describe('the coins at a block', () => {
  it('are looked up once each, whether they are there or not', () => {
    const asked: number[] = [];
    const coins = new CoinsAt(coin(99), {
      get: (id) => {
        asked.push(id[0]!);
        return id[0] === 1 ? at(1) : undefined;
      },
    });
    for (let i = 0; i < 2; i++)
      expect([coins.get(coin(1)), coins.get(coin(2))]).toEqual([at(1), undefined]);
    expect(asked).toEqual([1, 2]);
  });
});
