/** What each rule for transactions says when one thing in a block's transactions is wrong. */
import { describe, expect, it } from 'vitest';
import { statusRoot } from '../../src/chain/merkle.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import { validateBlockBody } from '../../src/consensus/block-rules.ts';
import { assemble } from '../../src/vm/assemble.ts';
import {
  coinOf,
  FEE,
  issueInput,
  type Owner,
  programOwner,
  scriptOwner,
  transaction,
} from '../support/spending.ts';
import {
  ALICE,
  anyones,
  BOB,
  chain,
  coinbaseData,
  EXPIRED,
  expectRefusal,
  funds,
  GOLD,
  good,
  goodTransactions,
  judge,
  type Refusal,
} from './good-block.ts';

describe('a transaction at fault', () => {
  it('is refused by its own rule, with its place in the block', () => {
    const { pay, gold } = good;
    const [output] = pay.outputs;
    const [coin, issue] = gold.inputs;
    const odd = programOwner(assemble('2'));
    const more = issueInput({ issuer: GOLD, amount: 2n ** 63n - 1n });
    const from = (owner: Owner) => [{ ...coinOf(funds, 0, ALICE), owner }];
    const to = [{ to: BOB, amount: 1_000_000_000n - FEE }];
    const slow = scriptOwner(assemble('10000 $again 1SUB DUP JUMPIF:$again DROP TRUE'));
    const cases: [string, Tx, Refusal][] = [
      ['version 2', createTx({ ...pay, version: 2n }), { rule: 'tx-version' }],
      ['version 0', createTx({ ...pay, version: 0n }), { rule: 'tx-version' }],
      [
        'time range',
        createTx({ ...pay, timeRange: BigInt(chain.height) }),
        { rule: 'tx-time-range', expected: `0, or at least the block height ${chain.height + 1}` },
      ],
      ['no outputs', createTx({ ...pay, outputs: [] }), { rule: 'tx-no-outputs' }],
      ['no inputs', createTx({ ...pay, inputs: [] }), { rule: 'tx-unbalanced', output: 0 }],
      [
        'program of an output',
        transaction({ from: from(ALICE), to: [{ ...to[0]!, to: odd }] }),
        { rule: 'tx-not-standard', output: 0, actual: '52' },
      ],
      [
        'program of a coin',
        transaction({ from: from(odd), to }),
        { rule: 'tx-not-standard', input: 0 },
      ],
      [
        'one BTM too many',
        createTx({ ...pay, outputs: [{ ...output!, amount: 1_000_000_001n }] }),
        { rule: 'tx-unbalanced', actual: '-1' },
      ],
      [
        'one gold too many',
        createTx({ ...gold, outputs: [{ ...gold.outputs[0]!, amount: 401n }, gold.outputs[1]!] }),
        { rule: 'tx-unbalanced', actual: '-1' },
      ],
      [
        'gold from nowhere',
        createTx({ ...gold, inputs: [coin!] }),
        { rule: 'tx-unbalanced', output: 0 },
      ],
      [
        'sum of inputs',
        createTx({ ...gold, inputs: [coin!, issue!, more] }),
        { rule: 'tx-overflow', input: 2, actual: `${2n ** 63n + 499n}` },
      ],
      [
        'fee of a coin',
        transaction({ from: [anyones(3)], to: [{ to: BOB, amount: 100_000_000n - 20_000n }] }),
        { rule: 'tx-storage-gas', input: 0, actual: '90' },
      ],
      [
        'work of a script',
        transaction({ from: from(slow), to }),
        { rule: 'tx-gas-credit', input: 0 },
      ],
      ['coinbase', createTx(coinbaseData()), { rule: 'coinbase-position', input: 0 }],
      [
        'owner',
        transaction({ from: from({ ...BOB, program: ALICE.program }), to }),
        { rule: 'tx-program', input: 0, actual: 'VERIFY failed' },
      ],
      [
        'signed by another',
        transaction({
          from: from({
            program: ALICE.program,
            unlock: (hash) => [BOB.unlock(hash)[0]!, ALICE.unlock(hash)[1]!],
          }),
          to,
        }),
        { rule: 'tx-program', input: 0, actual: 'false result' },
      ],
    ];
    for (const [name, tx, expected] of cases) {
      expectRefusal({ transactions: [good.board, tx] }, { transaction: 2, ...expected }, name);
    }
  });

  it('is refused for any signature that is not right', () => {
    for (const tx of [good.pay, good.child, good.board]) {
      const input = tx.inputs[0]!;
      if (input.type !== 'spend') throw new Error('expected a spend');
      const signatures = input.arguments.filter((each) => each.length === 64);
      expect(signatures.length).toBe(tx === good.board ? 2 : 1);
      for (const signature of signatures) {
        for (const at of [0, 31, 32, 63]) {
          const bad = signature.slice();
          bad[at]! ^= 1;
          const args = input.arguments.map((each) => (each === signature ? bad : each));
          const changed = createTx({ ...tx, inputs: [{ ...input, arguments: args }] });
          expect(changed.id).toEqual(tx.id);
          const transactions = goodTransactions().map((each) => (each === tx ? changed : each));
          const transaction = 1 + transactions.indexOf(changed);
          const label = `transaction ${transaction}, byte ${at}`;
          expectRefusal({ transactions }, { rule: 'tx-program', transaction, input: 0 }, label);
        }
      }
    }
  });

  it('makes the status another where it only fails, and the block is refused for that', () => {
    const [coin, issue] = good.gold.inputs;
    if (issue?.type !== 'issuance') throw new Error('expected an issuance');
    const unsigned = createTx({ ...good.gold, inputs: [coin!, { ...issue, arguments: [] }] });
    const transactions = [good.pay, unsigned];
    judge(chain.draft({ transactions }));
    expectRefusal(
      { transactions, header: { transactionStatusHash: statusRoot([false, false, false]) } },
      { rule: 'status-root' },
    );
    expectRefusal(
      {
        transactions: [good.pay, good.gold],
        header: { transactionStatusHash: statusRoot([false, false, true]) },
      },
      { rule: 'status-root' },
    );
  });

  it('only fails where an input stands twice in a low block, and spends the coin once', () => {
    const coin = anyones(4);
    const tx = transaction({
      from: [coin, coin],
      to: [{ to: BOB, amount: 2n * coin.amount - FEE }],
    });
    const block = chain.draft({ transactions: [tx] });
    judge(block);
    expect(validateBlockBody(block).statusFail).toEqual([false, true]);
    const again = transaction({ from: [coin], to: [{ to: BOB, amount: coin.amount - FEE }] });
    expectRefusal(
      { transactions: [tx, again] },
      { rule: 'utxo-missing', transaction: 2, input: 0 },
    );
  });
});

