/**
 * Real transactions and blocks, damaged: whatever the damage, either an `InputError` comes out or
 * something whose own encoding says the same.
 */
import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { decodeTx, encodeTx } from '../../src/chain/tx-codec.ts';
import { assetIdOf, txIds } from '../../src/chain/tx-entries.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { seededRandom } from '../support/random.ts';
import { bytesOf, chainVectors, txValidationVectors, txVectors } from './vectors.ts';
import { ASSET_DEFINITION, ISSUANCE_PROGRAM, wireTx } from './wire.ts';

/** Of each kind of damage. */
const ROUNDS = 2500;
const BLOCK_ROUNDS = 1250;
const HUGE_COUNTS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

type Mutation = (bytes: Uint8Array, random: () => number) => Uint8Array;

const below = (random: () => number, n: number): number => Math.floor(random() * n);

function splice(
  bytes: Uint8Array,
  at: number,
  removed: number,
  added: readonly number[],
): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...added, ...bytes.subarray(at + removed)]);
}

/** With a name, and whether much of the damage does no harm, such as other bytes in a hash. */
const MUTATIONS: readonly (readonly [string, boolean, Mutation])[] = [
  [
    'flipped bits',
    true,
    (bytes, random) => {
      const out = bytes.slice();
      for (let n = 1 + below(random, 3); n > 0; n--) {
        out[below(random, out.length)]! ^= 1 << below(random, 8);
      }
      return out;
    },
  ],
  [
    'other bytes',
    true,
    (bytes, random) => bytes.with(below(random, bytes.length), below(random, 256)),
  ],
  ['a cut', false, (bytes, random) => bytes.subarray(0, below(random, bytes.length))],
  [
    'a hole',
    false,
    (bytes, random) => splice(bytes, below(random, bytes.length), 1 + below(random, 8), []),
  ],
  [
    'insertions',
    false,
    (bytes, random) => {
      const added = Array.from({ length: 1 + below(random, 8) }, () => below(random, 256));
      return splice(bytes, below(random, bytes.length), 0, added);
    },
  ],
  [
    'huge counts',
    false,
    (bytes, random) => {
      const count = HUGE_COUNTS[below(random, HUGE_COUNTS.length)]!;
      return splice(bytes, below(random, bytes.length), below(random, 2), count);
    },
  ],
  [
    'a part doubled',
    false,
    (bytes, random) => {
      const from = below(random, bytes.length);
      const part = [...bytes.subarray(from, from + 1 + below(random, 100))];
      return splice(bytes, below(random, bytes.length), 0, part);
    },
  ],
];

/** The result, or `undefined` if it was refused as it should be. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** What was read says the same when it is written as we write, and its ids are those of its fields. */
function expectSound(tx: Tx): void {
  const again = decodeTx(encodeTx(tx));
  expect(again.raw.length).toBeLessThanOrEqual(tx.raw.length);
  expect({ ...again, raw: tx.raw }).toEqual(tx);
  expect(txIds(tx).id).toEqual(tx.id);
}

describe('damaged transactions', () => {
  const everyKind = wireTx(assetIdOf(1n, ISSUANCE_PROGRAM, ASSET_DEFINITION));
  const corpus = [...txVectors(), ...txValidationVectors()]
    .map((v) => bytesOf(v.raw_transaction))
    .filter((bytes) => bytes.length > 0 && bytes.length < 2000);
  corpus.push(...Array.from({ length: 40 }, () => everyKind));

  it.each(MUTATIONS)('with %s are refused, or are what they say', (name, harmless, mutate) => {
    const random = seededRandom(name.length);
    let accepted = 0;
    for (let i = 0; i < ROUNDS; i++) {
      const bytes = mutate(corpus[below(random, corpus.length)]!, random);
      const tx = attempt(() => decodeTx(bytes));
      if (tx === undefined) continue;
      accepted++;
      expect(bytesEqual(tx.raw, bytes)).toBe(true);
      if (accepted % 10 === 0) expectSound(tx);
    }
    expect(accepted).toBeLessThan(ROUNDS);
    if (harmless) expect(accepted).toBeGreaterThan(ROUNDS / 4);
  });
});

describe('damaged blocks', () => {
  // Those with several transactions, and some others.
  const corpus = chainVectors()
    .filter((v) => v.height % 400 === 0 || (v.height > 100 && v.height < 160))
    .map((v) => bytesOf(v.raw_block));

  it.each(MUTATIONS)('with %s are refused, or are what they say', (name, harmless, mutate) => {
    const random = seededRandom(100 + name.length);
    let accepted = 0;
    for (let i = 0; i < BLOCK_ROUNDS; i++) {
      const bytes = mutate(corpus[below(random, corpus.length)]!, random);
      const block = attempt(() => decodeBlock(bytes));
      if (block === undefined) continue;
      accepted++;
      if (accepted % 10 !== 0) continue;
      expect(decodeBlock(encodeBlock(block))).toEqual(block);
      for (const tx of block.transactions) expectSound(tx);
    }
    expect(accepted).toBeLessThan(BLOCK_ROUNDS);
    if (harmless) expect(accepted).toBeGreaterThan(BLOCK_ROUNDS / 4);
  });
});

describe('random bytes', () => {
  it('are refused as transactions and as blocks', () => {
    const random = seededRandom(77);
    for (let i = 0; i < ROUNDS; i++) {
      const bytes = Uint8Array.from({ length: below(random, 120) }, () => below(random, 256));
      if (bytes.length > 0) bytes[0] = i % 2 === 0 ? 7 : 3;
      expect(attempt(() => (i % 2 === 0 ? decodeTx(bytes) : decodeBlock(bytes)))).toBeUndefined();
    }
  });
});
