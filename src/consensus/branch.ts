/** A branch of the block tree, as far as the rules for headers look back on it. */
import type { BlockHeader } from '../chain/header.ts';

/** A header with its hash, computed once. A `Block` is one, too. */
export interface HashedHeader {
  readonly header: BlockHeader;
  /** The block hash, 32 bytes. */
  readonly hash: Uint8Array;
}

/** The ancestors of a block: it is the parent of whatever is to be checked. */
export interface Branch {
  /**
   * The ancestor at `height`, on the branch that ends in the parent. Asked for heights below the
   * parent's alone: ten before it, the last block whose hash became a seed, and the one where the
   * period of the difficulty began, up to 2016 blocks before.
   */
  ancestor(height: number): HashedHeader;
}