describe('the transactions of a block', () => {
  it('may not spend what is spent, was never there, or comes later', () => {
    const { pay, child, board } = good;
    const twice = transaction({
      from: [coinOf(funds, 0, ALICE)],
      to: [{ to: ALICE, amount: 1_000_000_000n - 2n * FEE }],
    });
    const unknown = transaction({
      from: [{ ...coinOf(funds, 0, ALICE), sourcePosition: 77n }],
      to: [{ to: ALICE, amount: 1_000_000_000n - FEE }],
    });
    const richer = transaction({
      from: [{ ...coinOf(funds, 0, ALICE), amount: 1_000_000_001n }],
      to: [{ to: ALICE, amount: 1_000_000_001n - FEE }],
    });
    const cases: [string, Tx[], number][] = [
      ['the same transaction again', [pay, board, pay], 3],
      ['two that spend the same coin', [board, pay, twice], 3],
      ['a coin at no position', [unknown], 1],
      ['a coin of another amount', [richer], 1],
      ['a child before its parent', [child, pay], 1],
      ['a child without its parent', [child], 1],
    ];
    for (const [name, transactions, transaction] of cases) {
      expectRefusal({ transactions }, { rule: 'utxo-missing', transaction, input: 0 }, name);
    }
    judge(chain.draft({ transactions: [pay, child] }));
  });

  it('may not spend a coinbase before 100 blocks have passed', () => {
    const spend = (height: number) => {
      const coin = chain.coinbase(height);
      return transaction({ from: [coin], to: [{ to: ALICE, amount: coin.amount - FEE }] });
    };
    const next = chain.height + 1;
    judge(chain.draft({ transactions: [spend(next - 100)] }));
    expectRefusal(
      { transactions: [spend(next - 99)] },
      {
        rule: 'coinbase-immature',
        transaction: 1,
        input: 0,
        expected: `block ${next + 1} or later`,
        actual: `block ${next}`,
      },
    );
  });

  it('may not spend the other assets of one that failed, but its BTM', () => {
    const { failed } = good;
    const btm = coinOf(failed, 1, BOB);
    const useBtm = transaction({ from: [btm], to: [{ to: BOB, amount: btm.amount - FEE }] });
    judge(chain.draft({ transactions: [failed, useBtm] }));
    const useAsset = transaction({
      from: [anyones(5), coinOf(failed, 0, BOB)],
      to: [{ to: BOB, amount: 7n, assetId: EXPIRED.assetId }],
    });
    expectRefusal(
      { transactions: [failed, useAsset] },
      { rule: 'utxo-missing', transaction: 2, input: 1 },
    );
  });

  it('may not stand in another order, be left out or doubled, under the root of the good block', () => {
    const { header } = chain.draft({ transactions: goodTransactions() });
    const { pay, child, board, gold, failed } = good;
    const { transactionsMerkleRoot } = header;
    for (const transactions of [
      [pay, board, child, gold, failed],
      [pay, child, board, failed, gold],
      [pay, child, board, gold],
      [pay, child, board, gold, failed, failed],
    ]) {
      expectRefusal(
        { transactions, header: { transactionsMerkleRoot } },
        { rule: 'transactions-root' },
      );
    }
  });
});
