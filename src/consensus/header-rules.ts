/**
 * The rules for headers: what a branch demands of the next one, whether a header meets it, and what
 * proof of work is left to be shown. Bytom 1.x consensus: "Block validation", rules 1 to 6.
 *
 * The proof of work takes tens of milliseconds or more, everything else microseconds. So it is not
 * computed here: whoever holds a hasher proves the claim that `checkHeader` returns, for many headers
 * of one seed at a time, and only for headers that are right in everything else.
 */
import type { BlockHeader } from '../chain/header.ts';
import type { Seed } from '../tensority/hasher.ts';
import { bitsToTarget, meetsTarget, type Target } from '../tensority/target.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { bytesToU256 } from '../util/u256.ts';
import type { Branch, HashedHeader } from './branch.ts';
import { nextBits, retargetAnchorHeight } from './difficulty.ts';
import { BLOCK_VERSION, FUTURE_LIMIT_SECONDS, MEDIAN_BLOCKS } from './params.ts';
import { RuleError, type RuleName } from './rule-error.ts';
import { nextSeed } from './seed-rule.ts';

/** What a branch demands of the header that comes next. */
export interface HeaderContext {
  readonly parent: HashedHeader;
  /** Seconds; the next block must be later. */
  readonly medianTime: number;
  readonly requiredBits: bigint;
  /** For its proof of work. */
  readonly seed: Seed;
}

/** What is left to show: that Tensority of `headerHash` under `seed` is at most `target`. */
export interface PowClaim {
  readonly headerHash: Uint8Array;
  readonly seed: Seed;
  /** Above zero. */
  readonly target: Target;
}

/** The context of the block after `parent`; `branch` holds the ancestors of `parent`. */
export function headerContext(parent: HashedHeader, branch: Branch): HeaderContext {
  const anchorHeight = retargetAnchorHeight(parent.header.height);
  const anchor = anchorHeight === undefined ? undefined : branch.ancestor(anchorHeight).header;
  return {
    parent,
    medianTime: medianTime(parent, branch),
    requiredBits: nextBits(parent.header, anchor),
    seed: nextSeed(parent, branch),
  };
}

/**
 * Checks everything but the proof of work, in the reference's order, and returns what that has to
 * show. `hash` is the hash of `header`, which the caller has computed; `now` is the caller's clock in
 * seconds. Throws `RuleError`; only a header too far in the future is nobody's fault. A target of
 * zero or less is refused at once: no hash is below it, and that one is zero is as good as never.
 */
export function checkHeader(
  header: BlockHeader,
  hash: Uint8Array,
  context: HeaderContext,
  now: number,
): PowClaim {
  const { parent, medianTime, requiredBits, seed } = context;
  const { version, height, bits, previousBlockHash, timestamp } = header;
  if (version !== BLOCK_VERSION) refuse('header-version', `${BLOCK_VERSION}`, `${version}`);
  const nextHeight = parent.header.height + 1;
  if (height !== nextHeight) refuse('header-height', `${nextHeight}`, `${height}`);
  if (bits !== requiredBits) refuse('header-bits', `${requiredBits}`, `${bits}`);
  if (!bytesEqual(previousBlockHash, parent.hash)) {
    refuse('previous-block', bytesToHex(parent.hash), bytesToHex(previousBlockHash));
  }
  const latest = now + FUTURE_LIMIT_SECONDS;
  if (timestamp > latest) {
    throw new RuleError({
      rule: 'timestamp-too-late',
      expected: `at most ${latest}, ${FUTURE_LIMIT_SECONDS} s from now`,
      actual: `${timestamp}`,
      blame: 'nobody',
    });
  }
  if (timestamp <= medianTime) {
    refuse('timestamp-too-early', `more than the median time ${medianTime}`, `${timestamp}`);
  }
  const target = bitsToTarget(bits);
  if (target <= 0n) refuse('proof-of-work', 'a target above 0', hexInteger(target));
  return { headerHash: hash, seed, target };
}

/** Throws `RuleError` if `powHash` (32 bytes), the Tensority of the claim, is above the target. */
export function checkProofOfWork(claim: PowClaim, powHash: Uint8Array): void {
  if (meetsTarget(powHash, claim.target)) return;
  const actual = hexInteger(bytesToU256(powHash));
  refuse('proof-of-work', `at most ${hexInteger(claim.target)}`, actual);
}

/** Of the parent and up to ten blocks before it; of an even number of blocks, the later middle one. */
function medianTime(parent: HashedHeader, branch: Branch): number {
  const { height } = parent.header;
  const times = [parent.header.timestamp];
  const lowest = Math.max(0, height - MEDIAN_BLOCKS + 1);
  for (let at = height - 1; at >= lowest; at--) times.push(branch.ancestor(at).header.timestamp);
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)]!;
}

function hexInteger(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function refuse(rule: RuleName, expected: string, actual: string): never {
  throw new RuleError({ rule, expected, actual });
}
