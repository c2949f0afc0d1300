import { describe, expect, it } from 'vitest';
import type { Tx, TxInput } from '../../src/chain/tx.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../../src/chain/tx-entries.ts';
import { validateTx, validatingTx } from '../../src/consensus/tx-rules.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { assemble } from '../../src/vm/assemble.ts';
import { RUN_BOUNDS } from '../../src/vm/run.ts';
import { seededRandom } from '../support/random.ts';
import {
  ANYONE,
  type Coin,
  FEE,
  issueInput,
  issuer,
  keyOwner,
  NOBODY,
  type Owner,
  outputOf,
  type Payment,
  programOwner,
  scriptOwner,
  spendInput,
  transaction,
} from '../support/spending.ts';
import { modelVerdict } from './tx-model.ts';

const ALICE = keyOwner(1);
const LOW = { blockVersion: 1, blockHeight: 142_499, firstInBlock: false };
const HIGH = { ...LOW, blockHeight: 142_500 };
const GOLD = issuer(ANYONE);

/** A coin out of nowhere: whether it is there is no matter here. */
function coin(n: number, owner: Owner, amount = 100_000_000n, assetId = BTM_ASSET_ID): Coin {
  const sourceId = new Uint8Array(32).fill(n);
  return { assetId, amount, sourceId, sourcePosition: BigInt(n), owner };
}

const pay = (amount: bigint): Payment => ({ to: ALICE, amount });

describe('a transaction', () => {
  it('is refused from height 142,500 on if two inputs are the same', () => {
    const tx = transaction({ from: [coin(1, ANYONE), coin(1, ANYONE)], to: [pay(FEE)] });
    expect(validateTx(tx, HIGH)).toMatchObject({
      result: 'invalid',
      error: { detail: { rule: 'tx-duplicate-input', input: 0, blame: 'peer' } },
      gas: { gasLeft: 0, gasUsed: 0, fee: 0n },
    });
    const low = validateTx(tx, LOW);
    expect(low).toMatchObject({
      result: 'status-fail',
      error: { detail: { rule: 'tx-input-mismatch', input: 0 } },
      gas: { gasValid: true, fee: 200_000_000n - FEE },
    });
  });

  it('runs the last of equal inputs, with its arguments and at its position, for all of them', () => {
    const script = assemble('INDEX 1 NUMEQUALVERIFY');
    const [yes, no] = [1, 0].map((byte) => scriptOwner(script, [Uint8Array.of(byte)]));
    const results = [[no!, yes!], [yes!, no!], [yes!]].map((owners) => {
      const from = owners.map((owner) => coin(1, owner));
      return validateTx(transaction({ from, to: [pay(FEE)] }), LOW).error?.detail;
    });
    expect(results).toMatchObject([
      { rule: 'tx-input-mismatch', input: 0 },
      { rule: 'tx-program', input: 1, actual: 'false result' },
      { rule: 'tx-program', input: 0, actual: 'false result' },
    ]);
  });

  it('is nobody’s fault if its time has passed', () => {
    const at = (timeRange: number): Tx =>
      transaction({ from: [coin(1, ANYONE)], to: [pay(FEE)], timeRange: BigInt(timeRange) });
    expect(validateTx(at(142_499), LOW).result).toBe('ok');
    expect(validateTx(at(142_498), LOW)).toMatchObject({
      result: 'invalid',
      error: { detail: { rule: 'tx-time-range', blame: 'nobody' } },
    });
  });

  it('keeps all the gas that its programs give back', () => {
    const round = '0 PROGRAM 1 CHECKPREDICATE DROP '.replace('PROGRAM', '0xc4');
    const generous = programOwner(assemble(`${round.repeat(4)} 0x${'00'.repeat(300)} DROP TRUE`));
    const by = issuer(generous);
    const verdict = validateTx(
      transaction({
        from: [coin(1, ANYONE)],
        issue: [{ issuer: by, amount: 1n }],
        to: [{ to: NOBODY, amount: 1n, assetId: by.assetId }],
      }),
      LOW,
    );
    expect(verdict.result).toBe('ok');
    const { gasLeft, gasUsed } = verdict.gas;
    expect(gasLeft).toBeGreaterThan(200_000);
    expect(gasLeft + gasUsed).toBe(200_000);
  });

  it('has the fee that its sums leave, to the last neu of 64 bits', () => {
    const most = 2n ** 63n - 1n;
    const verdict = validateTx(transaction({ from: [coin(1, ANYONE, most)], to: [pay(0n)] }), LOW);
    expect(verdict).toMatchObject({ result: 'ok', gas: { fee: most } });
    const from = [coin(1, ANYONE, most), coin(2, ANYONE, 1n)];
    expect(validateTx(transaction({ from, to: [pay(0n)] }), LOW).error?.detail).toMatchObject({
      rule: 'tx-overflow',
      input: 1,
      actual: `${most + 1n}`,
    });
    const to = [pay(most), pay(2n), pay(1n)];
    const negative = validateTx(transaction({ from: [coin(1, ANYONE, 1n)], to }), LOW);
    expect(negative.error?.detail).toMatchObject({ rule: 'tx-overflow', output: 2 });
  });

  it('may have one coinbase, as input 0, and other inputs beside it', () => {
    const coinbase = (text: number): TxInput => ({
      type: 'coinbase',
      arbitrary: Uint8Array.of(text),
    });
    const spend = spendInput(coin(1, ANYONE));
    const outputs = [outputOf(pay(50n))];
    const first = { ...LOW, firstInBlock: true };
    const verdicts = [
      [coinbase(1), spend],
      [spend, coinbase(1)],
      [coinbase(1), coinbase(1)],
      [coinbase(1), coinbase(2)],
    ]
      .map((inputs) => createTx({ version: 1n, timeRange: 0n, inputs, outputs }))
      .flatMap((tx) => [validateTx(tx, first), validateTx(tx, { ...HIGH, firstInBlock: true })])
      .map(({ result, error }) => error?.detail.rule ?? result);
    expect(verdicts).toEqual([
      ...['ok', 'ok'],
      ...['coinbase-position', 'coinbase-position'],
      // Equal ones are one entry, which is in the right place; where that is allowed, only its copy fails.
      ...['tx-input-mismatch', 'coinbase-position'],
      ...['coinbase-position', 'coinbase-position'],
    ]);
  });
});

