/**
 * Everything that is in the database: one byte of prefix, then the rest of the key. Integers are
 * big-endian, so that keys sort by them.
 *
 * | key                 | value                                                             |
 * |---------------------|-------------------------------------------------------------------|
 * | `m` name            | facts about the database itself:                                  |
 * | `m` "network"       | genesis hash (32), name of the network (UTF-8)                    |
 * | `m` "schema"        | version of this table (u32)                                       |
 * | `m` "tip"           | best block: height (u64), hash (32)                               |
 * | `h` block hash (32) | index entry of a block on any branch: see `records.ts`            |
 * | `b` block hash (32) | the same block in its wire form                                   |
 * | `n` height (u64)    | hash (32) of the main chain's block at this height                |
 * | `r` block hash (32) | main chain only: the coins it spent, 41 bytes each, in order:     |
 * |                     | output id (32), height (u64), 1 if made by a coinbase, else 0     |
 * | `u` output id (32)  | unspent output: height (u64), 1 if made by a coinbase, else 0     |
 *
 * A change of this table needs a new `SCHEMA_VERSION` and a row in `schema.ts`.
 */
import { bytesToHex } from '../util/bytes.ts';
import type { KeyRange } from './kv.ts';

export const SCHEMA_VERSION = 1;

const META = 'm'.charCodeAt(0);
const INDEX = 'h'.charCodeAt(0);
const BLOCK = 'b'.charCodeAt(0);
const MAIN = 'n'.charCodeAt(0);
const SPENT = 'r'.charCodeAt(0);
const UTXO = 'u'.charCodeAt(0);

export type MetaName = 'network' | 'schema' | 'tip';

export function metaKey(name: MetaName): Uint8Array {
  return prefixed(META, new TextEncoder().encode(name));
}

export function indexKey(hash: Uint8Array): Uint8Array {
  return prefixed(INDEX, hash);
}

export function blockKey(hash: Uint8Array): Uint8Array {
  return prefixed(BLOCK, hash);
}

export function mainKey(height: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = MAIN;
  new DataView(key.buffer).setBigUint64(1, BigInt(height));
  return key;
}

export function spentKey(hash: Uint8Array): Uint8Array {
  return prefixed(SPENT, hash);
}

export function utxoKey(outputId: Uint8Array): Uint8Array {
  return prefixed(UTXO, outputId);
}

/** All unspent outputs. */
export const UTXO_RANGE: KeyRange = { from: Uint8Array.of(UTXO), to: Uint8Array.of(UTXO + 1) };

/** The id in a key of `UTXO_RANGE`; a view. */
export function outputIdOf(key: Uint8Array): Uint8Array {
  return key.subarray(1);
}

/** A key as people read it: `block 15073fdc…`. */
export function describeKey(key: Uint8Array): string {
  const rest = key.subarray(1);
  switch (key[0]) {
    case META:
      return `"${new TextDecoder().decode(rest)}"`;
    case INDEX:
      return `index entry ${bytesToHex(rest)}`;
    case BLOCK:
      return `block ${bytesToHex(rest)}`;
    case MAIN:
      return `main chain height ${BigInt(`0x0${bytesToHex(rest)}`)}`;
    case SPENT:
      return `spent outputs of block ${bytesToHex(rest)}`;
    case UTXO:
      return `unspent output ${bytesToHex(rest)}`;
    default:
      return `key ${bytesToHex(key)}`;
  }
}

function prefixed(prefix: number, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + rest.length);
  key[0] = prefix;
  key.set(rest, 1);
  return key;
}
