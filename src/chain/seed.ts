/** Which seed a block's proof of work uses. Bytom 1.x consensus: "Proof of work", seed. */
import { hexToBytes } from '../util/bytes.ts';

/** Blocks that share a seed. */
const EPOCH_BLOCKS = 256;

/** The seed of blocks 0 … 256: SHA3-256 of 32 zero bytes. Never written to. */
export const INITIAL_SEED: Uint8Array = hexToBytes(
  '9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e',
  'initial seed',
  32,
);

/**
 * Height of the block, on the same branch, whose hash is the seed of a block at `height`.
 * 0 stands for `INITIAL_SEED`, not for the genesis hash. A block at a multiple of 256 still uses
 * the old seed: its own hash becomes the seed from the next block on.
 */
export function seedHeight(height: number): number {
  if (!Number.isSafeInteger(height) || height < 0) {
    throw new RangeError(`"height" expected an integer from 0 on, got ${height}`);
  }
  return height === 0 ? 0 : EPOCH_BLOCKS * Math.floor((height - 1) / EPOCH_BLOCKS);
}
