import { describe, expect, it } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import { headerContext } from '../../src/consensus/header-rules.ts';
import { HeaderView } from '../../src/node/header-view.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { openStore } from '../support/chain-rig.ts';
import { seededRandom } from '../support/random.ts';

describe('HeaderView', () => {
  const main = new ChainBuilder().extend(2300);
  const other = main.fork(1990).extend(300);
  const third = other.fork(2040).extend(250);
  const builders = [main, other, third];

  it('gives the context of any block of any branch, however much of it is stored', () => {
    for (const stored of [0, 700, 1995, 2200]) {
      const store = openStore(new MemoryKv());
      for (const block of main.blocks.slice(1, stored + 1)) {
        const statusFail = block.transactions.map(() => false);
        store.addBlock(block, { totalWork: 1n, statusFail });
        const { hash, header } = block;
        const connected = [{ hash, height: header.height, spent: [] }];
        store.switchTip({ disconnected: [], connected, utxos: [] });
      }
      const pending = new Map<string, Block>();
      for (const block of builders.flatMap((each) => each.blocks)) {
        if (store.indexEntry(block.hash) === undefined) pending.set(bytesToHex(block.hash), block);
      }
      const view = new HeaderView(store, (hash) => pending.get(bytesToHex(hash)));
      const random = seededRandom(stored);
      // Around the edges that matter, and anywhere else; again and again, as links are kept.
      const edges = [0, 1, 255, 256, 257, 272, 1791, 1793, 2015, 2016, 2017, 2026, 2033, 2049];
      for (let i = 0; i < 120; i++) {
        const { blocks } = builders[Math.floor(random() * 3)]!;
        const anywhere = Math.floor(random() * blocks.length);
        const height = random() < 0.5 ? anywhere : edges[Math.floor(random() * edges.length)]!;
        const parent = blocks[height]!;
        const expected = headerContext(parent, { ancestor: (at) => blocks[at]! });
        const actual = view.contextAfter(parent);
        const label = `${stored} stored, after ${height}`;
        expect(actual.medianTime, label).toBe(expected.medianTime);
        expect(actual.requiredBits, label).toBe(expected.requiredBits);
        expect(bytesToHex(actual.seed), label).toBe(bytesToHex(expected.seed));
      }
    }
  });

  it('tells epochs from periods where both end, 16,128 blocks on', () => {
    const { header: model } = main.blocks[1]!;
    const headers = Array.from({ length: 16_140 }, (_, height) => {
      const hash = new Uint8Array(32);
      new DataView(hash.buffer).setUint32(0, height);
      const previousBlockHash = new Uint8Array(32);
      new DataView(previousBlockHash.buffer).setUint32(0, height - 1);
      return { hash, header: { ...model, height, previousBlockHash } };
    });
    const byHash = new Map(headers.map((each) => [bytesToHex(each.hash), each]));
    const view = new HeaderView(openStore(new MemoryKv()), (hash) => byHash.get(bytesToHex(hash)));
    expect(view.contextAfter(headers[16_128]!).seed).toEqual(headers[16_128]!.hash);
    expect(view.contextAfter(headers[16_138]!).seed).toEqual(headers[16_128]!.hash);
    expect(view.contextAfter(headers[16_127]!).seed).toEqual(headers[15_872]!.hash);
    expect(view.contextAfter(headers[16_100]!).seed).toEqual(headers[15_872]!.hash);
  });

  it('says which ancestor is missing', () => {
    const view = new HeaderView(openStore(new MemoryKv()), () => undefined);
    const parent = main.blocks[5]!;
    expect(() => view.contextAfter(parent)).toThrow(bytesToHex(main.blocks[4]!.hash));
  });
});
