import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { headerHash } from '../../src/chain/header.ts';
import { statusRoot, transactionsRoot } from '../../src/chain/merkle.ts';
import { encodeTx } from '../../src/chain/tx-codec.ts';
import { encodeVarint31, MAX_VARINT31 } from '../../src/chain/varint.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { bytesOf, chainVectors, genesisVectors, scenarioVectors } from './vectors.ts';
import { padVarint } from './wire.ts';

const chain = chainVectors();
const raw = (height: number): Uint8Array => bytesOf(chain[height]!.raw_block);
/** With four transactions. */
const busy = raw(146);

describe('blocks of a whole chain', () => {
  it('decode and encode to the same bytes, and have their hash', () => {
    expect(chain.length).toBe(2031);
    for (const v of chain) {
      const block = decodeBlock(bytesOf(v.raw_block));
      expect(block.header.height).toBe(v.height);
      expect(bytesToHex(block.hash), `height ${v.height}`).toBe(v.hash);
      expect(bytesToHex(encodeBlock(block)), `height ${v.height}`).toBe(v.raw_block);
    }
  });

  it('have the roots that their headers name', () => {
    let transactions = 0;
    let failed = 0;
    for (const v of chain) {
      const block = decodeBlock(bytesOf(v.raw_block));
      const { transactionsMerkleRoot, transactionStatusHash } = block.header;
      const statusFail = block.transactions.map((_, i) => v.status_fail.includes(i));
      expect(transactionsRoot(block.transactions), `height ${v.height}`).toEqual(
        transactionsMerkleRoot,
      );
      expect(statusRoot(statusFail), `height ${v.height}`).toEqual(transactionStatusHash);
      transactions += statusFail.length;
      failed += v.status_fail.length;
    }
    expect([transactions, failed]).toEqual([2288, 1]);
  });

  it('hold transactions that are encoded as we would', () => {
    for (const v of chain) {
      for (const tx of decodeBlock(bytesOf(v.raw_block)).transactions) {
        expect(bytesToHex(encodeTx(tx)), `height ${v.height}`).toBe(bytesToHex(tx.raw));
      }
    }
  });
});

describe('good and bad blocks of a scenario', () => {
  it('all have their form and their hash; one has another transactions root', () => {
    const otherRoot: string[] = [];
    const steps = scenarioVectors();
    expect(steps.length).toBe(160);
    for (const v of steps) {
      const block = decodeBlock(bytesOf(v.raw_block));
      expect(bytesToHex(block.hash), v.name).toBe(v.block_hash);
      expect(block.header.height, v.name).toBe(v.height);
      expect(bytesToHex(encodeBlock(block)), v.name).toBe(v.raw_block);
      const root = bytesToHex(transactionsRoot(block.transactions));
      if (root !== bytesToHex(block.header.transactionsMerkleRoot)) otherRoot.push(v.name);
    }
    expect(otherRoot).toEqual(['wrong transaction merkle root']);
  });
});

describe('genesis blocks', () => {
  it('decode to their hash and encode to the same bytes', () => {
    for (const [network, v] of genesisVectors()) {
      const block = decodeBlock(bytesOf(v.raw_block));
      expect(bytesToHex(block.hash), network).toBe(v.hash);
      expect(bytesToHex(encodeBlock(block)), network).toBe(v.raw_block);
      expect(block.transactions.length, network).toBe(1);
    }
  });
});

describe('a block', () => {
  it('is not a header alone', () => {
    expect(() => decodeBlock(raw(1).with(0, 1))).toThrow(
      'block.flag: expected 3 (a block with its transactions), got 1',
    );
    expect(() => decodeBlock(raw(1).with(0, 2), 'tip')).toThrow('tip.flag: expected 1');
  });

  it('is refused when cut at any byte, and when anything follows', () => {
    for (const bytes of [raw(1), busy]) {
      for (let end = 0; end < bytes.length; end++) {
        expect(() => decodeBlock(bytes.subarray(0, end)), `first ${end}`).toThrow(InputError);
      }
      expect(() => decodeBlock(concatBytes(bytes, Uint8Array.of(7)))).toThrow(
        `block.end: expected nothing after the last transaction at byte ${bytes.length}, got 1 byte`,
      );
    }
  });

  it('may have no transactions', () => {
    const { header } = decodeBlock(raw(1));
    const bytes = encodeBlock({ header, transactions: [] });
    expect(decodeBlock(bytes)).toEqual({ header, hash: headerHash(header), transactions: [] });
  });

  it('cannot announce more transactions than can follow', () => {
    const { header } = decodeBlock(raw(1));
    const empty = encodeBlock({ header, transactions: [] });
    const hostile = concatBytes(
      empty.subarray(0, -1),
      encodeVarint31(MAX_VARINT31),
      new Uint8Array(103),
    );
    expect(() => decodeBlock(hostile)).toThrow(
      `block.number of transactions: expected at most 20 (103 bytes follow) at byte ${empty.length - 1}`,
    );
  });

  it('names the transaction and the field that is wrong', () => {
    const { header, transactions } = decodeBlock(busy);
    expect(transactions.length).toBeGreaterThan(2);
    const wrong = transactions.map((tx, i) => (i === 2 ? { ...tx, raw: tx.raw.with(0, 8) } : tx));
    const before = encodeBlock({ header, transactions: transactions.slice(0, 2) }).length;
    expect(() => decodeBlock(encodeBlock({ header, transactions: wrong }))).toThrow(
      `block.transactions[2].flag: expected 7 at byte ${before}, got 8`,
    );
  });

  it('is written with a canonical header and its transactions as they came', () => {
    const { header, transactions } = decodeBlock(raw(1));
    const tx = transactions[0]!;
    // Version 1 in two bytes; the transactions' version in three.
    const bytes = encodeBlock({ header, transactions: [] });
    expect([...bytes.subarray(0, 2), ...tx.raw.subarray(0, 2)]).toEqual([3, 1, 7, 1]);
    const padded = concatBytes(
      Uint8Array.of(3),
      padVarint(Uint8Array.of(1), 1),
      bytes.subarray(2, -1),
      Uint8Array.of(1, 7),
      padVarint(Uint8Array.of(1), 2),
      tx.raw.subarray(2),
    );
    const block = decodeBlock(padded);
    expect(block.hash).toEqual(headerHash(header));
    expect(block.transactions[0]?.id).toEqual(tx.id);
    expect(block.transactions[0]?.raw.length).toBe(tx.raw.length + 2);
    expect(bytesToHex(encodeBlock(block))).toBe(
      bytesToHex(concatBytes(padded.subarray(0, 1), Uint8Array.of(1), padded.subarray(3))),
    );
  });
});
