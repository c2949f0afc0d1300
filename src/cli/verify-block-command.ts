/** `bytom-miner verify --block`: does a header's work meet the target in its own bits? */
import { type BlockHeader, headerHash } from '../chain/header.ts';
import { INITIAL_SEED, seedHeight } from '../chain/seed.ts';
import type { Seed } from '../tensority/hasher.ts';
import { bitsToTarget, meetsTarget, type Target, targetToWork } from '../tensority/target.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import {
  type CommandOutput,
  confirmHashes,
  hashAll,
  parseSeed,
  type ReadHeader,
  readHeader,
  readHexOrFile,
  type VerifyParts,
} from './pow-input.ts';

export interface VerifyBlockRequest {
  /** A serialised header or block: hex, or the name of a file that holds it as hex or bytes. */
  readonly block: string;
  /** 32 bytes in hex: the hash of the block that opened the epoch. */
  readonly seed: string;
  /** The bits the chain requires at this height, decimal or 0x hex. */
  readonly expectBits?: string;
}

/** A request that was read and found fit. */
export interface BlockClaim extends ReadHeader {
  readonly seed: Seed;
  readonly expectBits: bigint | undefined;
}

export interface VerifyBlockResult {
  readonly valid: boolean;
  /** Why it is not valid. */
  readonly reason?: string;
  readonly read: ReadHeader['form'];
  readonly blockHash: string;
  /** As the hash function gives it; the target compares with it as a little-endian integer. */
  readonly powHash: string;
  /** Big-endian hex, at least 64 digits, with a minus sign if negative. */
  readonly target: string;
  /** Expected hashes for one block: floor(2^256 / (target + 1)). */
  readonly difficulty: bigint;
  readonly bits: bigint;
  readonly height: number;
  readonly nonce: bigint;
  /** Present if the target is so large that no hash can miss it: such work proves nothing. */
  readonly anyHashMeets?: true;
}

const LARGEST_HASH = (1n << 256n) - 1n;
const MAX_U64 = (1n << 64n) - 1n;

/** Throws `InputError` for what cannot be read. */
export async function readBlockClaim(request: VerifyBlockRequest): Promise<BlockClaim> {
  const seed = parseSeed(request.seed);
  const expectBits =
    request.expectBits === undefined ? undefined : parseBits(request.expectBits, 'expect-bits');
  const bytes = await readHexOrFile(request.block, 'block');
  return { ...readHeader(bytes, 'block'), seed, expectBits };
}

/**
 * Throws `KernelsDisagreeError` if `confirm` computes another hash than the one that would make the
 * header invalid.
 */
export async function runVerifyBlock(
  { header, form, seed, expectBits }: BlockClaim,
  parts: VerifyParts,
): Promise<CommandOutput<VerifyBlockResult>> {
  const blockHash = headerHash(header);
  const target = bitsToTarget(header.bits);
  const table = await parts.tables(seed);
  const [powHash] = await hashAll(parts, table, [blockHash]);
  const meets = meetsTarget(powHash!, target);
  // A "no" blames whoever mined the block, so it takes two kernels; no hash meets a negative target.
  if (!meets && target >= 0n) await confirmHashes(parts, table, [blockHash], [powHash!]);
  const reason = whyInvalid(header, target, meets, expectBits);
  const result: VerifyBlockResult = {
    valid: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    read: form,
    blockHash: bytesToHex(blockHash),
    powHash: bytesToHex(powHash!),
    target: targetText(target),
    difficulty: targetToWork(target),
    bits: header.bits,
    height: header.height,
    nonce: header.nonce,
    ...(target >= LARGEST_HASH ? { anyHashMeets: true } : {}),
  };
  return { result, text: resultText(result, seed), exitCode: result.valid ? 0 : 1 };
}

/** Compact bits as people write them: decimal, or hex after 0x; at most 2^64−1. */
export function parseBits(text: string, field: string): bigint {
  const bits = /^(?:\d{1,20}|0[xX][0-9a-fA-F]{1,16})$/.test(text) ? BigInt(text) : undefined;
  if (bits !== undefined && bits <= MAX_U64) return bits;
  throw new InputError(field, 'an integer 0 … 2^64−1, decimal or 0x hex', `"${text}"`);
}

function whyInvalid(
  header: BlockHeader,
  target: Target,
  meets: boolean,
  expectBits: bigint | undefined,
): string | undefined {
  if (expectBits !== undefined && header.bits !== expectBits) {
    return `the header has bits ${bitsText(header.bits)}, expected ${bitsText(expectBits)}`;
  }
  if (target < 0n) return 'the target is negative: no hash meets it';
  if (meets) return undefined;
  return target === 0n
    ? 'the target is zero: only a hash of all zeros would meet it'
    : 'the PoW hash is above the target';
}

function resultText(result: VerifyBlockResult, seed: Uint8Array): string {
  const lines = [
    result.valid ? 'valid' : `not valid: ${result.reason}`,
    `block hash  ${result.blockHash}`,
    `height      ${result.height}`,
    `nonce       ${result.nonce}`,
    `bits        ${bitsText(result.bits)}`,
    `difficulty  ${result.difficulty}`,
    `PoW hash    ${result.powHash}  (little-endian: the last byte weighs most)`,
    `target      ${result.target}`,
  ];
  if (result.anyHashMeets === true) {
    lines.push('note: these bits mean a target that any hash meets; the work proves nothing');
  }
  if (result.read === 'block') {
    lines.push('note: this is a whole block; only its header was looked at');
  }
  if (seedHeight(result.height) === 0 && !bytesEqual(seed, INITIAL_SEED)) {
    lines.push(`note: heights up to 256 use the seed ${bytesToHex(INITIAL_SEED)}, not this one`);
  }
  return lines.join('\n');
}

function bitsText(bits: bigint): string {
  return `${bits} (0x${bits.toString(16).padStart(16, '0')})`;
}

function targetText(target: Target): string {
  const sign = target < 0n ? '-' : '';
  return sign + (target < 0n ? -target : target).toString(16).padStart(64, '0');
}
