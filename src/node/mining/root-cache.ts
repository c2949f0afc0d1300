/**
 * The root over a template's transactions, when most of them were in the one before: nodes are kept with
 * what they were made of, as long as that is there. The coinbase comes first and is new each time, but
 * changes no more than the nodes above it. Bytom 1.x consensus: "Merkle roots".
 */
import { branchHash, leafHash, leftLeaves, merkleRoot } from '../../chain/merkle.ts';
import type { Tx } from '../../chain/tx.ts';

export class RootCache {
  readonly #leaves = new WeakMap<Pick<Tx, 'id'>, Uint8Array>();
  /** By the left part: the last right one, and the node above both. */
  readonly #branches = new WeakMap<
    Uint8Array,
    { readonly right: Uint8Array; readonly node: Uint8Array }
  >();

  /** What `transactionsRoot` gives. */
  root(transactions: readonly Pick<Tx, 'id'>[]): Uint8Array {
    if (transactions.length === 0) return merkleRoot([]);
    return this.#node(transactions, 0, transactions.length);
  }

  #node(transactions: readonly Pick<Tx, 'id'>[], start: number, end: number): Uint8Array {
    const count = end - start;
    if (count === 1) return this.#leaf(transactions[start]!);
    const middle = start + leftLeaves(count);
    const left = this.#node(transactions, start, middle);
    const right = this.#node(transactions, middle, end);
    // The same arrays, not equal ones: each was made once, for what it stands for.
    const known = this.#branches.get(left);
    if (known?.right === right) return known.node;
    const node = branchHash(left, right);
    this.#branches.set(left, { right, node });
    return node;
  }

  #leaf(tx: Pick<Tx, 'id'>): Uint8Array {
    let leaf = this.#leaves.get(tx);
    if (leaf === undefined) {
      leaf = leafHash(tx.id);
      this.#leaves.set(tx, leaf);
    }
    return leaf;
  }
}
