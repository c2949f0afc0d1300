/**
 * Block headers: as data, as they travel (wire form) and as they are hashed (136-byte preimage).
 * Bytom 1.x consensus: "Block header" and "Entry ids".
 *
 * The two forms differ in more than encoding: on the wire the nonce comes before the bits, in the
 * preimage it comes last. The hash of the preimage names the block, is the input of its proof of
 * work, and becomes the seed of a later epoch.
 */

import { concatBytes, writeU64 } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { createEntryHasher } from './entry.ts';
import { ByteReader, encodeVarint31, encodeVarint63 } from './varint.ts';

export interface BlockHeader {
  readonly version: number;
  readonly height: number;
  readonly previousBlockHash: Uint8Array;
  /** Seconds since 1970 (UTC). */
  readonly timestamp: number;
  readonly transactionsMerkleRoot: Uint8Array;
  readonly transactionStatusHash: Uint8Array;
  /** u64; above 2^63−1 it cannot be put in a block. */
  readonly nonce: bigint;
  /** u64, compact target. */
  readonly bits: bigint;
}

/** First byte of the wire form: a header alone. */
export const HEADER_FLAG = 1;
/** First byte of the wire form: a header with its transactions after it. */
export const BLOCK_FLAG = 3;

/** Bytes of the hash preimage. */
export const PREIMAGE_BYTES = 136;
/** Where the preimage holds the nonce, u64 little-endian: its last 8 bytes. */
export const PREIMAGE_NONCE_OFFSET = 128;

export interface DecodedHeader {
  readonly header: BlockHeader;
  readonly flag: typeof HEADER_FLAG | typeof BLOCK_FLAG;
  /** Length of the header; after `BLOCK_FLAG` the transactions begin here. */
  readonly bytesRead: number;
}

/**
 * Reads a header from the start of `bytes`; what follows it is the caller's business. An unknown
 * suffix of the commitment is dropped: it is not hashed. Throws `InputError` naming `name` and the field.
 */
export function decodeHeader(bytes: Uint8Array, name = 'header'): DecodedHeader {
  const reader = new ByteReader(bytes, name);
  const flag = reader.byte('flag');
  if (flag !== HEADER_FLAG && flag !== BLOCK_FLAG) {
    throw new InputError(`${name}.flag`, '1 (header) or 3 (block)', String(flag));
  }
  const version = reader.safeInteger('version');
  const height = reader.safeInteger('height');
  const previousBlockHash = reader.bytes(32, 'previousBlockHash');
  const timestamp = reader.safeInteger('timestamp');
  const commitment = reader.nested('commitment');
  const transactionsMerkleRoot = commitment.bytes(32, 'transactionsMerkleRoot');
  const transactionStatusHash = commitment.bytes(32, 'transactionStatusHash');
  const nonce = reader.varint63('nonce');
  const bits = reader.varint63('bits');
  return {
    header: {
      version,
      height,
      previousBlockHash,
      timestamp,
      transactionsMerkleRoot,
      transactionStatusHash,
      nonce,
      bits,
    },
    flag,
    bytesRead: reader.position,
  };
}

/** The wire form. Throws `RangeError` for a field that it cannot hold, such as a nonce with bit 63 set. */
export function encodeHeader(
  header: BlockHeader,
  flag: DecodedHeader['flag'] = HEADER_FLAG,
): Uint8Array {
  const commitment = concatBytes(
    hash32(header.transactionsMerkleRoot, 'transactionsMerkleRoot'),
    hash32(header.transactionStatusHash, 'transactionStatusHash'),
  );
  return concatBytes(
    Uint8Array.of(flag),
    encodeVarint63(integer(header.version, 'version')),
    encodeVarint63(integer(header.height, 'height')),
    hash32(header.previousBlockHash, 'previousBlockHash'),
    encodeVarint63(integer(header.timestamp, 'timestamp')),
    encodeVarint31(commitment.length),
    commitment,
    encodeVarint63(header.nonce, 'nonce'),
    encodeVarint63(header.bits, 'bits'),
  );
}

/** The 136 bytes that are hashed; a device counts nonces in their last 8. */
export function headerPreimage(header: BlockHeader): Uint8Array {
  const out = new Uint8Array(PREIMAGE_BYTES);
  writeU64(out, 0, integer(header.version, 'version'));
  writeU64(out, 8, integer(header.height, 'height'));
  out.set(hash32(header.previousBlockHash, 'previousBlockHash'), 16);
  writeU64(out, 48, integer(header.timestamp, 'timestamp'));
  out.set(hash32(header.transactionsMerkleRoot, 'transactionsMerkleRoot'), 56);
  out.set(hash32(header.transactionStatusHash, 'transactionStatusHash'), 88);
  writeU64(out, 120, header.bits);
  writeU64(out, PREIMAGE_NONCE_OFFSET, header.nonce);
  return out;
}

const headerEntryId = createEntryHasher('blockheader');

/** The block hash (32 bytes) of a preimage. */
export function preimageHash(preimage: Uint8Array): Uint8Array {
  if (preimage.length !== PREIMAGE_BYTES) {
    throw new RangeError(`"preimage" expected ${PREIMAGE_BYTES} bytes, got ${preimage.length}`);
  }
  return headerEntryId(preimage);
}

/** The block hash (32 bytes): the input of the header's proof of work. */
export function headerHash(header: BlockHeader): Uint8Array {
  return preimageHash(headerPreimage(header));
}

function integer(value: number, field: string): bigint {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`"${field}" expected an integer 0 … 2^53−1, got ${value}`);
  }
  return BigInt(value);
}

function hash32(bytes: Uint8Array, field: string): Uint8Array {
  if (bytes.length !== 32) {
    throw new RangeError(`"${field}" expected 32 bytes, got ${bytes.length}`);
  }
  return bytes;
}
