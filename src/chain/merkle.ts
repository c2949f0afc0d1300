/**
 * Merkle roots of a block's transactions and of their statuses, and proofs that some of them are in
 * it. Bytom 1.x consensus: "Merkle roots".
 *
 * The tree is as full as can be on the left: k of n leaves, the largest power of two below n, go to
 * the left branch. Leaves and branches are hashed with different first bytes, so that none can pass
 * for the other.
 */
import { bytesEqual } from '../util/bytes.ts';
import { sha3 } from '../util/sha3.ts';
import type { Tx } from './tx.ts';

/** Root (32 bytes) over any byte strings. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return leaves.length === 0 ? sha3(new Uint8Array(0)) : rootOf(leaves, 0, leaves.length);
}

/** The root that a header names `transactionsMerkleRoot`. */
export function transactionsRoot(transactions: readonly Pick<Tx, 'id'>[]): Uint8Array {
  return merkleRoot(transactions.map((tx) => tx.id));
}

/** The root that a header names `transactionStatusHash`: for each transaction, whether it failed. */
export function statusRoot(statusFail: readonly boolean[]): Uint8Array {
  if (statusFail.length === 0) return merkleRoot([]);
  const failedBefore = new Uint32Array(statusFail.length + 1);
  statusFail.forEach((isFailed, i) => {
    failedBefore[i + 1] = failedBefore[i]! + Number(isFailed);
  });
  // Nearly all are good, and a subtree of nothing else depends on its size alone.
  const good = new Map<number, Uint8Array>([[1, leafHash(STATUS_GOOD)]]);
  const goodRoot = (count: number): Uint8Array => {
    let root = good.get(count);
    if (root === undefined) {
      const left = leftLeaves(count);
      root = branchHash(goodRoot(left), goodRoot(count - left));
      good.set(count, root);
    }
    return root;
  };
  const root = (start: number, end: number): Uint8Array => {
    if (failedBefore[start] === failedBefore[end]) return goodRoot(end - start);
    if (end - start === 1) return leafHash(STATUS_FAILED);
    const middle = start + leftLeaves(end - start);
    return branchHash(root(start, middle), root(middle, end));
  };
  return root(0, statusFail.length);
}

/** What the tree of statuses holds for a transaction: JSON, in ASCII. */
export function statusLeaf(failed: boolean): Uint8Array {
  return failed ? STATUS_FAILED : STATUS_GOOD;
}

/**
 * The part of a tree that leads to some of its leaves, in the form of the network's merkle blocks:
 * its nodes depth first, left before right, a flag for each and a hash for each that is no `PARENT`.
 */
export interface MerkleProof {
  /** Values of `PROOF_FLAGS`. */
  readonly flags: Uint8Array;
  /** 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
}

export const PROOF_FLAGS = {
  /** A subtree without any of the leaves; its hash is given. */
  SUBTREE: 0,
  /** A branch above one of the leaves; its two parts follow. */
  PARENT: 1,
  /** One of the leaves; the hash of its node is given. */
  LEAF: 2,
} as const;

/**
 * The proof for the leaves at `indexes`, in any order. Two trees of the same size give the same flags
 * for the same indexes. Throws `RangeError` for an index without a leaf.
 */
export function merkleProof(
  leaves: readonly Uint8Array[],
  indexes: readonly number[],
): MerkleProof {
  for (const index of indexes) {
    if (Number.isInteger(index) && index >= 0 && index < leaves.length) continue;
    throw new RangeError(`"indexes" expected integers below ${leaves.length}, got ${index}`);
  }
  const flags: number[] = [];
  const hashes: Uint8Array[] = [];
  const prove = (start: number, end: number, wanted: readonly number[]): void => {
    if (wanted.length === 0 || end - start === 1) {
      flags.push(wanted.length === 0 ? PROOF_FLAGS.SUBTREE : PROOF_FLAGS.LEAF);
      hashes.push(rootOf(leaves, start, end));
      return;
    }
    flags.push(PROOF_FLAGS.PARENT);
    const middle = start + leftLeaves(end - start);
    prove(
      start,
      middle,
      wanted.filter((index) => index < middle),
    );
    prove(
      middle,
      end,
      wanted.filter((index) => index >= middle),
    );
  };
  if (leaves.length > 0) prove(0, leaves.length, indexes);
  return { flags: Uint8Array.from(flags), hashes };
}

/**
 * Whether `proof` leads from exactly `leaves`, in the order of the tree, to `root`. Stricter than the
 * reference node, which reads past what is missing and over what is left: each flag and each hash
 * must have its use.
 */
export function verifyMerkleProof(
  root: Uint8Array,
  proof: MerkleProof,
  leaves: readonly Uint8Array[],
): boolean {
  const { flags, hashes } = proof;
  if (flags.length === 0) {
    return hashes.length === 0 && leaves.length === 0 && bytesEqual(root, merkleRoot([]));
  }
  let flagsRead = 0;
  let hashesRead = 0;
  let leavesRead = 0;

  const nextHash = (): Uint8Array | undefined => {
    const hash = hashes[hashesRead++];
    // What a longer one has too much, its neighbour would cover in their parent's message.
    return hash?.length === 32 ? hash : undefined;
  };
  const nodeHash = (depth: number): Uint8Array | undefined => {
    switch (flags[flagsRead++]) {
      case PROOF_FLAGS.SUBTREE:
        return nextHash();
      case PROOF_FLAGS.LEAF: {
        const hash = nextHash();
        const leaf = leaves[leavesRead++];
        const known = hash !== undefined && leaf !== undefined && bytesEqual(hash, leafHash(leaf));
        return known ? hash : undefined;
      }
      case PROOF_FLAGS.PARENT: {
        if (depth === MAX_DEPTH) return undefined;
        const leavesBefore = leavesRead;
        const left = nodeHash(depth + 1);
        const right = left && nodeHash(depth + 1);
        return right && leavesRead > leavesBefore ? branchHash(left, right) : undefined;
      }
      default:
        return undefined;
    }
  };
  const computed = nodeHash(0);
  const allUsed =
    flagsRead === flags.length && hashesRead === hashes.length && leavesRead === leaves.length;
  return allUsed && computed !== undefined && bytesEqual(computed, root);
}

/** A count is a varint31, so no tree is deeper; a proof may come from anybody. */
const MAX_DEPTH = 31;

const STATUS_GOOD: Uint8Array = new TextEncoder().encode('{}');
const STATUS_FAILED: Uint8Array = new TextEncoder().encode('{"status_fail":true}');

const LEAF_PREFIX = 0;
const BRANCH_PREFIX = 1;

/** Of at least one leaf. */
function rootOf(leaves: readonly Uint8Array[], start: number, end: number): Uint8Array {
  const count = end - start;
  if (count === 1) return leafHash(leaves[start]!);
  const middle = start + leftLeaves(count);
  return branchHash(rootOf(leaves, start, middle), rootOf(leaves, middle, end));
}

/** How many of `count` leaves (at least 2) go left: the largest power of two below it. */
export function leftLeaves(count: number): number {
  return 2 ** (31 - Math.clz32(count - 1));
}

/** The node of a leaf. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + leaf.length);
  message[0] = LEAF_PREFIX;
  message.set(leaf, 1);
  return sha3(message);
}

/** The node above two others. */
export function branchHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const message = new Uint8Array(65);
  message[0] = BRANCH_PREFIX;
  message.set(left, 1);
  message.set(right, 33);
  return sha3(message);
}
