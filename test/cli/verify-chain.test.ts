import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../src/chain/block.ts';
import type { BlockProgress } from '../../src/cli/progress.ts';
import { ChainDiffersError, type VerifiedChain, verifyChain } from '../../src/cli/verify-chain.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import type { ChainStore } from '../../src/store/chain-store.ts';
import type { Change } from '../../src/store/kv.ts';
import { blockKey, indexKey, mainKey, spentKey, utxoKey } from '../../src/store/layout.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { encodeIndexEntry, encodeSpent, encodeUtxo } from '../../src/store/records.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig, openStore } from '../support/chain-rig.ts';
import { FEE, keyOwner, transaction } from '../support/spending.ts';

const HEIGHT = 105;

/** A chain with a spend in block 102, stored, and what is needed to verify it. */
class Trial {
  readonly builder = new ChainBuilder();
  readonly kv = new MemoryKv();
  readonly progress: BlockProgress[] = [];
  readonly stop = new AbortController();
  now = 4_000_000_000;
  /** Blocks whose proof of work is to fail. */
  readonly unmined = new Set<string>();

  async store(): Promise<ChainStore> {
    const { builder, kv } = this;
    builder.extend(101);
    const coin = builder.coinbase(1);
    const spend = transaction({
      from: [coin],
      to: [{ to: keyOwner(1), amount: coin.amount - FEE }],
    });
    builder.block({ transactions: [spend] });
    builder.extend(HEIGHT - 102);
    const rig = new ChainRig({ hasher: builder.pow.hasher(), kv });
    await rig.submitAll(builder.blocks.slice(1));
    rig.chain.flush();
    return openStore(kv);
  }

  /** As stored, but for one change. */
  async storeWith(
    change: (blocks: readonly Block[], store: ChainStore) => Change,
  ): Promise<ChainStore> {
    const store = await this.store();
    this.kv.write([change(this.builder.blocks, store)]);
    return openStore(this.kv);
  }

  async verify(store: ChainStore): Promise<VerifiedChain> {
    const { builder, progress, stop } = this;
    const hasher = builder.pow.hasher();
    return verifyChain({
      network: SOLONET,
      store,
      verifier: {
        verify: async ({ headerHash, seed }, priority, signal) => {
          expect(priority).toBe('sync');
          signal?.throwIfAborted();
          const powHash = new Uint8Array(32).fill(0xff);
          if (!this.unmined.has(bytesToHex(headerHash))) {
            await hasher.loadSeed(seed, { seed, data: NO_TABLE });
            await hasher.hash(seed, headerHash, powHash);
          }
          return { meets: powHash[31] === 0, powHash, certain: true };
        },
      },
      now: () => this.now,
      onProgress: (each) => progress.push(each),
      signal: stop.signal,
    });
  }
}

const NO_TABLE = new Int8Array(2 ** 24);

async function failureOf(run: Promise<unknown>): Promise<Error> {
  return run.then(
    () => expect.fail('verified'),
    (error: Error) => error,
  );
}

describe('verifying a stored chain', () => {
  it('comes to its tip and unspent outputs, and changes nothing', async () => {
    const trial = new Trial();
    const store = await trial.store();
    const { count, digest } = store.utxoSummary();
    trial.kv.write = () => expect.fail('written to');
    expect(await trial.verify(store)).toEqual({
      height: HEIGHT,
      hash: bytesToHex(trial.builder.tip.hash),
      utxoCount: count,
      utxoDigest: bytesToHex(digest),
    });
    // The genesis output, a coinbase a block, one spent and its change.
    expect(count).toBe(1 + HEIGHT - 1 + 1);
    expect(trial.progress.map(({ height }) => height)).toEqual(
      Array.from({ length: HEIGHT }, (_, i) => i + 1),
    );
    expect(trial.progress.at(-1)?.fraction).toBe(1);
  });

  it('works on a chain of nothing but the genesis block', async () => {
    const trial = new Trial();
    expect(await trial.verify(openStore(trial.kv))).toMatchObject({ height: 0, utxoCount: 1 });
  });

  it('ends with the reason of the signal', async () => {
    const trial = new Trial();
    const store = await trial.store();
    const reason = new Error('stop');
    trial.stop.abort(reason);
    expect(await failureOf(trial.verify(store))).toBe(reason);
  });
});

