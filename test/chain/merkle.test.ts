import { describe, expect, it } from 'vitest';
import {
  type MerkleProof,
  merkleProof,
  merkleRoot,
  PROOF_FLAGS,
  statusLeaf,
  statusRoot,
  transactionsRoot,
  verifyMerkleProof,
} from '../../src/chain/merkle.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { seededRandom } from '../support/random.ts';
import { bytesOf, load } from './vectors.ts';

interface MerkleVector {
  readonly tx_ids: readonly string[];
  readonly status_fail: readonly boolean[];
  readonly tx_merkle_root: string;
  readonly tx_status_root: string;
}

const { cases } = load('merkle.json') as { cases: readonly MerkleVector[] };
const { SUBTREE, PARENT, LEAF } = PROOF_FLAGS;

const leavesOf = (v: MerkleVector): Uint8Array[] => v.tx_ids.map(bytesOf);
const manyLeaves = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => sha3(Uint8Array.of(i & 255, i >> 8)));
const branch = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha3(concatBytes(Uint8Array.of(1), left, right));

describe('roots', () => {
  it('are those of the reference node for 0 … 17 transactions and their statuses', () => {
    expect(cases.map((v) => v.tx_ids.length)).toEqual(Array.from({ length: 18 }, (_, i) => i));
    for (const v of cases) {
      const name = `${v.tx_ids.length} transactions`;
      expect(bytesToHex(merkleRoot(leavesOf(v))), name).toBe(v.tx_merkle_root);
      const transactions = leavesOf(v).map((id) => ({ id }));
      expect(bytesToHex(transactionsRoot(transactions)), name).toBe(v.tx_merkle_root);
      expect(bytesToHex(statusRoot(v.status_fail)), name).toBe(v.tx_status_root);
    }
  });

  it('of statuses are those over their leaves, however many have failed', () => {
    const random = seededRandom(77);
    for (let count = 0; count < 70; count++) {
      for (const part of [0, 0.05, 0.5, 1]) {
        const statusFail = Array.from({ length: count }, () => random() < part);
        const name = `${count} statuses, ${part} failed`;
        expect(statusRoot(statusFail), name).toEqual(merkleRoot(statusFail.map(statusLeaf)));
      }
    }
  });

  it('take leaves of any length', () => {
    expect(merkleRoot([new Uint8Array(0)])).toEqual(sha3(Uint8Array.of(0)));
    const leaf = new Uint8Array(100).fill(5);
    expect(merkleRoot([leaf])).toEqual(sha3(concatBytes(Uint8Array.of(0), leaf)));
  });

  it('split as the largest power of two below the number of leaves says', () => {
    for (const [count, left] of [
      [2, 1],
      [3, 2],
      [4, 2],
      [5, 4],
      [8, 4],
      [9, 8],
      [1024, 512],
      [1025, 1024],
    ] as const) {
      const leaves = manyLeaves(count);
      const whole = branch(merkleRoot(leaves.slice(0, left)), merkleRoot(leaves.slice(left)));
      expect(merkleRoot(leaves), `${count} leaves`).toEqual(whole);
    }
  });
});