describe('a program', () => {
  const other = issuer(ANYONE, Uint8Array.of(9));
  const to: Payment[] = [
    { to: ALICE, amount: 3n, assetId: GOLD.assetId },
    { to: programOwner(assemble('FAIL 7')), amount: 4n, assetId: GOLD.assetId },
  ];
  const ids = { gold: bytesToHex(GOLD.assetId), other: bytesToHex(other.assetId) };
  const alice = bytesToHex(ALICE.program);

  /** Whether `program`, which guards 7 units of gold, accepts. */
  function accepts(program: string): boolean {
    const gold = coin(7, programOwner(assemble(program)), 7n, GOLD.assetId);
    const { result, error } = validateTx(transaction({ from: [coin(1, ANYONE), gold], to }), LOW);
    if (result !== 'ok') expect(error?.detail).toMatchObject({ rule: 'tx-program', input: 1 });
    return result === 'ok';
  }

  it('learns whether an output is what it claims, in every part', () => {
    expect(accepts(`0 3 0x${ids.gold} 1 0x${alice} CHECKOUTPUT`)).toBe(true);
    for (const claim of [
      `1 3 0x${ids.gold} 1 0x${alice}`,
      `2 3 0x${ids.gold} 1 0x${alice}`,
      `0 4 0x${ids.gold} 1 0x${alice}`,
      `0 3 0x${ids.other} 1 0x${alice}`,
      `0 3 0x${ids.gold} 0 0x${alice}`,
      `0 3 0x${ids.gold} 2 0x${alice}`,
      `0 3 0x${ids.gold} 1 0x${alice}00`,
    ]) {
      expect(accepts(`${claim} CHECKOUTPUT`), claim).toBe(false);
    }
  });

  it('finds a retirement by version 0 and any program, but inside a predicate by none', () => {
    const claim = (version: number, program: string, index = 1): string =>
      `${index} 4 0x${ids.gold} ${version} ${program} CHECKOUTPUT`;
    const inside = (text: string): string => `0 0x${bytesToHex(assemble(text))} 0 CHECKPREDICATE`;
    expect(accepts(claim(0, '0x51'))).toBe(true);
    expect(accepts(claim(0, '0'))).toBe(true);
    expect(accepts(claim(1, '0x6a57'))).toBe(false);
    expect(accepts(`1 3 0x${ids.gold} 0 0 CHECKOUTPUT`)).toBe(false);
    expect(accepts(`1 4 0x${ids.other} 0 0 CHECKOUTPUT`)).toBe(false);
    expect(accepts(inside(claim(0, '0')))).toBe(true);
    expect(accepts(inside(claim(0, '0x51')))).toBe(false);
  });

  it('that gains gas for ever is refused within bounds, where another would let it fail', () => {
    const loop = '$a 0 0xc4 1 CHECKPREDICATE DROP JUMP:$a';
    const endless = concatBytes(assemble(loop), new Uint8Array(100_000));
    const bounds = { ...RUN_BOUNDS, work: 2 ** 26 };
    const verdicts = [endless, assemble('FAIL')].map((program) => {
      const gold = coin(7, programOwner(program), 7n, GOLD.assetId);
      const paid = coin(1, ANYONE, 200_000n * 200n + 100_000_000n);
      const tx = transaction({ from: [paid, gold], to });
      let steps = 0;
      const validation = validatingTx(tx, { ...LOW, bounds });
      for (;;) {
        const { done, value } = validation.next();
        if (done === true) return { ...value, steps };
        steps++;
      }
    });
    expect(verdicts).toMatchObject([
      {
        result: 'invalid',
        error: { detail: { rule: 'tx-program-endless', input: 1, blame: 'nobody' } },
        // Of 2^24 each; in the fourth the bound is reached.
        steps: 3,
      },
      { result: 'status-fail', error: { detail: { rule: 'tx-program', input: 1 } }, steps: 0 },
    ]);
  });

  it('knows its input, its coin, its transaction and the height', () => {
    expect(accepts('INDEX 1 NUMEQUAL')).toBe(true);
    expect(accepts(`ASSET 0x${ids.gold} EQUAL`)).toBe(true);
    expect(accepts('AMOUNT 7 NUMEQUAL')).toBe(true);
    expect(accepts('BLOCKHEIGHT 142499 NUMEQUAL')).toBe(true);
    expect(accepts('PROGRAM SIZE 4 NUMEQUALVERIFY')).toBe(true);
  });

  it('is given the ids that others computed', () => {
    const ask = issuer(programOwner(assemble('OUTPUTID')));
    const issues = transaction({
      from: [coin(1, ANYONE)],
      issue: [{ issuer: ask, amount: 1n }],
      to: [{ to: NOBODY, amount: 1n, assetId: ask.assetId }],
    });
    expect(validateTx(issues, LOW).error?.detail).toMatchObject({ rule: 'tx-program', input: 1 });
    // Arguments are in no id: the program compares with what the transaction is known to have.
    for (const [opcode, field] of [
      ['OUTPUTID', 'spentOutputIds'],
      ['ENTRYID', 'inputIds'],
    ] as const) {
      const from = [
        coin(1, ANYONE),
        coin(7, programOwner(assemble(`${opcode} EQUAL`)), 7n, GOLD.assetId),
      ];
      const plain = transaction({ from, to });
      const inputs = plain.inputs.map((input, i) =>
        i === 0 ? input : { ...input, arguments: [plain[field][1]!] },
      );
      expect(validateTx(createTx({ ...plain, inputs: inputs as TxInput[] }), LOW).result).toBe(
        'ok',
      );
    }
  });
});

