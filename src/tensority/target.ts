/**
 * Targets. `bits` is Bytom's compact form: 64 bits wide (exponent in the top byte, sign in bit 55,
 * 55-bit mantissa), not Bitcoin's 32. A PoW hash is good if it, as a little-endian integer, is at
 * most the target. Rules: consensus specification of Bytom 1.x, "Difficulty".
 */
import { bytesToU256 } from '../util/u256.ts';

/** The largest good PoW hash as an integer. Above 2^256−1 every hash is good; below 0 none is. */
export type Target = bigint;

const TWO_256 = 1n << 256n;
const MANTISSA = 0x007f_ffff_ffff_ffffn;
const SIGN = 0x0080_0000_0000_0000n;

/** The target that compact `bits` (u64) mean; negative if the sign bit is set. */
export function bitsToTarget(bits: bigint): Target {
  const exponent = bits >> 56n;
  const mantissa = bits & MANTISSA;
  const size =
    exponent <= 3n ? mantissa >> (8n * (3n - exponent)) : mantissa << (8n * (exponent - 3n));
  return (bits & SIGN) === 0n ? size : -size;
}

/**
 * The compact form of a target, with its mantissa cut to 3 bytes; bit 23 is no sign here.
 * A negative target (a retarget over a negative time span) is cut towards minus infinity, as an
 * arithmetic shift does it, so its mantissa can reach 0x1000000.
 */
export function targetToBits(target: Target): bigint {
  if (target === 0n) return 0n;
  const exponent = BigInt(Math.ceil(magnitude(target).toString(16).length / 2));
  const shift = 8n * (exponent - 3n);
  const mantissa = magnitude(shift <= 0n ? target << -shift : target >> shift);
  return (exponent << 56n) | mantissa | (target < 0n ? SIGN : 0n);
}

/** Expected hashes to meet the target: floor(2^256 / (target + 1)); 0 for a target of zero or less. */
export function targetToWork(target: Target): bigint {
  return target <= 0n ? 0n : TWO_256 / (target + 1n);
}

/** The share target of a pool difficulty: floor(2^256 / difficulty). */
export function difficultyToTarget(difficulty: bigint): Target {
  if (difficulty < 1n) throw new RangeError(`difficulty expected 1 or more, got ${difficulty}`);
  return TWO_256 / difficulty;
}

/** The pool difficulty of a target, as people read it: 2^256 / target, rounded to a double. */
export function targetToDifficulty(target: Target): number {
  if (target <= 0n) return Number.POSITIVE_INFINITY;
  return Number((TWO_256 << 32n) / target) / 2 ** 32;
}

/** True if the 32-byte PoW hash, read little-endian, is at most the target. */
export function meetsTarget(powHash: Uint8Array, target: Target): boolean {
  return bytesToU256(powHash) <= target;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}
