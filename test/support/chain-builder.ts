/**
 * Builds blocks that every rule accepts, and, where a test says what is to be wrong, blocks that are
 * right in everything else.
 *
 * ```ts
 * const chain = new ChainBuilder();
 * chain.extend(101);                                  // each coinbase pays to ANYONE
 * const tx = transaction({ from: [chain.coinbase(1)], to: [{ to: keyOwner(1), amount: 5n }] });
 * const block = chain.block({ transactions: [tx] });  // roots, status, reward, bits and time fit
 * const other = chain.fork(100).extend(3);            // another branch, with other blocks
 * const bad = chain.draft({ header: { bits: 1n } });  // not added
 * ```
 *
 * Nothing is mined: `chain.pow` knows what was built, and its hasher answers that such a block meets
 * every target under the seed of its branch, and that anything else meets none.
 */
import type { Block } from '../../src/chain/block.ts';
import { type BlockHeader, headerHash } from '../../src/chain/header.ts';
import { statusRoot, transactionsRoot } from '../../src/chain/merkle.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { createCoinbase } from '../../src/consensus/coinbase.ts';
import { headerContext } from '../../src/consensus/header-rules.ts';
import { type Network, SOLONET } from '../../src/consensus/network.ts';
import { TARGET_SECONDS_PER_BLOCK } from '../../src/consensus/params.ts';
import { subsidy } from '../../src/consensus/subsidy.ts';
import { type TxVerdict, validateTx } from '../../src/consensus/tx-rules.ts';
import type { Seed } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ANYONE, type Coin, coinOf, type Owner } from './spending.ts';
import { StandInHasher, type StandInOptions } from './stand-in-hasher.ts';

export interface ChainBuilderOptions {
  readonly network?: Network;
  /** Blocks to begin with, genesis first; the network's genesis alone if left out. */
  readonly start?: readonly Block[];
  /** What is already known to meet its target. */
  readonly pow?: KnownPow;
}

/** What is left out is as the rules want it. */
export interface BlockOptions {
  /** What comes after the coinbase. */
  readonly transactions?: readonly Tx[];
  /** Seconds; 150 after the parent if left out. */
  readonly timestamp?: number;
  /** Whom the coinbase pays. */
  readonly miner?: Owner;
  /** What the coinbase pays more than it may, in neu. */
  readonly overpay?: bigint;
  /** A transaction 0 in place of the coinbase. */
  readonly first?: Tx;
  /** Header fields that are to be otherwise. The rest of the header knows nothing of it. */
  readonly header?: Partial<BlockHeader>;
}

export class ChainBuilder {
  readonly network: Network;
  readonly pow: KnownPow;
  /** Genesis first. */
  readonly blocks: Block[];
  /** Goes into coinbases, so that no two branches have the same blocks. */
  readonly #branch: number;

  constructor(options: ChainBuilderOptions = {}) {
    this.network = options.network ?? SOLONET;
    this.pow = options.pow ?? new KnownPow();
    this.blocks = [...(options.start ?? [this.network.genesis])];
    this.#branch = this.pow.branches++;
  }

  get tip(): Block {
    return this.blocks.at(-1)!;
  }

  get height(): number {
    return this.tip.header.height;
  }

  /** Builds the next block and adds it. */
  block(options: BlockOptions = {}): Block {
    const block = this.draft(options);
    this.blocks.push(block);
    return block;
  }

  /** Adds `count` blocks with nothing but a coinbase. */
  extend(count: number): this {
    for (let i = 0; i < count; i++) this.block();
    return this;
  }

  /** Another builder, whose chain is this one up to `height` and goes on with other blocks. */
  fork(height: number): ChainBuilder {
    const { network, pow } = this;
    return new ChainBuilder({ network, pow, start: this.blocks.slice(0, height + 1) });
  }

  /** Builds what could be the next block, and counts as mined, but does not add it. */
  draft(options: BlockOptions = {}): Block {
    const { parent, requiredBits, seed } = headerContext(this.tip, {
      ancestor: (at) => this.blocks[at]!,
    });
    const height = parent.header.height + 1;
    const verdicts = (options.transactions ?? []).map((tx) => verdictOf(tx, height, false));
    const fees = verdicts.reduce((sum, { gas }) => sum + gas.fee, 0n);
    const first =
      options.first ??
      createCoinbase({
        height,
        program: (options.miner ?? ANYONE).program,
        amount: subsidy(height) + fees + (options.overpay ?? 0n),
        extra: new TextEncoder().encode(`/${this.#branch}`),
      });
    const transactions = [first, ...(options.transactions ?? [])];
    const failed = [verdictOf(first, height, true), ...verdicts].map(
      ({ result }) => result === 'status-fail',
    );
    const header: BlockHeader = {
      version: 1,
      height,
      previousBlockHash: parent.hash,
      timestamp: options.timestamp ?? parent.header.timestamp + TARGET_SECONDS_PER_BLOCK,
      transactionsMerkleRoot: transactionsRoot(transactions),
      transactionStatusHash: statusRoot(failed),
      nonce: 0n,
      bits: requiredBits,
      ...options.header,
    };
    const hash = headerHash(header);
    this.pow.add(seed, hash);
    return { header, hash, transactions };
  }

  /** The coin that the coinbase at `height` made, which `owner` was paid. */
  coinbase(height: number, owner: Owner = ANYONE): Coin {
    return coinOf(this.blocks[height]!.transactions[0]!, 0, owner);
  }
}

/** Header hashes that count as mined, each under one seed. */
export class KnownPow {
  /** How many builders share it. */
  branches = 0;
  readonly #known = new Set<string>();

  add(seed: Seed, headerHash: Uint8Array): void {
    this.#known.add(keyOf(seed, headerHash));
  }

  has(seed: Seed, headerHash: Uint8Array): boolean {
    return this.#known.has(keyOf(seed, headerHash));
  }

  /** A hasher that gives 0 for what is known, and 2^256−1 for everything else. */
  hasher(options: Omit<StandInOptions, 'hash'> = {}): StandInHasher {
    return new StandInHasher({
      ...options,
      hash: (seed, headerHash) => new Uint8Array(32).fill(this.has(seed, headerHash) ? 0x00 : 0xff),
    });
  }
}

function keyOf(seed: Seed, headerHash: Uint8Array): string {
  return `${bytesToHex(seed)} ${bytesToHex(headerHash)}`;
}

function verdictOf(tx: Tx, blockHeight: number, firstInBlock: boolean): TxVerdict {
  return validateTx(tx, { blockVersion: 1, blockHeight, firstInBlock });
}