describe('proofs', () => {
  const five = manyLeaves(5);
  const nodes = five.map((leaf) => merkleRoot([leaf]));

  it('list flags and hashes depth first', () => {
    expect(merkleProof(five, [2])).toEqual({
      flags: Uint8Array.of(PARENT, PARENT, SUBTREE, PARENT, LEAF, SUBTREE, SUBTREE),
      hashes: [branch(nodes[0]!, nodes[1]!), nodes[2], nodes[3], nodes[4]],
    });
    expect(merkleProof(five, [4])).toEqual({
      flags: Uint8Array.of(PARENT, SUBTREE, LEAF),
      hashes: [merkleRoot(five.slice(0, 4)), nodes[4]],
    });
    expect(merkleProof(five, [4, 0, 0])).toEqual(merkleProof(five, [0, 4]));
  });

  it('for no leaf are the root alone, and for a tree without leaves nothing', () => {
    expect(merkleProof(five, [])).toEqual({
      flags: Uint8Array.of(SUBTREE),
      hashes: [merkleRoot(five)],
    });
    expect(merkleProof([], [])).toEqual({ flags: new Uint8Array(0), hashes: [] });
    const nothing = merkleProof([], []);
    expect(verifyMerkleProof(merkleRoot([]), nothing, [])).toBe(true);
    expect(verifyMerkleProof(merkleRoot([]), nothing, [five[0]!])).toBe(false);
    expect(verifyMerkleProof(merkleRoot(five), nothing, [])).toBe(false);
  });

  it('hold for every choice of leaves of every small tree', () => {
    for (let count = 1; count <= 7; count++) {
      const leaves = manyLeaves(count);
      const root = merkleRoot(leaves);
      for (let mask = 0; mask < 1 << count; mask++) {
        const indexes = leaves.flatMap((_, i) => ((mask >> i) & 1 ? [i] : []));
        const proven = indexes.map((i) => leaves[i]!);
        const proof = merkleProof(leaves, indexes);
        expect(verifyMerkleProof(root, proof, proven), `${count}: ${indexes}`).toBe(true);
      }
    }
  });

  it('hold in large trees', () => {
    const random = seededRandom(3);
    const leaves = manyLeaves(700);
    const root = merkleRoot(leaves);
    for (let i = 0; i < 10; i++) {
      const indexes = leaves.flatMap((_, at) => (random() < 0.02 ? [at] : []));
      const proven = indexes.map((at) => leaves[at]!);
      expect(verifyMerkleProof(root, merkleProof(leaves, indexes), proven)).toBe(true);
    }
  });

  it('have the same flags for transactions and for their statuses', () => {
    for (const v of cases) {
      if (v.tx_ids.length < 2) continue;
      const indexes = [0, v.tx_ids.length - 1];
      const statuses = v.status_fail.map(statusLeaf);
      const proof = merkleProof(statuses, indexes);
      expect(proof.flags).toEqual(merkleProof(leavesOf(v), indexes).flags);
      const proven = indexes.map((i) => statuses[i]!);
      const root = bytesOf(v.tx_status_root);
      expect(verifyMerkleProof(root, proof, proven), `${v.tx_ids.length}`).toBe(true);
      const turned = [statusLeaf(!v.status_fail[0]), proven[1]!];
      expect(verifyMerkleProof(root, proof, turned), `${v.tx_ids.length}`).toBe(false);
    }
  });

  it('do not exist for leaves that do not', () => {
    for (const bad of [5, -1, 0.5, Number.NaN]) {
      expect(() => merkleProof(five, [1, bad])).toThrow(
        `"indexes" expected integers below 5, got ${bad}`,
      );
    }
    expect(() => merkleProof([], [0])).toThrow(RangeError);
  });
});

