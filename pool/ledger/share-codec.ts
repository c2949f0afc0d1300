/**
 * A share as the log keeps it: version (1 byte), flags (1 byte), id (32 bytes), height and time
 * (varint63), bits (u64, little-endian), PoW hash (32 bytes), difficulty (length and little-endian bytes
 * without leading zeros: it has no largest value), account and worker (length and UTF-8).
 */
import { ByteWriter } from '../../src/chain/byte-writer.ts';
import { ByteReader } from '../../src/chain/varint.ts';
import { bytesToHex, readU64 } from '../../src/util/bytes.ts';
import type { ShareRecord } from './records.ts';

const VERSION = 1;
const IS_VERIFIED = 1;
const IS_LATE = 2;
const IS_BLOCK = 4;
const ID_BYTES = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Throws `RangeError` for a number that is not whole or negative, or an id or hash that is not 32 bytes.
 * Halves of surrogate pairs in names, which UTF-8 cannot say, become U+FFFD.
 */
export function encodeShare(share: ShareRecord): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.byte(
    (share.isVerified ? IS_VERIFIED : 0) |
      (share.isLate ? IS_LATE : 0) |
      (share.isBlock ? IS_BLOCK : 0),
  );
  writer.hash(share.id, 'id');
  writer.varint63(wholeNumber(share.height, 'height'), 'height');
  writer.varint63(wholeNumber(share.timeMs, 'timeMs'), 'timeMs');
  writer.u64(share.bits, 'bits');
  writer.hash(share.powHash, 'powHash');
  writer.byteString(bigintBytes(share.difficulty, 'difficulty'), 'difficulty');
  writeText(writer, share.account, 'account');
  writeText(writer, share.worker, 'worker');
  return writer.finish();
}

/** Throws an `InputError` for anything that `encodeShare` does not make. */
export function decodeShare(bytes: Uint8Array): ShareRecord {
  const reader = readerOf(bytes, 'share', VERSION);
  const flags = reader.byte('flags');
  if (flags > (IS_VERIFIED | IS_LATE | IS_BLOCK))
    reader.refuse('flags', 1, 'at most 7', `${flags}`);
  const id = reader.bytes(ID_BYTES, 'id');
  const height = reader.safeInteger('height');
  const timeMs = reader.safeInteger('timeMs');
  const bits = readU64(reader.view(8, 'bits'), 0);
  const powHash = reader.bytes(32, 'powHash');
  const difficulty = readBigint(reader, 'difficulty');
  const account = readText(reader, 'account');
  const worker = readText(reader, 'worker');
  reader.end('share');
  return {
    id,
    timeMs,
    account,
    worker,
    difficulty,
    height,
    bits,
    powHash,
    isVerified: (flags & IS_VERIFIED) !== 0,
    isLate: (flags & IS_LATE) !== 0,
    isBlock: (flags & IS_BLOCK) !== 0,
  };
}

/** What tells one share from another. */
export interface ShareKey {
  /** A view. */
  readonly id: Uint8Array;
  readonly height: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

/** No more than this, for those who go through many: not all of the rest is looked at. */
export function shareKey(bytes: Uint8Array): ShareKey {
  const reader = readerOf(bytes, 'share', VERSION);
  reader.byte('flags');
  const id = reader.view(ID_BYTES, 'id');
  return { id, height: reader.safeInteger('height'), timeMs: reader.safeInteger('timeMs') };
}

/** Strings of one byte a character: they take half the memory of hex, and a set compares them. */
export type IdKey = string;

export function idKey(id: Uint8Array): IdKey {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1');
}

/** A reader behind the version, which must be `version`. */
export function readerOf(bytes: Uint8Array, what: string, version: number): ByteReader {
  const reader = new ByteReader(bytes, what);
  const got = reader.byte('version');
  if (got !== version) reader.refuse('version', 0, `${version}`, `${got}`);
  return reader;
}

/** Exact, as the varints of the codec need it. Throws `RangeError`. */
export function wholeNumber(value: number, field: string): bigint {
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new RangeError(`"${field}" expected a whole number 0 … 2^53−1, got ${value}`);
}

export function writeText(writer: ByteWriter, text: string, field: string): void {
  writer.byteString(Buffer.from(text, 'utf8'), field);
}

export function readText(reader: ByteReader, field: string): string {
  const start = reader.position;
  const bytes = reader.byteString(field);
  try {
    return utf8.decode(bytes);
  } catch {
    return reader.refuse(field, start, 'UTF-8', bytesToHex(bytes));
  }
}

function bigintBytes(value: bigint, field: string): Uint8Array {
  if (value < 0n) throw new RangeError(`"${field}" expected at least 0, got ${value}`);
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  return Uint8Array.from(bytes);
}

function readBigint(reader: ByteReader, field: string): bigint {
  const start = reader.position;
  const bytes = reader.byteString(field);
  if (bytes.at(-1) === 0) reader.refuse(field, start, 'no leading zeros', bytesToHex(bytes));
  return bytes.length === 0 ? 0n : BigInt(`0x${bytesToHex(bytes.toReversed())}`);
}
