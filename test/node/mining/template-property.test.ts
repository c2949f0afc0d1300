/** Random pools on random branches: every template is a block of our own chain, and as full as can be. */
import { describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { createCoinbase } from '../../../src/consensus/coinbase.ts';
import { RuleError } from '../../../src/consensus/rule-error.ts';
import { validateTx } from '../../../src/consensus/tx-rules.ts';
import { connectBlock } from '../../../src/consensus/utxo-rules.ts';
import type { BlockTemplate } from '../../../src/node/mining/templates.ts';
import { UtxoOverlay } from '../../../src/store/utxo-overlay.ts';
import { bytesToHex, concatBytes } from '../../../src/util/bytes.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import {
  ANYONE,
  type Coin,
  coinOf,
  FEE,
  issuer,
  keyOwner,
  NOBODY,
  type Owner,
  type Payment,
  programOwner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { BASE, BASE_HEIGHT, TemplateRig } from './template-rig.ts';

type Random = () => number;

const REFUSING = issuer(programOwner(assemble('FALSE')));
/** A child fails for want of gas and leaves its parent bytes that it never paid for. */
const GAINING = issuer(
  programOwner(
    assemble(`${'0 0xc4 1 CHECKPREDICATE DROP '.repeat(10)} 0x${'00'.repeat(400)} DROP TRUE`),
  ),
);
/** Anybody may spend it, up to some heights, or from some heights on. */
const HEIGHT_OWNERS = [-1, 0, 1, 2, 3, 4, 6].flatMap((after) => [
  scriptOwner(assemble(`${BASE_HEIGHT + after} BLOCKHEIGHT GREATERTHAN`)),
  scriptOwner(assemble(`BLOCKHEIGHT ${BASE_HEIGHT + after} GREATERTHAN`)),
]);
const OWNERS: readonly Owner[] = [ANYONE, ANYONE, keyOwner(1), keyOwner(2)];
/** Makes transactions of up to 150,000 gas: their outputs to nobody have long programs. */
const LARGE_BYTES = 150_000;

const met = new Map<string, number>();

function meet(what: string): void {
  met.set(what, 1 + (met.get(what) ?? 0));
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}

class RandomPool {
  readonly #rig: TemplateRig;
  readonly #random: Random;
  /** Some are spent, and some are on a branch that is gone. */
  readonly #coins: Coin[] = Array.from({ length: 32 }, (_, i) => BASE.coinbase(i + 1));

  constructor(rig: TemplateRig, random: Random) {
    this.#rig = rig;
    this.#random = random;
  }

  add(): void {
    const random = this.#random;
    const coin = pick(this.#coins, random);
    const second = pick(this.#coins, random);
    // One of two coins may be gone, and the other is still there for others.
    const from = random() < 0.3 && second !== coin ? [second, coin] : [coin];
    const height = this.#rig.chain.chain.tip.header.height;
    const timeRange = random() < 0.2 ? BigInt(height + Math.floor(random() * 4)) : 0n;
    const to: Payment[] = [];
    const issue = [];
    let left =
      from.reduce((sum, { amount }) => sum + amount, 0n) -
      FEE * BigInt(1 + Math.floor(random() * 3));
    if (left <= 10n) return;
    const kind = random();
    if (kind < 0.1) {
      issue.push({ issuer: REFUSING, amount: 5n });
      to.push({ to: ANYONE, amount: 5n, assetId: REFUSING.assetId });
    } else if (kind < 0.2) {
      issue.push({ issuer: GAINING, amount: 5n });
      to.push({ to: ANYONE, amount: 5n, assetId: GAINING.assetId });
    } else if (kind < 0.3) {
      const program = concatBytes(NOBODY.program, new Uint8Array(LARGE_BYTES * random()));
      to.push({ to: programOwner(program), amount: 1n });
      left -= 1n;
    }
    const owner = random() < 0.3 ? pick(HEIGHT_OWNERS, random) : pick(OWNERS, random);
    to.push({ to: owner, amount: left / 2n }, { to: ANYONE, amount: left - left / 2n });
    const tx = transaction({ from, issue, to, timeRange });
    if (!this.#rig.pool.add(tx, height)) return;
    to.forEach((payment, i) => {
      if (payment.assetId === undefined && payment.amount > 1n) {
        this.#coins.push(coinOf(tx, i, payment.to));
      }
    });
  }
}

/** The rules for what a template takes, written down plainly: nothing is kept, everything is tried. */
function expectedTransactions(rig: TemplateRig): readonly string[] {
  const { chain } = rig.chain;
  const height = chain.tip.header.height + 1;
  const coinbase = createCoinbase({ height, program: Uint8Array.of(0x51), amount: 0n });
  const header = { ...chain.tip.header, height };
  const taken: { readonly tx: Tx; readonly failed: boolean; readonly gas: number }[] = [];
  let metNegative = false;

  const fits = (tx: Tx): boolean => {
    const context = { blockVersion: 1, blockHeight: height, firstInBlock: false };
    const { result, gas } = validateTx(tx, context);
    if (result === 'invalid') {
      meet('invalid at the next height');
      return false;
    }
    const sum = taken.reduce((before, each) => before + each.gas, gas.gasUsed);
    if (sum < 0) metNegative = true;
    if (sum < 0 || sum > 10_000_000) {
      meet(sum < 0 ? 'gas below zero' : 'gas above the limit');
      return false;
    }
    const candidate = { tx, failed: result === 'status-fail', gas: gas.gasUsed };
    const all = [...taken, candidate];
    try {
      const transactions = [coinbase, ...all.map((each) => each.tx)];
      const statusFail = [false, ...all.map((each) => each.failed)];
      connectBlock({ header, transactions }, statusFail, new UtxoOverlay(chain.utxos));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      meet(error.detail.rule);
      return false;
    }
    if (candidate.failed) meet('status fail');
    if (candidate.gas < 0) meet('negative gas');
    taken.push(candidate);
    return true;
  };

  const skipped = rig.pool.transactions().filter(({ tx }) => !fits(tx));
  if (metNegative) for (const { tx } of skipped) fits(tx);
  return taken.map(({ tx }) => bytesToHex(tx.id));
}

function idsOf(template: BlockTemplate): readonly string[] {
  return template.transactions.slice(1).map(({ id }) => bytesToHex(id));
}

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const rig = await TemplateRig.open();
  const pool = new RandomPool(rig, random);
  const older: BlockTemplate[] = [];
  const listens = random() < 0.5;
  if (listens) rig.templates.onTemplate((template) => older.push(template));
  for (let step = 0; step < 8; step++) {
    for (let n = Math.floor(random() * 8); n > 0; n--) pool.add();
    if (random() < 0.5) await rig.chain.clock.advance(1000);
    await settle();
    const template = await rig.templates.current();
    older.push(template);
    if (random() < 0.3) continue;
    if (random() < 0.25) {
      await rig.reorganise(1 + Math.floor(random() * 3));
      older.length = 0;
      meet('reorganised');
      continue;
    }
    const tip = rig.chain.chain.tip.hash;
    const choice = older.filter(
      ({ header }) => bytesToHex(header.previousBlockHash) === bytesToHex(tip),
    );
    const mined = pick(choice, random);
    if (mined !== template) meet('an older template');
    if (mined.transactions.length > 1) meet('a block with transactions');
    expect(await rig.submit(mined, { nonce: BigInt(step) }), `run ${seed}`).toBe('connected');
    older.length = 0;
  }
  // Whatever came meanwhile is validated and in the template now.
  await rig.chain.clock.advance(1000);
  await rig.templates.current();
  await settle();
  expect(idsOf(await rig.templates.current()), `run ${seed}`).toEqual(expectedTransactions(rig));
  await rig.close();
}

describe('templates of random pools', () => {
  for (let part = 0; part < 12; part++) {
    it(`are blocks of our own chain, and take all that fits (${part})`, async () => {
      for (let i = 0; i < 4; i++) await run(1000 * part + i);
    });
  }

  it('have met everything that can happen', () => {
    for (const what of [
      'invalid at the next height',
      'utxo-missing',
      'coinbase-immature',
      'status fail',
      'negative gas',
      'gas below zero',
      'reorganised',
      'an older template',
      'a block with transactions',
    ]) {
      expect(met.get(what) ?? 0, what).toBeGreaterThan(2);
    }
  });
});
