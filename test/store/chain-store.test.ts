import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../src/chain/block.ts';
import type { SpentUtxo, Utxo } from '../../src/chain/utxo.ts';
import { ChainStore, type ConnectedBlock } from '../../src/store/chain-store.ts';
import type { Change, KeyValueStore } from '../../src/store/kv.ts';
import { blockKey, describeKey, indexKey, mainKey, spentKey } from '../../src/store/layout.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { StoreError } from '../../src/store/store-error.ts';
import type { UtxoChange } from '../../src/store/utxo-overlay.ts';
import { bytesEqual, bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import { idOf, plainStep, sampleBlock, sampleNetwork, sampleStatusFail } from './sample-chain.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-chain-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

const network = sampleNetwork();
const { genesis } = network;

function open(kv: KeyValueStore): ChainStore {
  // Few cached entries, so that most are read back.
  return ChainStore.open(kv, { network, cachedEntries: 3 });
}

/** Connects `count` blocks of the plain chain to the tip. */
function extend(store: ChainStore, count: number): void {
  let parent = store.block(store.tip().hash)!;
  for (let i = 0; i < count; i++) {
    const block = add(store, parent);
    const { hash } = block;
    const height = block.header.height;
    const { spent, utxos } = plainStep(height);
    store.switchTip({ disconnected: [], connected: [{ hash, height, spent }], utxos });
    parent = block;
  }
}

function add(store: ChainStore, parent: Block, salt = 0): Block {
  const block = sampleBlock(parent, salt);
  const totalWork = store.indexEntry(parent.hash)!.totalWork + 20n;
  store.addBlock(block, { totalWork, statusFail: sampleStatusFail(block) });
  return block;
}

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

function detailOf(action: () => unknown): Partial<StoreError['detail']> {
  const error = errorOf(action);
  expect(error).toBeInstanceOf(StoreError);
  return (error as StoreError).detail;
}

describe('a new store', () => {
  it('holds the genesis block, connected, with its coins', () => {
    const store = open(new MemoryKv());
    expect(store.tip()).toEqual({ height: 0, hash: genesis.hash });
    expect(store.indexEntry(genesis.hash)).toEqual({
      hash: genesis.hash,
      header: genesis.header,
      totalWork: 20n,
      statusFail: [false],
      transactionCount: 1,
      size: encodeBlock(genesis).length,
    });
    expect(store.block(genesis.hash)).toEqual(genesis);
    expect(store.mainHash(0)).toEqual(genesis.hash);
    expect(store.mainHash(1)).toBeUndefined();
    expect(store.spentBy(genesis.hash)).toEqual([]);
    const [coin, retired] = genesis.transactions[0]!.results;
    expect(retired!.retirement).toBe(true);
    expect(store.utxos.get(coin!.id)).toEqual({ height: 0, coinbase: true });
    expect(store.utxos.get(retired!.id)).toBeUndefined();
    const digest = createHash('sha3-256').update(coin!.id).digest('hex');
    expect(store.utxoCount()).toBe(1);
    expect(bytesToHex(store.utxoDigest())).toBe(digest);
  });

  it('is on disk when open returns', () => {
    const kv = new MemoryKv();
    expect(open(kv).pendingBytes).toBe(0);
    expect(open(kv).tip().height).toBe(0);
  });
});

describe('blocks', () => {
  it('are kept whatever branch they are on, and read back as they were', () => {
    const kv = new MemoryKv();
    const store = open(kv);
    const blocks = [0, 1, 9, 17].map((salt) => add(store, genesis, salt));
    for (const flushed of [false, true]) {
      if (flushed) store.flush();
      const each = flushed ? open(kv) : store;
      for (const block of blocks) {
        const { hash, header } = block;
        expect(each.block(hash)).toEqual(block);
        expect(each.blockBytes(hash)).toEqual(encodeBlock(block));
        expect(each.indexEntry(hash)).toEqual({
          hash,
          header,
          totalWork: 40n,
          statusFail: sampleStatusFail(block),
          transactionCount: block.transactions.length,
          size: encodeBlock(block).length,
        });
        expect(each.isOnMainChain(hash, 1)).toBe(false);
      }
      expect(each.tip().hash).toEqual(genesis.hash);
    }
  });

  it('keep the bytes of their transactions, unknown suffixes and long varints included', () => {
    const store = open(new MemoryKv());
    // The mainnet coinbase form with 81 00 for version 1: the id does not change, the bytes do.
    const block = sampleBlock(genesis);
    const tx = block.transactions[0]!;
    const raw = new Uint8Array([tx.raw[0]!, 0x81, 0x00, ...tx.raw.subarray(2)]);
    const padded: Block = { ...block, transactions: [{ ...tx, raw }] };
    store.addBlock(padded, { totalWork: 40n, statusFail: [false] });
    const stored = store.block(block.hash)!.transactions[0]!;
    expect(bytesToHex(stored.raw)).toBe(bytesToHex(raw));
    expect(stored.id).toEqual(tx.id);
  });

  it('are unknown until they are added, and added once', () => {
    const store = open(new MemoryKv());
    const block = sampleBlock(genesis);
    expect(store.indexEntry(block.hash)).toBeUndefined();
    expect(store.block(block.hash)).toBeUndefined();
    expect(store.blockBytes(block.hash)).toBeUndefined();
    const facts = { totalWork: 7n, statusFail: [false] };
    const entry = store.addBlock(block, facts);
    expect(store.addBlock(block, { ...facts, totalWork: 8n })).toEqual(entry);
    expect(store.indexEntry(block.hash)!.totalWork).toBe(7n);
    expect(store.pendingBlocks).toBe(1);
  });

  it('have total work of any size', () => {
    const kv = new MemoryKv();
    const store = open(kv);
    const works = [0n, 1n, 255n, 256n, 2n ** 64n, 2n ** 256n + 5n];
    const blocks = works.map((totalWork, salt) => {
      const block = sampleBlock(genesis, salt);
      store.addBlock(block, { totalWork, statusFail: sampleStatusFail(block) });
      return block;
    });
    store.flush();
    const read = open(kv);
    expect(blocks.map(({ hash }) => read.indexEntry(hash)!.totalWork)).toEqual(works);
  });

  it('need one status per transaction', () => {
    const store = open(new MemoryKv());
    const block = sampleBlock(genesis, 2);
    expect(() => store.addBlock(block, { totalWork: 1n, statusFail: [false] })).toThrow(
      '"statusFail" expected 3 values, got 1',
    );
    expect(store.indexEntry(block.hash)).toBeUndefined();
  });
});

describe('the tip', () => {
  it('moves over connected blocks, and back over disconnected ones', () => {
    const kv = new MemoryKv();
    const store = open(kv);
    extend(store, 3);
    const [one, two, three] = [1, 2, 3].map((height) => store.mainHash(height)!);
    expect(store.tip()).toEqual({ height: 3, hash: three });
    expect(store.spentBy(three!)).toEqual(plainStep(3).spent);
    store.switchTip({ disconnected: [three!, two!], connected: [], utxos: [] });
    expect(store.tip()).toEqual({ height: 1, hash: one });
    expect(store.mainHash(2)).toBeUndefined();
    expect(store.isOnMainChain(two!, 2)).toBe(false);
    expect(store.block(three!)!.header.height, 'still known').toBe(3);
    expect(detailOf(() => store.spentBy(three!))).toMatchObject({ code: 'damaged' });
    store.flush();
    const left = (key: Uint8Array): boolean => kv.get(key) !== undefined;
    expect([1, 2, 3].map((height) => left(mainKey(height)))).toEqual([true, false, false]);
    expect([one, two, three].map((hash) => left(spentKey(hash!)))).toEqual([true, false, false]);
  });

  it('goes only where the blocks lead, and otherwise nothing changes', () => {
    const store = open(new MemoryKv());
    extend(store, 3);
    const [one, two, three] = [1, 2, 3].map((height) => store.mainHash(height)!);
    const other = add(store, store.block(one!)!, 5);
    const next = add(store, store.block(three!)!, 5);
    const unknown = sampleBlock(next, 5);
    const connect = ({ hash, header }: Block, height = header.height): ConnectedBlock => ({
      hash,
      height,
      spent: [],
    });
    const utxos: UtxoChange[] = [[idOf(1), undefined]];
    const before = store.pendingBytes;
    for (const [what, disconnected, connected] of [
      ['not the tip', [two!], []],
      ['not in order', [two!, three!], []],
      ['not to the fork', [three!], [connect(other)]],
      ['a gap', [], [connect(unknown)]],
      ['unknown', [], [connect(next), connect(unknown)]],
      ['twice', [], [connect(next), connect(next)]],
      ['another height', [], [connect(next, 5)]],
      ['genesis', [three!, two!, one!, genesis.hash], []],
    ] as const) {
      expect(() => store.switchTip({ disconnected, connected, utxos }), what).toThrow(RangeError);
      expect(store.tip(), what).toEqual({ height: 3, hash: three });
      expect(store.pendingBytes, what).toBe(before);
    }
    store.switchTip({ disconnected: [three!, two!], connected: [connect(other)], utxos });
    expect(store.tip()).toEqual({ height: 2, hash: other.hash });
  });

  it('answers no height that is none', () => {
    const store = open(new MemoryKv());
    extend(store, 2);
    for (const height of [-1, 0.5, 3, 2 ** 53, Number.NaN]) {
      expect(store.mainHash(height), `${height}`).toBeUndefined();
    }
  });
});

describe('flushing', () => {
  it('writes what waits at once: reopening without it shows the state of the last flush', () => {
    const kv = new MemoryKv();
    const store = open(kv);
    extend(store, 5);
    store.flush();
    expect([store.pendingBytes, store.pendingBlocks]).toEqual([0, 0]);
    const flushed = store.utxoDigest();
    extend(store, 4);
    expect(store.pendingBlocks).toBe(4);
    expect(store.pendingBytes).toBeGreaterThan(4 * encodeBlock(sampleBlock(genesis)).length);
    const reopened = open(kv);
    expect(reopened.tip().height).toBe(5);
    expect(reopened.utxoDigest()).toEqual(flushed);
    store.flush();
    expect(open(kv).tip()).toEqual(store.tip());
    expect(open(kv).utxoDigest()).toEqual(store.utxoDigest());
  });

  it('loses nothing if the disk is full: a later flush writes it', () => {
    const kv = new MemoryKv();
    const full: KeyValueStore = {
      directory: '(full)',
      readOnly: false,
      get: (key) => kv.get(key),
      range: (range) => kv.range(range),
      write: (changes) => {
        if (!hasRoom) throw new StoreError({ code: 'no-space', directory: '(full)' });
        kv.write(changes);
      },
      close: () => kv.close(),
    };
    let hasRoom = true;
    const store = open(full);
    extend(store, 3);
    hasRoom = false;
    const [waiting, digest] = [store.pendingBytes, store.utxoDigest()];
    for (let i = 0; i < 2; i++) {
      expect(detailOf(() => store.flush()).code).toBe('no-space');
      expect([store.pendingBytes, store.pendingBlocks]).toEqual([waiting, 3]);
      expect(store.utxoDigest()).toEqual(digest);
      expect(open(kv).tip().height).toBe(0);
    }
    hasRoom = true;
    store.flush();
    expect(open(kv).tip().height).toBe(3);
    expect(open(kv).utxoDigest()).toEqual(digest);
  });

  it('writes nothing any more of what was discarded, and goes on from what is on disk', async () => {
    const kv = new MemoryKv();
    const store = open(kv);
    extend(store, 3);
    store.flush();
    const [tip, digest] = [store.tip(), store.utxoDigest()];
    extend(store, 4);
    const lost = store.tip();
    store.discard();
    expect([store.pendingBytes, store.pendingBlocks]).toEqual([0, 0]);
    expect(store.tip()).toEqual(tip);
    expect(store.indexEntry(lost.hash)).toBeUndefined();
    expect(store.utxoDigest()).toEqual(digest);
    extend(store, 1);
    store.flush();
    expect(open(kv).tip()).toEqual(store.tip());
    extend(store, 1);
    store.discard();
    await store.close();
  });

  it('happens when the store is closed', async () => {
    const directory = join(folder, 'closed');
    const store = open(LmdbKv.open(directory));
    extend(store, 2);
    await Promise.all([store.close(), store.close()]);
    const kv = LmdbKv.open(directory);
    expect(open(kv).tip().height).toBe(2);
    await kv.close();
  });
});

describe('random connects, disconnects, flushes and crashes', () => {
  it.each([
    ['in memory', () => new MemoryKv(), 400],
    ['on disk', () => LmdbKv.open(join(folder, 'random')), 120],
  ])('match a plain model, %s', async (_name, openKv, rounds) => {
    const random = seededRandom(405);
    const below = (n: number): number => Math.floor(random() * n);
    const kv = openKv();
    let store = open(kv);
    const genesisCoin = genesis.transactions[0]!.results[0]!.id;
    /** A block with every coin that is unspent after it. */
    interface Node {
      readonly block: Block;
      readonly parent: Node | undefined;
      readonly coins: ReadonlyMap<string, Utxo>;
      readonly spent: readonly SpentUtxo[];
    }
    const root: Node = {
      block: genesis,
      parent: undefined,
      coins: new Map([[bytesToHex(genesisCoin), { height: 0, coinbase: true }]]),
      spent: [],
    };
    let nodes = [root];
    let tip = root;
    let flushed = { nodes, tip };

    const grow = (): void => {
      const parent = nodes[Math.max(0, nodes.length - 1 - below(6))]!;
      const coins = new Map(parent.coins);
      const spent = [...coins]
        .filter(() => random() < 0.3)
        .map(([id, utxo]) => ({ outputId: hexToBytes(id, 'id'), ...utxo }));
      for (const { outputId } of spent) coins.delete(bytesToHex(outputId));
      const height = parent.block.header.height + 1;
      for (let i = below(5); i > 0; i--) {
        // Sometimes an id that is there, or was: coins can be replaced and can come back.
        const id = idOf(random() < 0.5 ? below(20) : below(1e9));
        coins.set(bytesToHex(id), { height, coinbase: random() < 0.5 });
      }
      const block = add(store, parent.block, nodes.length);
      nodes = [...nodes, { block, parent, coins, spent }];
    };
    const pathTo = (node: Node): Node[] =>
      node.parent === undefined ? [node] : [...pathTo(node.parent), node];
    const move = (): void => {
      const [from, to] = [pathTo(tip), pathTo(nodes[Math.max(0, nodes.length - 1 - below(8))]!)];
      let fork = 0;
      while (from[fork] !== undefined && from[fork] === to[fork]) fork++;
      const target = to.at(-1)!;
      const touched = new Set([...tip.coins.keys(), ...target.coins.keys()]);
      store.switchTip({
        disconnected: from
          .slice(fork)
          .reverse()
          .map(({ block }) => block.hash),
        connected: to.slice(fork).map(({ block, spent }) => ({
          hash: block.hash,
          height: block.header.height,
          spent,
        })),
        utxos: [...touched].map((id) => [hexToBytes(id, 'id'), target.coins.get(id)]),
      });
      tip = target;
    };
    const check = (): void => {
      const main = pathTo(tip);
      const height = main.length - 1;
      expect(store.tip()).toEqual({ height, hash: tip.block.hash });
      expect(store.mainHash(height + 1)).toBeUndefined();
      for (const [at, { block, spent }] of main.entries()) {
        expect(store.mainHash(at)).toEqual(block.hash);
        expect(store.spentBy(block.hash)).toEqual(spent);
      }
      for (const node of nodes.slice(-10)) {
        expect(store.block(node.block.hash)).toEqual(node.block);
        expect(store.isOnMainChain(node.block.hash, node.block.header.height)).toBe(
          main.includes(node),
        );
      }
      const ids = [...tip.coins.keys()].sort();
      const digest = createHash('sha3-256')
        .update(Buffer.from(ids.join(''), 'hex'))
        .digest();
      const summary = store.utxoSummary();
      expect([summary.count, bytesToHex(summary.digest)]).toEqual([
        ids.length,
        digest.toString('hex'),
      ]);
      expect([...store.allUtxos()].map(([id, utxo]) => [bytesToHex(id), utxo])).toEqual(
        ids.map((id) => [id, tip.coins.get(id)]),
      );
      for (let i = 0; i < 20; i++) {
        expect(store.utxos.get(idOf(i))).toEqual(tip.coins.get(bytesToHex(idOf(i))));
      }
    };

    for (let round = 0; round < rounds; round++) {
      const choice = random();
      if (choice < 0.45) grow();
      else if (choice < 0.8) move();
      else if (choice < 0.95) {
        store.flush();
        flushed = { nodes, tip };
      } else {
        store = open(kv);
        ({ nodes, tip } = flushed);
      }
      if (round % 5 === 0) check();
    }
    check();
    expect(nodes.length, 'the chains got somewhere').toBeGreaterThan(rounds / 5);
    await kv.close();
  });
});

describe('a damaged database', () => {
  /** Everything that can be asked, so that every record is read. */
  function readAll(kv: KeyValueStore): void {
    const store = open(kv);
    for (let height = 0; height <= store.tip().height; height++) {
      const hash = store.mainHash(height)!;
      store.indexEntry(hash);
      store.block(hash);
      store.spentBy(hash);
    }
    store.utxoSummary();
  }

  function records(): Change[] {
    const kv = new MemoryKv();
    const store = open(kv);
    extend(store, 12);
    store.flush();
    return [...kv.range({ from: Uint8Array.of(1), to: Uint8Array.of(255) })].map(
      ([key, value]) => ({ key, value }),
    );
  }

  function storeOf(changes: readonly Change[]): MemoryKv {
    const kv = new MemoryKv();
    kv.write(changes);
    return kv;
  }

  const whole = records();

  it('is not what the test begins with', () => {
    readAll(storeOf(whole));
    const prefixes = new Set(whole.map(({ key }) => String.fromCharCode(key[0]!)));
    expect([...prefixes].sort().join('')).toBe('bhmnru');
  });

  it.each([
    ['cut short by a byte', (value: Uint8Array) => value.slice(0, -1)],
    ['a byte too long', (value: Uint8Array) => new Uint8Array([...value, 0])],
    ['empty', () => new Uint8Array(0)],
    ['replaced by garbage', (value: Uint8Array) => value.map((byte, i) => byte ^ (i * 37 + 85))],
  ])('is reported with its key: a value %s', (what, damage) => {
    for (const { key, value } of whole) {
      const damaged = damage(value!);
      const name = String.fromCharCode(...key.subarray(0, key[0] === 0x6d ? key.length : 1));
      // A block that spent nothing has an empty record: that is what it was.
      if (damaged.length === value!.length && value!.length === 0) continue;
      if (name === 'r' && what === 'empty') continue;
      const error = errorOf(() => readAll(storeOf([...whole, { key, value: damaged }])));
      expect(error, `${name}: ${what}`).toBeInstanceOf(StoreError);
      const { code } = (error as StoreError).detail;
      // The name of the network is text: whatever it says, it is another one's.
      const expected = name === 'mnetwork' ? ['damaged', 'other-network'] : ['damaged'];
      if (name === 'mschema') expected.push('newer-schema');
      expect(expected, `${name}: ${what}`).toContain(code);
      if (code === 'damaged') expect((error as Error).message).toMatch(/^\(memory\): damaged at /);
    }
  });

  it('is reported with its key: a record that is gone', () => {
    for (const { key } of whole) {
      const prefix = String.fromCharCode(key[0]!);
      // A missing block is an unknown one, a missing coin is a spent one: neither can be told here.
      const isTipIndex =
        prefix === 'h' &&
        open(storeOf(whole))
          .tip()
          .hash.every((b, i) => key[i + 1] === b);
      if (['b', 'u'].includes(prefix) || (prefix === 'h' && !isTipIndex)) continue;
      const error = errorOf(() => readAll(storeOf([...whole, { key, value: undefined }])));
      expect(error, prefix).toBeInstanceOf(StoreError);
      expect((error as StoreError).detail.code, prefix).toBe('damaged');
    }
  });

  it('is reported with its key: the value of another key', () => {
    const [first, second] = [1, 2].map((height) => open(storeOf(whole)).mainHash(height)!);
    for (const keyOf of [indexKey, blockKey]) {
      const other = whole.find(({ key }) => bytesEqual(key, keyOf(second!)))!.value;
      const kv = storeOf([...whole, { key: keyOf(first!), value: other }]);
      expect(detailOf(() => readAll(kv))).toMatchObject({
        code: 'damaged',
        key: describeKey(keyOf(first!)),
      });
    }
  });

  it('throws nothing but StoreError, whatever bit is wrong', () => {
    const random = seededRandom(99);
    for (let round = 0; round < 400; round++) {
      const { key, value } = whole[Math.floor(random() * whole.length)]!;
      const changed = value!.slice();
      for (let i = 0; i < 3; i++)
        changed[Math.floor(random() * changed.length)]! ^= 1 << (random() * 8);
      const error = errorOf(() => readAll(storeOf([...whole, { key, value: changed }])));
      if (error !== undefined) expect(error, bytesToHex(key)).toBeInstanceOf(StoreError);
    }
  });
});
