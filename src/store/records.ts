/**
 * The values of the database as data; `layout.ts` says which key has which. Every decoder throws
 * `InputError` for what no encoder of ours makes: a value that fails here is damaged.
 *
 * An index entry: bytes of the block's wire form (u32), number of transactions n (u32), length of
 * the total work (u8), total work (big-endian, without leading zeros), one bit per transaction that
 * has failed (⌈n/8⌉ bytes, lowest bit first), the header in its wire form.
 */
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HEADER_FLAG,
  headerHash,
} from '../chain/header.ts';
import type { SpentUtxo, Utxo } from '../chain/utxo.ts';
import { bytesEqual, bytesToHex, concatBytes, hexToBytes } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { LruMap } from '../util/lru.ts';
import { describeKey } from './layout.ts';
import { StoreError } from './store-error.ts';

/** What is known of a stored block, whatever branch it is on. */
export interface IndexEntry {
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  /** Sum of the work of this block and all before it, genesis included. */
  readonly totalWork: bigint;
  /** For each transaction: whether its side of other assets has no effect. */
  readonly statusFail: readonly boolean[];
  readonly transactionCount: number;
  /** Bytes of the block's wire form. */
  readonly size: number;
}

export interface Tip {
  readonly height: number;
  readonly hash: Uint8Array;
}

/** The genesis block and the name, as text, of the network that a database belongs to. */
export interface NetworkRecord {
  readonly name: string;
  readonly genesisHash: Uint8Array;
}

const UTXO_BYTES = 9;
const SPENT_BYTES = 32 + UTXO_BYTES;
const INDEX_HEAD_BYTES = 9;

/**
 * Reads a value of the database with one of the decoders below. Throws `StoreError` 'damaged' where
 * that throws `InputError`.
 */
export function readRecord<T>(
  directory: string,
  key: Uint8Array,
  value: Uint8Array,
  decode: (value: Uint8Array) => T,
): T {
  try {
    return decode(value);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw damaged(directory, key, cause.message, { cause });
  }
}

/** The error for a value that is not what was written under `key`. */
export function damaged(
  directory: string,
  key: Uint8Array,
  problem: string,
  options?: ErrorOptions,
): StoreError {
  return new StoreError({ code: 'damaged', directory, key: describeKey(key), problem }, options);
}

export function encodeIndexEntry(entry: IndexEntry): Uint8Array {
  const digits = entry.totalWork === 0n ? '' : entry.totalWork.toString(16);
  const work = hexToBytes(digits.padStart(digits.length + (digits.length % 2), '0'), 'totalWork');
  const head = new Uint8Array(INDEX_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, entry.size);
  view.setUint32(4, entry.transactionCount);
  view.setUint8(8, work.length);
  const bits = new Uint8Array(Math.ceil(entry.transactionCount / 8));
  entry.statusFail.forEach((fail, i) => {
    if (fail) bits[i >> 3]! |= 1 << (i & 7);
  });
  return concatBytes(head, work, bits, encodeHeader(entry.header));
}

export function decodeIndexEntry(hash: Uint8Array, value: Uint8Array): IndexEntry {
  atLeast(value, INDEX_HEAD_BYTES);
  const view = viewOf(value);
  const size = view.getUint32(0);
  const transactionCount = view.getUint32(4);
  const bitsAt = INDEX_HEAD_BYTES + view.getUint8(8);
  const headerAt = bitsAt + Math.ceil(transactionCount / 8);
  atLeast(value, headerAt);
  const totalWork = BigInt(`0x0${bytesToHex(value.subarray(INDEX_HEAD_BYTES, bitsAt))}`);
  const statusFail: boolean[] = [];
  for (let i = 0; i < transactionCount; i++) {
    statusFail.push(((value[bitsAt + (i >> 3)]! >> (i & 7)) & 1) === 1);
  }
  const { header, flag, bytesRead } = decodeHeader(value.subarray(headerAt));
  if (flag !== HEADER_FLAG || headerAt + bytesRead !== value.length) {
    throw new InputError('header', 'to end with the value', `${value.length - headerAt} bytes`);
  }
  if (!bytesEqual(headerHash(header), hash)) {
    throw new InputError('header', 'one with the hash of its key', bytesToHex(headerHash(header)));
  }
  const shared = sharedStatus(statusFail);
  return { hash, header, totalWork, statusFail: shared, transactionCount, size };
}

