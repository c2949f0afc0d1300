/** What each rule for blocks says when one thing in a good block is wrong. */
import { describe, expect, it } from 'vitest';
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { headerHash } from '../../src/chain/header.ts';
import { statusRoot, transactionsRoot } from '../../src/chain/merkle.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../../src/chain/tx-entries.ts';
import { validateBlockBody } from '../../src/consensus/block-rules.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { subsidy } from '../../src/consensus/subsidy.ts';
import { validateTx } from '../../src/consensus/tx-rules.ts';
import { connectBlock } from '../../src/consensus/utxo-rules.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { assemble } from '../../src/vm/assemble.ts';
import type { BlockOptions } from '../support/chain-builder.ts';
import { seededRandom } from '../support/random.ts';
import { ANYONE, FEE, issuer, NOBODY, programOwner, transaction } from '../support/spending.ts';
import {
  anyones,
  BOB,
  chain,
  coinbaseData,
  coins,
  context,
  expectRefusal,
  GOLD,
  good,
  goodTransactions,
  judge,
  now,
  type Refusal,
  refusal,
} from './good-block.ts';

describe('a good block', () => {
  it('is accepted, with one transaction that fails', () => {
    const block = chain.draft({ transactions: goodTransactions() });
    judge(block);
    expect(validateBlockBody(block).statusFail).toEqual([false, false, false, false, false, true]);
    expect(validateBlockBody(block).fees).toBe(3n * FEE + 100_000_000n + FEE);
  });

  it('is accepted as it comes from the wire', () => {
    judge(decodeBlock(encodeBlock(chain.draft({ transactions: goodTransactions() }))));
  });

  it('need not begin with a coinbase, if its first transaction takes no more than one may', () => {
    const fee = 50_000_000n;
    const first = transaction({
      from: [chain.coinbase(2), anyones(2)],
      to: [{ to: BOB, amount: subsidy(chain.height + 1) + fee }],
    });
    const block = chain.draft({ first });
    judge(block);
    const view = coins.copy();
    connectBlock(block, [false], view);
    expect(view.get(first.results[0]!.id)).toEqual({ height: chain.height + 1, coinbase: true });
  });
});

describe('a header at fault', () => {
  it('is refused by the rule for its field', () => {
    const { parent, medianTime, requiredBits } = context;
    const { height } = chain;
    const other = new Uint8Array(32).fill(7);
    const cases: [Partial<Block['header']>, Refusal][] = [
      [{ version: 2 }, { rule: 'header-version', expected: '1', actual: '2' }],
      [{ version: 0 }, { rule: 'header-version' }],
      [{ height }, { rule: 'header-height' }],
      [{ height: height + 2 }, { rule: 'header-height' }],
      [{ bits: requiredBits + 1n }, { rule: 'header-bits' }],
      [{ bits: requiredBits - 1n }, { rule: 'header-bits' }],
      [{ previousBlockHash: other }, { rule: 'previous-block' }],
      [{ previousBlockHash: parent.header.previousBlockHash }, { rule: 'previous-block' }],
      [{ timestamp: medianTime }, { rule: 'timestamp-too-early' }],
      [{ timestamp: now + 3601 }, { rule: 'timestamp-too-late', blame: 'nobody' }],
      [{ transactionsMerkleRoot: other }, { rule: 'transactions-root' }],
      [{ transactionStatusHash: other }, { rule: 'status-root' }],
    ];
    for (const [header, expected] of cases) {
      expectRefusal({ header, transactions: goodTransactions() }, expected, Object.keys(header)[0]);
    }
  });

  it('is refused for its proof of work if a nonce or anything else was changed after mining', () => {
    const block = chain.draft({ transactions: goodTransactions() });
    const other = new Uint8Array(32).fill(8);
    for (const change of [
      { nonce: 1n },
      { timestamp: block.header.timestamp + 1 },
      { transactionsMerkleRoot: other },
      { transactionStatusHash: other },
    ]) {
      const header = { ...block.header, ...change };
      const detail = refusal({ ...block, header, hash: headerHash(header) });
      expect(detail, Object.keys(change)[0]).toMatchObject({
        rule: 'proof-of-work',
        blame: 'peer',
      });
    }
  });
});

