/** `bytom-miner hash`: the PoW hash of one header under a seed. */
import { headerHash } from '../chain/header.ts';
import type { Seed } from '../tensority/hasher.ts';
import { bytesToHex, hexToBytes } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { type CommandOutput, type HashParts, hashAll, parseSeed, readHeader } from './pow-input.ts';

export interface HashRequest {
  /** 32 bytes in hex. */
  readonly seed: string;
  /** A header hash (32 bytes in hex), or a serialised header or block in hex. */
  readonly header: string;
}

/** A request that was read and found fit. */
export interface HashInput {
  readonly seed: Seed;
  readonly headerHash: Uint8Array;
  /** What `header` was taken for. */
  readonly read: 'header-hash' | 'header' | 'block';
}

export interface HashResult {
  readonly seed: string;
  readonly read: HashInput['read'];
  readonly headerHash: string;
  /** As the hash function gives it; targets compare with it as a little-endian integer. */
  readonly powHash: string;
}

/** The shortest header that can be written; anything between a hash and this is neither. */
const MIN_HEADER_BYTES = 103;

/** Throws `InputError` for a seed or header that is not what it must be. */
export function readHashRequest(request: HashRequest): HashInput {
  const seed = parseSeed(request.seed);
  const bytes = hexToBytes(request.header, 'header');
  if (bytes.length === 32) return { seed, headerHash: bytes, read: 'header-hash' };
  if (bytes.length < MIN_HEADER_BYTES) {
    const expected = '32 bytes (a header hash) or a serialised header';
    throw new InputError('header', expected, `${bytes.length} bytes`);
  }
  const { header, form } = readHeader(bytes, 'header');
  return { seed, headerHash: headerHash(header), read: form };
}

export async function runHash(
  input: HashInput,
  parts: HashParts,
): Promise<CommandOutput<HashResult>> {
  const [powHash] = await hashAll(parts, await parts.tables(input.seed), [input.headerHash]);
  const result: HashResult = {
    seed: bytesToHex(input.seed),
    read: input.read,
    headerHash: bytesToHex(input.headerHash),
    powHash: bytesToHex(powHash!),
  };
  return { result, text: resultText(result), exitCode: 0 };
}

function resultText({ read, headerHash: hash, powHash }: HashResult): string {
  switch (read) {
    case 'header-hash':
      return `${powHash}  (of the header hash as given)`;
    case 'header':
      return `${powHash}  (of the serialised header with hash ${hash})`;
    case 'block':
      return `${powHash}  (of the block with hash ${hash}; its transactions were not looked at)`;
  }
}