/** By their length. */
const noneFailed = new LruMap<number, readonly boolean[]>(256);

/** The same list for all blocks of as many transactions none of which has failed: nearly all. */
export function sharedStatus(statusFail: readonly boolean[]): readonly boolean[] {
  if (statusFail.includes(true)) return statusFail;
  const { length } = statusFail;
  const shared = noneFailed.get(length) ?? Object.freeze([...statusFail]);
  noneFailed.set(length, shared);
  return shared;
}

export function encodeUtxo(utxo: Utxo): Uint8Array {
  const out = new Uint8Array(UTXO_BYTES);
  writeUtxo(viewOf(out), 0, utxo);
  return out;
}

export function decodeUtxo(value: Uint8Array): Utxo {
  exactly(value, UTXO_BYTES);
  return readUtxo(viewOf(value), 0);
}

export function encodeSpent(spent: readonly SpentUtxo[]): Uint8Array {
  const out = new Uint8Array(SPENT_BYTES * spent.length);
  const view = viewOf(out);
  spent.forEach((each, i) => {
    out.set(each.outputId, SPENT_BYTES * i);
    writeUtxo(view, SPENT_BYTES * i + 32, each);
  });
  return out;
}

export function decodeSpent(value: Uint8Array): SpentUtxo[] {
  if (value.length % SPENT_BYTES !== 0) {
    throw new InputError('value', `a multiple of ${SPENT_BYTES} bytes`, `${value.length}`);
  }
  const view = viewOf(value);
  const out: SpentUtxo[] = [];
  for (let at = 0; at < value.length; at += SPENT_BYTES) {
    out.push({ outputId: value.slice(at, at + 32), ...readUtxo(view, at + 32) });
  }
  return out;
}

export function encodeTip(tip: Tip): Uint8Array {
  const out = new Uint8Array(40);
  writeHeight(viewOf(out), 0, tip.height);
  out.set(tip.hash, 8);
  return out;
}

export function decodeTip(value: Uint8Array): Tip {
  exactly(value, 40);
  return { height: readHeight(viewOf(value), 0), hash: value.slice(8) };
}

export function encodeNetwork(network: NetworkRecord): Uint8Array {
  return concatBytes(network.genesisHash, new TextEncoder().encode(network.name));
}

export function decodeNetwork(value: Uint8Array): NetworkRecord {
  atLeast(value, 32);
  return { name: new TextDecoder().decode(value.subarray(32)), genesisHash: value.slice(0, 32) };
}

export function encodeU32(number: number): Uint8Array {
  const out = new Uint8Array(4);
  viewOf(out).setUint32(0, number);
  return out;
}

export function decodeU32(value: Uint8Array): number {
  exactly(value, 4);
  return viewOf(value).getUint32(0);
}

export function decodeHash(value: Uint8Array): Uint8Array {
  exactly(value, 32);
  return value;
}

function writeUtxo(view: DataView, at: number, utxo: Utxo): void {
  writeHeight(view, at, utxo.height);
  view.setUint8(at + 8, utxo.coinbase ? 1 : 0);
}

function readUtxo(view: DataView, at: number): Utxo {
  const flag = view.getUint8(at + 8);
  if (flag > 1) throw new InputError('coinbase', '0 or 1', `${flag}`);
  return { height: readHeight(view, at), coinbase: flag === 1 };
}

/** A u64 without `bigint`: this runs for every coin that is read or written. */
function writeHeight(view: DataView, at: number, height: number): void {
  view.setUint32(at, Math.floor(height / 2 ** 32));
  view.setUint32(at + 4, height % 2 ** 32);
}

function readHeight(view: DataView, at: number): number {
  const height = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(height)) throw new InputError('height', 'at most 2^53−1', `${height}`);
  return height;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function exactly(value: Uint8Array, length: number): void {
  if (value.length !== length) {
    throw new InputError('value', `${length} bytes`, `${value.length}`);
  }
}

function atLeast(value: Uint8Array, length: number): void {
  if (value.length < length) {
    throw new InputError('value', `at least ${length} bytes`, `${value.length}`);
  }
}