describe('verification', () => {
  const leaves = manyLeaves(11);
  const root = merkleRoot(leaves);
  const trials: readonly (readonly number[])[] = [[], [0], [10], [3, 4], [1, 8, 9], [0, 5, 10]];

  /** Runs `alter` on each proof; none of what it gives may pass. */
  function rejects(
    alter: (
      proof: MerkleProof,
      proven: readonly Uint8Array[],
    ) => Iterable<readonly [flags: Uint8Array, hashes: Uint8Array[], proven: Uint8Array[]]>,
  ): void {
    let tried = 0;
    for (const indexes of trials) {
      const proof = merkleProof(leaves, indexes);
      const proven = indexes.map((i) => leaves[i]!);
      expect(verifyMerkleProof(root, proof, proven), `${indexes}`).toBe(true);
      for (const [flags, hashes, wanted] of alter(proof, proven)) {
        tried++;
        expect(verifyMerkleProof(root, { flags, hashes }, wanted), `${indexes}: ${flags}`).toBe(
          false,
        );
      }
    }
    expect(tried).toBeGreaterThan(3);
  }

  it('rejects any other flag in any place', () => {
    rejects(function* ({ flags, hashes }, proven) {
      for (let i = 0; i < flags.length; i++) {
        for (const flag of [0, 1, 2, 3, 255]) {
          if (flag !== flags[i]) yield [flags.with(i, flag), [...hashes], [...proven]];
        }
      }
    });
  });

  it('rejects any other bit of a hash, of a leaf and of the root', () => {
    rejects(function* ({ flags, hashes }, proven) {
      const flip = (bytes: Uint8Array, bit: number): Uint8Array =>
        bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
      for (let i = 0; i < hashes.length; i++) {
        for (const bit of [0, 7, 100, 255]) {
          yield [flags, hashes.with(i, flip(hashes[i]!, bit)), [...proven]];
        }
      }
      for (let i = 0; i < proven.length; i++) {
        yield [flags, [...hashes], proven.with(i, flip(proven[i]!, 77))];
      }
    });
    const proof = merkleProof(leaves, [3]);
    expect(verifyMerkleProof(root.with(31, root[31]! ^ 1), proof, [leaves[3]!])).toBe(false);
  });

  it('rejects missing, surplus and exchanged flags, hashes and leaves', () => {
    rejects(function* ({ flags, hashes }, proven) {
      for (let i = 0; i < flags.length; i++) {
        yield [Uint8Array.from(flags).filter((_, at) => at !== i), [...hashes], [...proven]];
        yield [
          Uint8Array.of(...flags.subarray(0, i), 0, ...flags.subarray(i)),
          [...hashes],
          [...proven],
        ];
      }
      for (let i = 0; i < hashes.length; i++) {
        yield [flags, hashes.toSpliced(i, 1), [...proven]];
        yield [flags, hashes.toSpliced(i, 0, hashes[i]!), [...proven]];
        for (let j = 0; j < i; j++) {
          yield [flags, hashes.with(i, hashes[j]!).with(j, hashes[i]!), [...proven]];
        }
      }
      yield [flags, [...hashes, hashes[0]!], [...proven]];
      yield [Uint8Array.of(...flags, SUBTREE), [...hashes], [...proven]];
      yield [Uint8Array.of(...flags, SUBTREE), [...hashes, hashes[0]!], [...proven]];
      yield [flags, [...hashes], [...proven, leaves[6]!]];
      yield [flags, [...hashes], [leaves[6]!, ...proven]];
      if (proven.length > 0) yield [flags, [...hashes], proven.slice(1)];
      if (proven.length > 1) yield [flags, [...hashes], proven.toReversed()];
    });
  });

  it('rejects hashes of other lengths, even if their parent is the same', () => {
    const two = leaves.slice(0, 2);
    const [left, right] = two.map((leaf) => merkleRoot([leaf])) as [Uint8Array, Uint8Array];
    const flags = Uint8Array.of(PARENT, LEAF, SUBTREE);
    const both = merkleRoot(two);
    expect(verifyMerkleProof(both, { flags, hashes: [left, right] }, [two[0]!])).toBe(true);
    const moved = [left.subarray(0, 31), concatBytes(left.subarray(31), right)];
    for (const hashes of [moved, [left, right.subarray(0, 31)], [left, new Uint8Array(0)]]) {
      expect(verifyMerkleProof(both, { flags, hashes }, [two[0]!])).toBe(false);
    }
    const second = Uint8Array.of(PARENT, SUBTREE, LEAF);
    const longer = [concatBytes(left, Uint8Array.of(7)), right];
    expect(verifyMerkleProof(both, { flags: second, hashes: [left, right] }, [two[1]!])).toBe(true);
    expect(verifyMerkleProof(both, { flags: second, hashes: longer }, [two[1]!])).toBe(false);
  });

  it('rejects a branch without any of the leaves that is not given as one hash', () => {
    const [left, right] = [merkleRoot(leaves.slice(0, 8)), merkleRoot(leaves.slice(8))];
    const spread = { flags: Uint8Array.of(PARENT, SUBTREE, SUBTREE), hashes: [left, right] };
    expect(verifyMerkleProof(root, spread, [])).toBe(false);
  });

  it('does not take a branch for a leaf', () => {
    const two = leaves.slice(0, 2);
    const children = concatBytes(...two.map((leaf) => merkleRoot([leaf])));
    const asLeaf = { flags: Uint8Array.of(LEAF), hashes: [merkleRoot(two)] };
    expect(verifyMerkleProof(merkleRoot(two), asLeaf, [children])).toBe(false);
  });

  it('survives a proof that goes down without end', () => {
    const flags = new Uint8Array(1_000_000).fill(PARENT);
    expect(verifyMerkleProof(root, { flags, hashes: [root] }, [leaves[0]!])).toBe(false);
  });
});
