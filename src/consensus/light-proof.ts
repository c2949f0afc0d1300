/**
 * Proofs that transactions are in a block, and whether each succeeded, for who has nothing of the
 * block but its header. Bytom 1.x consensus: "Merkle roots".
 *
 * Being in a block is not enough: one that failed is in it as well, has paid its fee, and has moved
 * nothing but BTM. So both trees of the block are proved, and one list of flags serves for both, which
 * makes sure that a status is that of its own transaction and not that of another one. The header
 * itself must be known to be good: `verifyHeaders`.
 */
import type { BlockHeader } from '../chain/header.ts';
import { merkleProof, statusLeaf, verifyMerkleProof } from '../chain/merkle.ts';
import { LightProofError } from './light-error.ts';

/** The parts of a block's two trees that lead to some of its transactions. */
export interface TransactionProof {
  /** Of both trees, depth first: values of `PROOF_FLAGS`. */
  readonly flags: Uint8Array;
  /** In the tree of transactions; 32 bytes each. */
  readonly transactionHashes: readonly Uint8Array[];
  /** In the tree of statuses; 32 bytes each. */
  readonly statusHashes: readonly Uint8Array[];
}

/** What is said about a transaction of the block. */
export interface ProvenTransaction {
  /** 32 bytes; covers all that the transaction does, and not the arguments of its inputs. */
  readonly id: Uint8Array;
  /** It is in the block and paid its fee, but only its BTM moved. */
  readonly failed: boolean;
}

/**
 * Returns if `proof` shows that `transactions`, and they alone and in the order of the block, are in
 * the block of `header` with these statuses. Throws `LightProofError` 'transactions' or 'statuses', and
 * `RangeError` for an empty list, about which there is nothing to show.
 */
export function verifyTransactionProof(
  header: Pick<BlockHeader, 'height' | 'transactionsMerkleRoot' | 'transactionStatusHash'>,
  proof: TransactionProof,
  transactions: readonly ProvenTransaction[],
): void {
  if (transactions.length === 0) throw new RangeError('"transactions" expected some, got none');
  const { height, transactionsMerkleRoot, transactionStatusHash } = header;
  const { flags, transactionHashes, statusHashes } = proof;
  const ids = transactions.map(({ id }) => id);
  if (!verifyMerkleProof(transactionsMerkleRoot, { flags, hashes: transactionHashes }, ids)) {
    throw new LightProofError({ code: 'transactions', height });
  }
  const statuses = transactions.map(({ failed }) => statusLeaf(failed));
  if (!verifyMerkleProof(transactionStatusHash, { flags, hashes: statusHashes }, statuses)) {
    throw new LightProofError({ code: 'statuses', height });
  }
}

/** The proof for the transactions at `indexes` of a block, which `block` lists in full. */
export function createTransactionProof(
  block: readonly ProvenTransaction[],
  indexes: readonly number[],
): TransactionProof {
  const ids = merkleProof(
    block.map(({ id }) => id),
    indexes,
  );
  const statuses = merkleProof(
    block.map(({ failed }) => statusLeaf(failed)),
    indexes,
  );
  return { flags: ids.flags, transactionHashes: ids.hashes, statusHashes: statuses.hashes };
}
