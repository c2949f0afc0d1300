/** A chain in memory with a pool on it. */
import { expect } from 'vitest';
import type { Block } from '../../../src/chain/block.ts';
import { statusRoot, transactionsRoot } from '../../../src/chain/merkle.ts';
import type { Tx } from '../../../src/chain/tx.ts';
import { createTx } from '../../../src/chain/tx-codec.ts';
import { validateBlockBody } from '../../../src/consensus/block-rules.ts';
import { createCoinbase } from '../../../src/consensus/coinbase.ts';
import { RuleError } from '../../../src/consensus/rule-error.ts';
import { subsidy } from '../../../src/consensus/subsidy.ts';
import { connectBlock } from '../../../src/consensus/utxo-rules.ts';
import { Mempool } from '../../../src/node/mempool/mempool.ts';
import { MempoolError } from '../../../src/node/mempool/mempool-error.ts';
import type { MempoolOptions } from '../../../src/node/mempool/mempool-options.ts';
import type { TxSource } from '../../../src/node/mempool/pooled-tx.ts';
import { MemoryKv } from '../../../src/store/memory-kv.ts';
import { UtxoOverlay } from '../../../src/store/utxo-overlay.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';
import { settle } from '../../support/fake-clock.ts';
import { ANYONE, type Coin, coinOf, type Owner, transaction } from '../../support/spending.ts';
import { StandInHasher } from '../../support/stand-in-hasher.ts';

/** The coins of blocks 1 … 20 can be spent in the block after it. */
export const BASE_HEIGHT = 119;
export const base: ChainBuilder = new ChainBuilder().extend(BASE_HEIGHT);

const hasher = new StandInHasher({ hash: () => new Uint8Array(32) });

/** The database with the blocks of `base`, to be copied. */
const stored: Promise<MemoryKv> = (async () => {
  const kv = new MemoryKv();
  const rig = new ChainRig({ hasher, kv });
  await rig.submitAll(base.blocks.slice(1));
  await rig.chain.close();
  return kv;
})();

export class PoolRig {
  readonly rig: ChainRig;
  readonly pool: Mempool;
  /** Ids of those that joined and left, as hex, the latter with the reason. */
  readonly events: string[] = [];

  constructor(rig: ChainRig, options: MempoolOptions) {
    this.rig = rig;
    const { chain, clock, log } = rig;
    this.pool = new Mempool(options, { chain, clock, log });
    this.pool.onAdded(({ tx }) => this.events.push(`+ ${idText(tx)}`));
    this.pool.onRemoved(({ tx }, reason) => this.events.push(`- ${idText(tx)} ${reason}`));
  }

  static async open(options: MempoolOptions = {}): Promise<PoolRig> {
    const kv = new MemoryKv();
    const all = (await stored).range({ from: Uint8Array.of(0), to: new Uint8Array(64).fill(0xff) });
    kv.write([...all].map(([key, value]) => ({ key, value })));
    return new PoolRig(new ChainRig({ hasher, kv }), options);
  }

  /** What a submission comes to, as a word: the result, or the code or rule that refused it. */
  async submit(tx: Tx, source: TxSource = 'peer', signal?: AbortSignal): Promise<string> {
    try {
      const options = signal === undefined ? { source } : { source, signal };
      return (await this.pool.submit(tx, options)).result;
    } catch (error) {
      if (error instanceof MempoolError) return error.detail.code;
      if (error instanceof RuleError) return error.detail.rule;
      throw error;
    }
  }

  async refusal(tx: Tx): Promise<MempoolError['detail'] | RuleError['detail']> {
    const error = await this.pool.submit(tx, { source: 'peer' }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof MempoolError || error instanceof RuleError) return error.detail;
    throw error ?? new Error('expected a refusal, got none');
  }

  /** Submits the blocks and waits until the pool has followed. */
  async connect(...blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) await this.rig.submit(block);
    await settle();
  }

  /** Ids as hex, in the order of `transactions()`. */
  get ids(): readonly string[] {
    return this.pool.transactions().map(({ tx }) => idText(tx));
  }

  /** Throws unless all transactions of the pool together make a valid block. */
  check(label = ''): void {
    const { chain } = this.rig;
    const pooled = this.pool.transactions();
    const height = chain.tip.header.height + 1;
    const fees = pooled.reduce((sum, { fee }) => sum + fee, 0n);
    const first = createCoinbase({
      height,
      program: ANYONE.program,
      amount: subsidy(height) + fees,
      extra: Uint8Array.of(7),
    });
    const transactions = [first, ...pooled.map(({ tx }) => tx)];
    const statusFail = [false, ...pooled.map((each) => each.statusFail)];
    const header = {
      ...chain.tip.header,
      height,
      previousBlockHash: chain.tip.hash,
      transactionsMerkleRoot: transactionsRoot(transactions),
      transactionStatusHash: statusRoot(statusFail),
    };
    const block = { header, hash: new Uint8Array(32), transactions };
    const verdict = validateBlockBody(block);
    const gas = pooled.reduce((sum, { gasUsed }) => sum + gasUsed, 0);
    expect([verdict.fees, verdict.gasUsed], label).toEqual([fees, gas]);
    connectBlock(block, verdict.statusFail, new UtxoOverlay(chain.utxos));
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.rig.close();
  }
}

export function idText(tx: Pick<Tx, 'id'>): string {
  return bytesToHex(tx.id);
}

/** Spends `coin` to as many outputs as asked for; `fee` in neu. */
export function spend(coin: Coin, fee: bigint, to: Owner = ANYONE, outputs = 1): Tx {
  const share = (coin.amount - fee) / BigInt(outputs);
  const rest = coin.amount - fee - share * BigInt(outputs - 1);
  const amounts = Array.from({ length: outputs }, (_, i) => (i === 0 ? rest : share));
  return transaction({ from: [coin], to: amounts.map((amount) => ({ to, amount })) });
}

/** A transaction and so many that each spend the one before. */
export function chainOf(coin: Coin, count: number, fee: bigint): readonly Tx[] {
  const all: Tx[] = [];
  let at = coin;
  for (let i = 0; i < count; i++) {
    const tx = spend(at, fee);
    all.push(tx);
    at = coinOf(tx, 0, ANYONE);
  }
  return all;
}

/** The same transaction with other arguments at the first input: its id does not show it. */
export function withArguments(tx: Tx, args: readonly Uint8Array[]): Tx {
  const inputs = tx.inputs.map((input, i) =>
    i === 0 && input.type !== 'coinbase' ? { ...input, arguments: args } : input,
  );
  return createTx({ ...tx, inputs });
}
