/**
 * A job of the Bytom Stratum dialect, as sent in a `job` notification and in the answer to a login.
 * Numbers are 8 bytes little-endian in hex, also the start nonce (btc.com alone writes that one
 * big-endian; read little-endian it is just another start). Hashes are in their normal byte order.
 * The member is `transactions_merkle_root` here, with an s, unlike in the node's API.
 */
import type { BlockHeader } from '../chain/header.ts';
import { bytesToHex, hexToBytes, readU64, writeU64 } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import type { JsonValue } from '../util/json.ts';
import {
  bytesAt,
  idTextAt,
  type JsonObject,
  memberOf,
  objectAt,
  textAt,
} from '../util/json-fields.ts';

/**
 * The header to work on and what belongs to it. `nonce` is where the client's nonces begin; the
 * pool checks shares with exactly this `timestamp`.
 */
export interface StratumJob extends BlockHeader {
  /** As the pool spelled it; at btc.com a small number that comes back. */
  readonly jobId: string;
  readonly seed: Uint8Array;
  /** A share is good if its PoW hash as a little-endian integer is at most this. */
  readonly target: bigint;
  /** True if the pool says that older jobs are void. No pool known sends it. */
  readonly clean?: boolean;
}

/** Reads a job. Throws an `InputError` naming the member (`job.bits`). */
export function decodeJob(value: JsonValue | undefined): StratumJob {
  const job = objectAt(value, 'job');
  const clean = memberOf(job, 'clean');
  return {
    jobId: idTextAt(job, 'job', 'job_id'),
    version: numberAt(job, 'version'),
    height: numberAt(job, 'height'),
    previousBlockHash: bytesAt(job, 'job', 'previous_block_hash', 32),
    timestamp: numberAt(job, 'timestamp'),
    transactionsMerkleRoot: bytesAt(job, 'job', 'transactions_merkle_root', 32),
    transactionStatusHash: bytesAt(job, 'job', 'transaction_status_hash', 32),
    nonce: u64At(job, 'nonce'),
    bits: u64At(job, 'bits'),
    seed: bytesAt(job, 'job', 'seed', 32),
    target: decodeTarget(textAt(job, 'job', 'target'), 'job.target'),
    ...(typeof clean === 'boolean' ? { clean } : {}),
  };
}

/** The object to send for a job, members in the order the recorded pool writes them. */
export function encodeJob(job: StratumJob): Readonly<Record<string, string | boolean>> {
  return {
    version: u64ToHex(BigInt(job.version)),
    height: u64ToHex(BigInt(job.height)),
    previous_block_hash: bytesToHex(job.previousBlockHash),
    timestamp: u64ToHex(BigInt(job.timestamp)),
    transactions_merkle_root: bytesToHex(job.transactionsMerkleRoot),
    transaction_status_hash: bytesToHex(job.transactionStatusHash),
    nonce: u64ToHex(job.nonce),
    bits: u64ToHex(job.bits),
    job_id: job.jobId,
    seed: bytesToHex(job.seed),
    target: encodeTarget(job.target),
    ...(job.clean === undefined ? {} : { clean: job.clean }),
  };
}

/**
 * The threshold that a target text means: its bytes reversed are the most significant ones, what
 * follows is zero (`00004000` is 0x00400000 and 28 zero bytes). Usually 4 bytes; btc.com leaves out
 * trailing zeros of its 32. Throws an `InputError` naming `field`.
 */
export function decodeTarget(text: string, field: string): bigint {
  if (text.length === 0 || text.length > 64) {
    throw new InputError(field, '1 to 32 bytes of hex', `${text.length} characters "${text}"`);
  }
  const bytes = hexToBytes(text, field).reverse();
  const target = BigInt(`0x${bytesToHex(bytes)}`) << BigInt(8 * (32 - bytes.length));
  if (target === 0n) throw new InputError(field, 'a target above zero', text);
  return target;
}

/**
 * The text for a threshold of 1 or more, never an easier one: 4 bytes if they keep it within 1/256,
 * else as many as its three most significant bytes need. From 2^256 on (difficulty 1) `ffffffff`.
 */
export function encodeTarget(target: bigint): string {
  if (target < 1n) throw new RangeError(`target expected 1 or more, got ${target}`);
  const capped = target >> 256n === 0n ? target : (1n << 256n) - 1n;
  const hex = capped.toString(16).padStart(64, '0');
  const zeroBytes = Math.floor(hex.search(/[^0]/) / 2);
  const length = capped >> 224n >= 256n ? 4 : Math.min(32, zeroBytes + 3);
  return bytesToHex(hexToBytes(hex.slice(0, 2 * length), 'target').reverse());
}

function u64At(job: JsonObject, name: string): bigint {
  return readU64(bytesAt(job, 'job', name, 8), 0);
}

function numberAt(job: JsonObject, name: string): number {
  const value = u64At(job, name);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InputError(
      `job.${name}`,
      'a little-endian number below 2^53',
      `${value} (${textAt(job, 'job', name)})`,
    );
  }
  return Number(value);
}

function u64ToHex(value: bigint): string {
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, value);
  return bytesToHex(bytes);
}
