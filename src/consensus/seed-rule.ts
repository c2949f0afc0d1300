/**
 * The seed of the next block's proof of work, on its own branch: two branches that part before the
 * end of an epoch have different seeds after it. Bytom 1.x consensus: "Proof of work", seed.
 */
import { INITIAL_SEED, seedHeight } from '../chain/seed.ts';
import type { Seed } from '../tensority/hasher.ts';
import type { Branch, HashedHeader } from './branch.ts';

/** The seed (32 bytes, not to be written to) of a block whose parent is `parent`. */
export function nextSeed(parent: HashedHeader, branch: Branch): Seed {
  const height = seedHeight(parent.header.height + 1);
  if (height === 0) return INITIAL_SEED;
  // A parent at a multiple of 256 is itself the block that opens the epoch.
  return height === parent.header.height ? parent.hash : branch.ancestor(height).hash;
}
