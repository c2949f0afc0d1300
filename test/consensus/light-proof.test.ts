import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../src/chain/block.ts';
import { statusRoot, transactionsRoot } from '../../src/chain/merkle.ts';
import { LightProofError } from '../../src/consensus/light-error.ts';
import {
  createTransactionProof,
  type ProvenTransaction,
  type TransactionProof,
  verifyTransactionProof,
} from '../../src/consensus/light-proof.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { bytesOf, chainVectors } from '../chain/vectors.ts';
import { seededRandom } from '../support/random.ts';

interface TestBlock {
  readonly header: Parameters<typeof verifyTransactionProof>[0];
  readonly transactions: readonly ProvenTransaction[];
}

/** A block of so many transactions, every third one failed. */
function blockOf(count: number): TestBlock {
  const transactions = Array.from({ length: count }, (_, i) => ({
    id: sha3(Uint8Array.of(count, i)),
    failed: i % 3 === 2,
  }));
  return {
    header: {
      height: 1000 + count,
      transactionsMerkleRoot: transactionsRoot(transactions),
      transactionStatusHash: statusRoot(transactions.map(({ failed }) => failed)),
    },
    transactions,
  };
}

function pick(block: TestBlock, indexes: readonly number[]): ProvenTransaction[] {
  return indexes.map((index) => block.transactions[index]!);
}

/** The code of the refusal; `undefined` if the proof is good. */
function verdict(
  block: TestBlock,
  proof: TransactionProof,
  transactions: readonly ProvenTransaction[],
): string | undefined {
  try {
    verifyTransactionProof(block.header, proof, transactions);
    return undefined;
  } catch (error) {
    if (error instanceof LightProofError) return error.detail.code;
    throw error;
  }
}

function changed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[31]! ^= 128;
  return copy;
}

describe('verifyTransactionProof', () => {
  it('proves each transaction of recorded blocks, one that failed included', () => {
    const failing = chainVectors().filter(({ status_fail }) => status_fail.length > 0);
    const large = chainVectors().filter(({ raw_block }) => raw_block.length > 4_000);
    expect(failing.length).toBeGreaterThan(0);
    for (const vector of [...failing, ...large.slice(0, 20)]) {
      const { header, transactions } = decodeBlock(bytesOf(vector.raw_block));
      const all = transactions.map(({ id }, i) => ({ id, failed: vector.status_fail.includes(i) }));
      all.forEach((one, i) => {
        const proof = createTransactionProof(all, [i]);
        expect(verdict({ header, transactions: all }, proof, [one])).toBeUndefined();
        const lie = { ...one, failed: !one.failed };
        expect(verdict({ header, transactions: all }, proof, [lie])).toBe('statuses');
      });
    }
  });

  it('proves any choice of transactions from blocks of any size', () => {
    const random = seededRandom(4);
    for (let count = 1; count <= 40; count++) {
      const block = blockOf(count);
      const all = block.transactions.map((_, i) => i);
      const some = all.filter(() => random() < 0.3);
      for (const indexes of [all, [0], [count - 1], some]) {
        if (indexes.length === 0) continue;
        const proof = createTransactionProof(block.transactions, indexes);
        const name = `${indexes} of ${count}`;
        expect(verdict(block, proof, pick(block, indexes)), name).toBeUndefined();
      }
    }
  });

  it('has nothing to say about no transactions', () => {
    const block = blockOf(4);
    const proof = createTransactionProof(block.transactions, []);
    expect(() => verifyTransactionProof(block.header, proof, [])).toThrow(RangeError);
  });
});

