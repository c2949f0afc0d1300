import { describe, expect, it } from 'vitest';
import { transactionsRoot } from '../../../src/chain/merkle.ts';
import { RootCache } from '../../../src/node/mining/root-cache.ts';
import { sha3 } from '../../../src/util/sha3.ts';
import { seededRandom } from '../../support/random.ts';

const made = (n: number): { readonly id: Uint8Array } => ({
  id: sha3(Uint8Array.of(n & 255, n >> 8)),
});

describe('a root that is made again and again', () => {
  it('is that of the transactions, whatever comes, goes and changes places', () => {
    const random = seededRandom(5);
    const cache = new RootCache();
    let list: { readonly id: Uint8Array }[] = [];
    for (let round = 0; round < 300; round++) {
      const at = Math.floor(random() * (list.length + 1));
      const kind = random();
      if (kind < 0.5) list.splice(at, 0, made(round));
      else if (kind < 0.7) list.splice(at, 1 + Math.floor(random() * 3));
      else if (kind < 0.8) list.reverse();
      else if (kind < 0.9) list = list.concat(list.slice(0, 3));
      list[0] = made(1000 + round);
      expect(cache.root(list), `round ${round}`).toEqual(transactionsRoot(list));
    }
    expect(cache.root([])).toEqual(transactionsRoot([]));
  });
});