describe('transaction 0 at fault', () => {
  it('is refused if it pays one neu more or less than subsidy and fees', () => {
    const transactions = goodTransactions();
    const reward = subsidy(chain.height + 1) + 4n * FEE + 100_000_000n;
    for (const overpay of [1n, -1n]) {
      expectRefusal(
        { transactions, overpay },
        {
          rule: 'coinbase-amount',
          transaction: 0,
          expected: `${reward} (subsidy and fees)`,
          actual: `${reward + overpay}`,
        },
      );
    }
  });

  it('is held to a reward that the reference counts in 64 bits', () => {
    // Coins that cannot exist; whether they do is asked later.
    const amounts = [2n ** 63n - 1n, 2n ** 63n - 1n, 100_000_000n];
    const transactions = amounts.map((amount, n) =>
      transaction({ from: [{ ...anyones(n), amount }], to: [{ to: NOBODY, amount: 0n }] }),
    );
    const fees = 2n ** 64n - 2n + 100_000_000n;
    const block = chain.draft({ transactions, overpay: -(2n ** 64n) });
    expect(validateBlockBody(block).fees).toBe(fees);
    expect(refusal(block)).toMatchObject({ rule: 'utxo-missing', transaction: 1 });
  });

  it('is refused if it is missing, or has no or two outputs, or one that is no coin', () => {
    const amount = subsidy(chain.height + 1);
    const header = {
      transactionsMerkleRoot: transactionsRoot([]),
      transactionStatusHash: statusRoot([]),
    };
    const empty = { ...chain.draft({ header }), transactions: [] };
    expect(refusal(empty)).toMatchObject({ rule: 'coinbase-missing', blame: 'peer' });

    const half = { assetId: BTM_ASSET_ID, amount: amount / 2n, controlProgram: ANYONE.program };
    const retired = { ...half, amount, controlProgram: NOBODY.program };
    for (const outputs of [[half, half], [retired]]) {
      const first = createTx({ ...coinbaseData(), outputs });
      // Two outputs already fail in the balance: output 0 is all that a coinbase brings in.
      const rule = outputs.length === 2 ? 'tx-unbalanced' : 'coinbase-outputs';
      expectRefusal({ first }, { rule, transaction: 0 });
    }
    const twice = createTx({
      ...coinbaseData(),
      outputs: [
        { ...half, amount },
        { ...half, amount: 0n },
      ],
    });
    expectRefusal({ first: twice }, { rule: 'coinbase-outputs', transaction: 0, actual: '2' });
  });

  it('is refused if its arbitrary data is too long, and not at the limit', () => {
    const withArbitrary = (length: number): BlockOptions => ({
      first: createTx({
        ...coinbaseData(),
        inputs: [{ type: 'coinbase', arbitrary: new Uint8Array(length) }],
      }),
    });
    judge(chain.draft(withArbitrary(128)));
    expectRefusal(withArbitrary(129), {
      rule: 'coinbase-arbitrary',
      transaction: 0,
      input: 0,
      expected: 'at most 128 bytes',
      actual: '129',
    });
  });

  it('is refused if it pays in another asset or to a program that is not standard', () => {
    const [output] = coinbaseData().outputs;
    const foreign = createTx({
      ...coinbaseData(),
      outputs: [{ ...output!, assetId: GOLD.assetId }],
    });
    expectRefusal({ first: foreign }, { rule: 'coinbase-asset', transaction: 0, output: 0 });
    const odd = createTx({
      ...coinbaseData(),
      outputs: [{ ...output!, controlProgram: Uint8Array.of(0x52) }],
    });
    expectRefusal({ first: odd }, { rule: 'tx-not-standard', transaction: 0, output: 0 });
  });
});

describe('the gas of a block', () => {
  /** A transaction that uses exactly `gas`: its size, and the 10 of its one program. */
  const heavy = (n: number, gas: number): Tx => {
    const of = (length: number): Tx =>
      transaction({
        from: [anyones(n)],
        to: [{ to: programOwner(concatBytes(NOBODY.program, new Uint8Array(length))), amount: 1n }],
      });
    const overhead = of(gas).raw.length - gas;
    return of(gas - overhead - 10);
  };

  it('may be 10,000,000 and not one more', () => {
    const transactions = Array.from({ length: 50 }, (_, n) => heavy(n, 198_000));
    const fill = 10_000_000 - 50 * 198_000;
    const full = chain.draft({ transactions: [...transactions, heavy(50, fill)] });
    expect(validateBlockBody(full).gasUsed).toBe(10_000_000);
    judge(full);
    expectRefusal(
      { transactions: [...transactions, heavy(50, fill + 1), good.pay] },
      { rule: 'block-gas', transaction: 51, actual: '10000001' },
    );
  });

  it('may go down, but never below 0', () => {
    // A child fails at `PROGRAM` for want of gas and leaves its parent bytes that it never paid for.
    const round = '0 0xc4 1 CHECKPREDICATE DROP ';
    const program = assemble(`${round.repeat(10)} 0x${'00'.repeat(400)} DROP TRUE`);
    const generous = issuer(programOwner(program));
    const gains = transaction({
      from: [anyones(0)],
      issue: [{ issuer: generous, amount: 1n }],
      to: [{ to: NOBODY, amount: 1n, assetId: generous.assetId }],
    });
    const { gas } = validateTx(gains, {
      blockVersion: 1,
      blockHeight: chain.height + 1,
      firstInBlock: false,
    });
    expect(gas.gasUsed).toBeLessThan(-1000);
    const pays = heavy(1, -gas.gasUsed);
    const exact = chain.draft({ transactions: [pays, gains] });
    judge(exact);
    expect(validateBlockBody(exact)).toMatchObject({
      gasUsed: 0,
      statusFail: [false, false, false],
    });
    const places: [Tx[], Refusal][] = [
      [[gains, pays], { transaction: 1, actual: `${gas.gasUsed}` }],
      [[heavy(1, -gas.gasUsed - 1), gains, pays], { transaction: 2, actual: '-1' }],
    ];
    for (const [transactions, expected] of places) {
      expectRefusal({ transactions }, { rule: 'block-gas', ...expected });
    }
  });
});

describe('any byte of a good block', () => {
  it('cannot be another one', () => {
    const { pay, child, board, gold } = good;
    const block = chain.draft({ transactions: [pay, child, board, gold] });
    const raw = encodeBlock(block);
    judge(decodeBlock(raw));
    const random = seededRandom(20);
    for (let i = 0; i < 120; i++) {
      const changed = raw.slice();
      const at = Math.floor(random() * raw.length);
      changed[at]! ^= 1 << Math.floor(random() * 8);
      let refused: unknown;
      try {
        judge(decodeBlock(changed));
      } catch (error) {
        refused = error;
      }
      const known = refused instanceof InputError || refused instanceof RuleError;
      expect(known, `byte ${at} as ${changed[at]}: ${refused}`).toBe(true);
    }
  });
});
