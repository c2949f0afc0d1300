/** The verdicts of the reference node on whole transactions, gas to the unit. */
import { describe, expect, it } from 'vitest';
import { decodeTx } from '../../src/chain/tx-codec.ts';
import { type TxVerdict, validateTx } from '../../src/consensus/tx-rules.ts';
import { InputError } from '../../src/util/errors.ts';
import { bytesOf, load } from '../chain/vectors.ts';

interface TxCase {
  readonly name: string;
  readonly block_height: number;
  readonly block_version: number;
  readonly is_first_tx_of_block: boolean;
  readonly raw_transaction: string;
  readonly result: 'ok' | 'status_fail' | 'invalid' | 'parse_error' | 'crash';
  readonly gas_left?: number;
  readonly gas_used?: number;
  readonly gas_valid?: boolean;
  readonly storage_gas?: number;
  readonly fee?: string;
}

const { cases } = load('tx_validation.json') as { cases: readonly TxCase[] };

/** What the reference crashes on, and an asset version it knows to refuse, do not decode here. */
const UNREADABLE = new Set(
  cases.filter(
    ({ name, result }) =>
      result === 'parse_error' || result === 'crash' || name.startsWith('input asset version 2'),
  ),
);

/**
 * The reference takes BTM inputs in random order. In these, input 0 is the bad one, and it had already
 * run a good one: one signature's worth of gas is booked, which here is not.
 */
function tookAnotherInputFirst({ name, block_height: height }: TxCase): boolean {
  return name.endsWith('corrupted signature') && [206, 225, 231].includes(height);
}

/** All the gas of a transaction of which nothing ran. */
const bought = (each: TxCase): number => each.gas_left! + each.gas_used!;

describe('the transactions of tx_validation.json', () => {
  it('are all there', () => {
    expect(cases.length).toBe(282);
    expect(UNREADABLE.size).toBe(12);
  });

  it('get the verdict, the gas and the fee of the reference', () => {
    for (const each of cases) {
      if (!UNREADABLE.has(each)) expectGas(each, expectVerdict(each), tookAnotherInputFirst(each));
    }
  });

  it('are refused by the decoder where the reference cannot read them or crashes', () => {
    for (const { name, raw_transaction } of UNREADABLE) {
      expect(() => decodeTx(bytesOf(raw_transaction)), name).toThrow(InputError);
    }
  });
});

describe('the random transactions of tx_validation_random.json', () => {
  const { cases: random } = load('tx_validation_random.json') as { cases: readonly TxCase[] };

  it('get the verdict, the gas and the fee of the reference, or do not decode', () => {
    let decoded = 0;
    for (const each of random) {
      const bytes = bytesOf(each.raw_transaction);
      if (each.result === 'parse_error' || each.result === 'crash') {
        expect(() => decodeTx(bytes), each.name).toThrow(InputError);
        continue;
      }
      const verdict = expectVerdict(each);
      // Of an invalid one the gas says only how far the reference came, which looks at assets in any order.
      if (each.result !== 'invalid') expectGas(each, verdict, false);
      decoded++;
    }
    expect(decoded).toBeGreaterThan(300);
  });
});

function expectVerdict(each: TxCase): TxVerdict {
  const verdict = validateTx(decodeTx(bytesOf(each.raw_transaction)), {
    blockVersion: each.block_version,
    blockHeight: each.block_height,
    firstInBlock: each.is_first_tx_of_block,
  });
  expect(verdict.result.replace('-', '_'), labelOf(each, verdict)).toBe(each.result);
  return verdict;
}

function expectGas(each: TxCase, verdict: TxVerdict, otherFirst: boolean): void {
  expect(verdict.gas, labelOf(each, verdict)).toEqual({
    gasLeft: otherFirst ? bought(each) : each.gas_left,
    gasUsed: otherFirst ? 0 : each.gas_used,
    gasValid: each.gas_valid,
    storageGas: each.storage_gas,
    fee: BigInt(each.fee!),
  });
}

function labelOf({ name, block_height: height }: TxCase, verdict: TxVerdict): string {
  return `${name} at ${height}: ${verdict.error?.message}`;
}