describe('random transactions', () => {
  const random = seededRandom(8);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;

  const argument = (byte: number): Uint8Array[] => [Uint8Array.of(byte)];
  const btmOwners: readonly Owner[] = [
    ANYONE,
    ANYONE,
    ALICE,
    scriptOwner(assemble('NOP'), argument(1)),
    scriptOwner(assemble('NOP'), argument(0)),
    scriptOwner(assemble('INDEX 1 NUMEQUAL')),
    scriptOwner(assemble('8000 $a 1SUB DUP JUMPIF:$a NOT')),
    programOwner(assemble(`1 0x${'00'.repeat(20)}`)),
    programOwner(assemble('2')),
  ];
  const otherOwners: readonly Owner[] = [
    ...btmOwners,
    programOwner(new Uint8Array(0), argument(1)),
    programOwner(new Uint8Array(0), argument(0)),
    programOwner(assemble('INDEX 2 LESSTHAN')),
    NOBODY,
  ];
  const assets = [BTM_ASSET_ID, BTM_ASSET_ID, BTM_ASSET_ID, GOLD.assetId];

  /** Coins with few ids, so that some are the same; mostly balanced. */
  function randomTx(): Tx {
    const from: TxInput[] = [];
    for (let i = below(5) + 1; i > 0; i--) {
      const assetId = pick(assets);
      const owner = pick(assetId === BTM_ASSET_ID ? btmOwners : otherOwners);
      const source = spendInput(coin(below(2), owner, 50_000_000n, assetId));
      const input = below(8) === 0 ? issueInput({ issuer: GOLD, amount: 5n }) : source;
      if (input.type === 'coinbase') continue;
      from.push({ ...input, arguments: owner.unlock(new Uint8Array(32)) });
    }
    if (below(5) === 0) {
      const at = pick([0, 0, from.length]);
      from.splice(at, below(2), {
        type: 'coinbase',
        arbitrary: new Uint8Array(pick([3, 128, 129])),
      });
    }
    const sums = new Map<Uint8Array, bigint>();
    for (const input of from) {
      if (input.type === 'coinbase') continue;
      sums.set(input.assetId, (sums.get(input.assetId) ?? 0n) + input.amount);
    }
    const outputs: Payment[] = [...sums].map(([assetId, sum]) => {
      const fee = assetId === BTM_ASSET_ID ? pick([0n, 20_000n, 100_000n, 10_000_000n, sum]) : 0n;
      const wrong = below(12) === 0 ? pick([1n, -1n]) : 0n;
      return { to: pick([ALICE, ANYONE, NOBODY]), amount: sum - fee + wrong, assetId };
    });
    // What a coinbase brings in.
    if (from.some(({ type }) => type === 'coinbase') && below(4) > 0) {
      outputs.unshift({ to: pick([ALICE, NOBODY]), amount: 7n, assetId: pick(assets) });
    }
    return createTx({
      version: below(20) === 0 ? 2n : 1n,
      timeRange: pick([0n, 0n, 0n, 142_499n]),
      inputs: from,
      outputs: outputs.filter(({ amount }) => amount >= 0n).map(outputOf),
    });
  }

  it('get the verdict and the gas of the plain rules', () => {
    const seen = new Map<string, number>();
    for (let run = 0; run < 600; run++) {
      let tx: Tx;
      try {
        tx = randomTx();
      } catch (error) {
        // No outputs beside a coinbase.
        if (error instanceof RangeError) continue;
        throw error;
      }
      const context = { ...pick([LOW, LOW, HIGH]), firstInBlock: below(2) === 0 };
      const verdict = validateTx(tx, context);
      const label = `run ${run}: ${verdict.error?.message}`;
      expect({ result: verdict.result, gas: verdict.gas }, label).toEqual(
        modelVerdict(tx, context),
      );
      const rule = verdict.error?.detail.rule ?? verdict.result;
      seen.set(rule, (seen.get(rule) ?? 0) + 1);
    }
    // None of it is idle: each of these came up.
    expect([...seen.keys()].sort()).toEqual([
      'coinbase-arbitrary',
      'coinbase-asset',
      'coinbase-position',
      'ok',
      'tx-duplicate-input',
      'tx-gas-credit',
      'tx-input-mismatch',
      'tx-no-outputs',
      'tx-not-standard',
      'tx-program',
      'tx-storage-gas',
      'tx-time-range',
      'tx-unbalanced',
      'tx-version',
    ]);
  });
});