describe('a stored chain with a difference', () => {
  const changes: readonly (readonly [
    name: string,
    change: (blocks: readonly Block[], store: ChainStore) => Change,
    where: string,
    problem: string,
  ])[] = [
    [
      'in the total work of a block',
      (blocks, store) => {
        const entry = store.indexEntry(blocks[50]!.hash)!;
        const value = encodeIndexEntry({ ...entry, totalWork: entry.totalWork + 1n });
        return { key: indexKey(entry.hash), value };
      },
      'block 50',
      'expected total work 1020, ',
    ],
    [
      'in the status of a transaction',
      (blocks, store) => {
        const entry = store.indexEntry(blocks[102]!.hash)!;
        const value = encodeIndexEntry({ ...entry, statusFail: [false, true] });
        return { key: indexKey(entry.hash), value };
      },
      'block 102',
      'failed [], the database has total work 2060, 326 bytes, 2 transactions, failed [1]',
    ],
    [
      'in what a block has spent',
      (blocks) => ({ key: spentKey(blocks[102]!.hash), value: encodeSpent([]) }),
      'block 102',
      'expected spent outputs ',
    ],
    [
      'in the main chain',
      (blocks) => ({ key: mainKey(50), value: blocks[51]!.hash }),
      'block 50',
      'header-height: expected 50, got 51',
    ],
    [
      'in the transactions of a block',
      (blocks) => {
        const { header } = blocks[50]!;
        const { transactions } = blocks[51]!;
        return { key: blockKey(blocks[50]!.hash), value: encodeBlock({ header, transactions }) };
      },
      'block 50',
      'transactions-root: expected ',
    ],
    [
      'by an unspent output that is none',
      () => ({
        key: utxoKey(new Uint8Array(32).fill(7)),
        value: encodeUtxo({ height: 3, coinbase: false }),
      }),
      'unspent outputs',
      `${'07'.repeat(32)}: expected none, the database has one of height 3`,
    ],
    [
      'by an unspent output that is missing',
      (blocks) => ({ key: utxoKey(blocks[9]!.transactions[0]!.results[0]!.id), value: undefined }),
      'unspent outputs',
      'expected one of height 9 (coinbase), the database has none',
    ],
    [
      'in an unspent output',
      (blocks) => ({
        key: utxoKey(blocks[9]!.transactions[0]!.results[0]!.id),
        value: encodeUtxo({ height: 9, coinbase: false }),
      }),
      'unspent outputs',
      'expected one of height 9 (coinbase), the database has one of height 9',
    ],
    [
      'by a genesis block that is missing',
      (blocks) => ({ key: blockKey(blocks[0]!.hash), value: undefined }),
      'block 0',
      'expected a block, the database has none',
    ],
    [
      'by a genesis block with other transactions',
      (blocks) => {
        const { header } = blocks[0]!;
        const { transactions } = blocks[51]!;
        return { key: blockKey(blocks[0]!.hash), value: encodeBlock({ header, transactions }) };
      },
      'block 0',
      'the database has another',
    ],
  ];

  it.each(changes)('%s is found', async (_name, change, where, problem) => {
    const trial = new Trial();
    const error = await failureOf(trial.verify(await trial.storeWith(change)));
    expect(error).toBeInstanceOf(ChainDiffersError);
    expect((error as ChainDiffersError).detail).toMatchObject({ code: 'differs', where });
    expect(error.message).toContain(`${where}: `);
    expect(error.message).toContain(problem);
  });

  it('in the header of a block, or without the block, is found as damage', async () => {
    for (const value of [undefined, encodeBlock(SOLONET.genesis)]) {
      const trial = new Trial();
      const store = await trial.storeWith((blocks) => ({ key: blockKey(blocks[50]!.hash), value }));
      const error = await failureOf(trial.verify(store));
      if (value === undefined)
        expect(error.message).toBe('block 50: expected a block, the database has none');
      else expect(error).toBeInstanceOf(StoreError);
    }
  });

  it('in the proof of work is found, and named by its rule', async () => {
    const trial = new Trial();
    const store = await trial.store();
    trial.unmined.add(bytesToHex(trial.builder.blocks[77]!.hash));
    const error = await failureOf(trial.verify(store));
    expect(error.message).toMatch(/^block 77: proof-of-work: expected at most 0x/);
    expect(trial.progress.at(-1)?.height).toBe(76);
  });

  it('that is only ahead of the clock is one, too', async () => {
    const trial = new Trial();
    const store = await trial.store();
    trial.now = SOLONET.genesis.header.timestamp;
    const error = await failureOf(trial.verify(store));
    expect(error.message).toContain('timestamp-too-late');
  });
});
