/**
 * Which difficulty a block must have, and what it counts for. Bytom 1.x consensus: "Difficulty".
 *
 * Unlike Bitcoin's, a retarget spans 2016 whole intervals, from the last block of a period to the last
 * of the next, and has no limits: not on the factor, not on the target, which may exceed 2^256, and not
 * on the sign. A period that ends before it began asks for a negative target, which no block can meet.
 */
import type { BlockHeader } from '../chain/header.ts';
import { bitsToTarget, targetToBits, targetToWork } from '../tensority/target.ts';
import { RETARGET_BLOCKS, TARGET_SECONDS_PER_BLOCK } from './params.ts';

const PERIOD_SECONDS = BigInt(RETARGET_BLOCKS * TARGET_SECONDS_PER_BLOCK);

/**
 * Height of the ancestor whose time decides on the bits of the block after a parent at
 * `parentHeight`; `undefined` if that block has the bits of its parent.
 */
export function retargetAnchorHeight(parentHeight: number): number | undefined {
  const retargets = parentHeight > 0 && parentHeight % RETARGET_BLOCKS === 0;
  return retargets ? parentHeight - RETARGET_BLOCKS : undefined;
}

/**
 * The bits of the block after `parent`. `anchor` is the ancestor at `retargetAnchorHeight`, and is
 * asked for only where there is one; a `RangeError` says if it is missing or another. The result can
 * be beyond what a header can carry: then the chain ends here.
 */
export function nextBits(
  parent: Pick<BlockHeader, 'height' | 'timestamp' | 'bits'>,
  anchor?: Pick<BlockHeader, 'height' | 'timestamp'>,
): bigint {
  const anchorHeight = retargetAnchorHeight(parent.height);
  if (anchorHeight === undefined) return parent.bits;
  if (anchor?.height !== anchorHeight) {
    const got = anchor === undefined ? 'none' : `that at ${anchor.height}`;
    throw new RangeError(`"anchor" expected the header at height ${anchorHeight}, got ${got}`);
  }
  const seconds = BigInt(parent.timestamp) - BigInt(anchor.timestamp);
  return targetToBits(divideDown(bitsToTarget(parent.bits) * seconds, PERIOD_SECONDS));
}

/** What a block with `bits` adds to the total work of its branch: the expected number of hashes. */
export function blockWork(bits: bigint): bigint {
  return targetToWork(bitsToTarget(bits));
}

/** Rounded towards minus infinity, where `/` rounds towards zero. `divisor` is positive. */
function divideDown(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}
