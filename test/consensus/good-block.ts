/**
 * A chain on solonet, a block on top of it that every rule accepts, and every rule in a row to judge
 * others by. What a test changes in the block is wrong alone: roots, status, reward and proof of work
 * are made to fit each time.
 */
import { expect } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import type { Tx, TxData } from '../../src/chain/tx.ts';
import { validateBlockBody } from '../../src/consensus/block-rules.ts';
import { createCoinbase } from '../../src/consensus/coinbase.ts';
import { checkHeader, checkProofOfWork, headerContext } from '../../src/consensus/header-rules.ts';
import { type RuleDetail, RuleError } from '../../src/consensus/rule-error.ts';
import { subsidy } from '../../src/consensus/subsidy.ts';
import { connectBlock } from '../../src/consensus/utxo-rules.ts';
import { assemble } from '../../src/vm/assemble.ts';
import { type BlockOptions, ChainBuilder } from '../support/chain-builder.ts';
import { MapUtxoView } from '../support/coins.ts';
import {
  ANYONE,
  type Coin,
  coinOf,
  FEE,
  issuer,
  keyOwner,
  multisigOwner,
  NOBODY,
  programOwner,
  transaction,
} from '../support/spending.ts';

export const ALICE = keyOwner(1);
export const BOB = keyOwner(2);
const BOARD = multisigOwner([3, 4, 5], 2);
export const GOLD = issuer(ALICE, Uint8Array.of(1));
/** Accepts below block 50 alone: issuing it fails. */
export const EXPIRED = issuer(programOwner(assemble('50 BLOCKHEIGHT GREATERTHAN')));

const BTM = 100_000_000n;

export const chain = new ChainBuilder().extend(110);

/** Made the coins to spend: 10 BTM of ALICE, 10 BTM of BOARD, and 60 times 1 BTM of anyone. */
export const funds = transaction({
  from: [chain.coinbase(1)],
  to: [
    { to: ALICE, amount: 10n * BTM },
    { to: BOARD, amount: 10n * BTM },
    ...Array.from({ length: 60 }, () => ({ to: ANYONE, amount: BTM })),
  ],
});
chain.block({ transactions: [funds] });

/** The coins after the tip of `chain`. */
export const coins = new MapUtxoView();
for (const block of chain.blocks) {
  connectBlock(block, validateBlockBody(block).statusFail, coins);
}

export const context = headerContext(chain.tip, { ancestor: (at) => chain.blocks[at]! });
export const now = chain.tip.header.timestamp;

/** Coin `n` (below 60) that anyone may spend. */
export const anyones = (n: number): Coin => coinOf(funds, 2 + n, ANYONE);

/** The transactions of the good block. */
export const good = createGoodTransactions();
export const goodTransactions = (): Tx[] => Object.values(good);

export type Refusal = Partial<RuleDetail>;

/** Applies every rule as a node does; the coins stay as they are. Throws `RuleError`. */
export function judge(block: Block): void {
  const claim = checkHeader(block.header, block.hash, context, now);
  const mined = chain.pow.has(claim.seed, claim.headerHash);
  checkProofOfWork(claim, new Uint8Array(32).fill(mined ? 0 : 0xff));
  connectBlock(block, validateBlockBody(block).statusFail, coins.copy());
}

export function refusal(block: Block): RuleDetail {
  try {
    judge(block);
  } catch (error) {
    if (error instanceof RuleError) return error.detail;
    throw error;
  }
  throw new Error('expected a refusal, got none');
}

/** Expects that the block of `options` is refused; its sender is to blame if nothing else is said. */
export function expectRefusal(options: BlockOptions, expected: Refusal, label = ''): void {
  const detail = refusal(chain.draft(options));
  expect(detail, label).toMatchObject({ blame: 'peer', ...expected });
  if (expected.transaction === undefined) expect(detail.transaction, label).toBeUndefined();
}

/** A coinbase without fees. */
export function coinbaseData(): TxData {
  const height = chain.height + 1;
  return createCoinbase({ height, program: ANYONE.program, amount: subsidy(height) });
}

function createGoodTransactions(): Record<'pay' | 'child' | 'board' | 'gold' | 'failed', Tx> {
  const pay = transaction({
    from: [coinOf(funds, 0, ALICE)],
    to: [{ to: BOB, amount: 10n * BTM - FEE }],
  });
  const child = transaction({
    from: [coinOf(pay, 0, BOB)],
    to: [{ to: ALICE, amount: 10n * BTM - 2n * FEE }],
  });
  const board = transaction({
    from: [coinOf(funds, 1, BOARD)],
    to: [{ to: BOB, amount: 10n * BTM - FEE }],
  });
  const gold = transaction({
    from: [anyones(0)],
    issue: [{ issuer: GOLD, amount: 500n }],
    to: [
      { to: BOB, amount: 400n, assetId: GOLD.assetId },
      { to: NOBODY, amount: 100n, assetId: GOLD.assetId },
    ],
  });
  const failed = transaction({
    from: [anyones(1)],
    issue: [{ issuer: EXPIRED, amount: 7n }],
    to: [
      { to: BOB, amount: 7n, assetId: EXPIRED.assetId },
      { to: BOB, amount: BTM - FEE },
    ],
  });
  return { pay, child, board, gold, failed };
}