describe('a tampered proof is refused', () => {
  const block = blockOf(13);
  const indexes = [2, 3, 9, 12];
  const proof = createTransactionProof(block.transactions, indexes);
  const claimed = pick(block, indexes);

  it('but for the tampering it is good', () => {
    expect(verdict(block, proof, claimed)).toBeUndefined();
  });

  it('with any flag changed, left out or added', () => {
    const flags = [...proof.flags];
    let cases = 0;
    for (let at = 0; at <= flags.length; at++) {
      for (const flag of [0, 1, 2, 3, 255]) {
        const others = [flags.toSpliced(at, 0, flag)];
        if (at < flags.length && flag !== flags[at]) others.push(flags.with(at, flag));
        if (at < flags.length) others.push(flags.toSpliced(at, 1));
        for (const other of others) {
          if (`${other}` === `${flags}`) continue;
          const bad = { ...proof, flags: Uint8Array.from(other) };
          expect(verdict(block, bad, claimed), `${other}`).toBe('transactions');
          cases++;
        }
      }
    }
    expect(cases).toBeGreaterThan(150);
  });

  it.each([
    ['transactionHashes', 'transactions'],
    ['statusHashes', 'statuses'],
  ] as const)('with any of the %s changed, left out, added or cut', (list, code) => {
    const hashes = proof[list];
    for (let at = 0; at <= hashes.length; at++) {
      const others = [hashes.toSpliced(at, 0, sha3(Uint8Array.of(1)))];
      if (at < hashes.length) {
        others.push(hashes.with(at, changed(hashes[at]!)));
        others.push(hashes.with(at, hashes[at]!.subarray(0, 31)));
        others.push(hashes.toSpliced(at, 1));
      }
      for (const other of others) {
        expect(verdict(block, { ...proof, [list]: other }, claimed), `${list} ${at}`).toBe(code);
      }
    }
  });

  it('with a transaction changed, left out, added, or in another order', () => {
    const stranger = { id: sha3(Uint8Array.of(9, 9)), failed: false };
    const lists = claimed.flatMap((one, at) => [
      claimed.with(at, stranger),
      claimed.with(at, { ...one, id: changed(one.id) }),
      claimed.toSpliced(at, 1),
      claimed.toSpliced(at, 0, stranger),
      claimed.toSpliced(at, 0, one),
    ]);
    lists.push(claimed.toReversed(), claimed.with(0, claimed[1]!).with(1, claimed[0]!));
    for (const list of lists) {
      expect(verdict(block, proof, list), `${list.length}`).toBe('transactions');
    }
  });

  it('with another status for any of them', () => {
    claimed.forEach((one, at) => {
      const list = claimed.with(at, { ...one, failed: !one.failed });
      expect(verdict(block, proof, list), `${at}`).toBe('statuses');
    });
  });

  it('with the status of another place: the flags of one tree serve both', () => {
    // 1 succeeded and 2 failed: whoever wants 2 to look good shows the status of 1.
    const right = createTransactionProof(block.transactions, [2]);
    const other = createTransactionProof(block.transactions, [1]);
    const lie = [{ ...block.transactions[2]!, failed: false }];
    expect(verdict(block, right, lie)).toBe('statuses');
    expect(verdict(block, { ...right, statusHashes: other.statusHashes }, lie)).toBe('statuses');
    const flags = { ...right, flags: other.flags, statusHashes: other.statusHashes };
    expect(verdict(block, flags, lie)).toBe('transactions');
  });

  it('against another block', () => {
    const { header } = block;
    const root = changed(header.transactionsMerkleRoot);
    const status = changed(header.transactionStatusHash);
    const others: readonly (readonly [Partial<TestBlock['header']>, string])[] = [
      [{ transactionsMerkleRoot: root }, 'transactions'],
      [{ transactionStatusHash: status }, 'statuses'],
      [blockOf(14).header, 'transactions'],
    ];
    for (const [change, code] of others) {
      const other = { ...block, header: { ...header, ...change } };
      expect(verdict(other, proof, claimed)).toBe(code);
    }
  });

  it('by passing a branch of the tree off as a transaction', () => {
    const two = blockOf(2);
    const [left, right] = createTransactionProof(two.transactions, [0, 1]).transactionHashes;
    const branch = Uint8Array.from([1, ...left!, ...right!]);
    const fake = [{ id: branch, failed: false }];
    const root = two.header.transactionsMerkleRoot;
    const bad = { flags: Uint8Array.of(2), transactionHashes: [root], statusHashes: [root] };
    expect(verdict(two, bad, fake)).toBe('transactions');
  });
});
