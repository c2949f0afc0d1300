/**
 * Blocks as data and on the wire: a header with flag 3, the number of transactions, the
 * transactions, and nothing after them. Bytom 1.x consensus: "Block".
 */
import { InputError } from '../util/errors.ts';
import { ByteWriter } from './byte-writer.ts';
import { BLOCK_FLAG, type BlockHeader, decodeHeader, encodeHeader, headerHash } from './header.ts';
import type { Tx } from './tx.ts';
import { MIN_TX_BYTES, readTx } from './tx-codec.ts';
import { ByteReader } from './varint.ts';

export interface Block {
  readonly header: BlockHeader;
  /** Its hash (32 bytes), computed from the header. */
  readonly hash: Uint8Array;
  /** Transaction 0 is to be the coinbase; whether it is, the rules say. */
  readonly transactions: readonly Tx[];
}

/**
 * Reads a block that takes all of `bytes`, and computes its hash; the ids of its transactions are
 * computed when they are asked for. These hold views of `bytes`, which must not be changed afterwards.
 * Nothing is checked but the form. Throws `InputError` naming `name` and the field.
 */
export function decodeBlock(bytes: Uint8Array, name = 'block'): Block {
  const { header, flag, bytesRead } = decodeHeader(bytes, name);
  if (flag !== BLOCK_FLAG) {
    throw new InputError(`${name}.flag`, '3 (a block with its transactions)', `${flag}`);
  }
  const reader = new ByteReader(bytes.subarray(bytesRead), name, bytesRead);
  const { prefix } = reader;
  const count = reader.count('number of transactions', MIN_TX_BYTES);
  const transactions: Tx[] = [];
  for (let i = 0; i < count; i++) {
    reader.prefix = `${prefix}transactions[${i}].`;
    transactions.push(readTx(reader));
  }
  reader.prefix = prefix;
  reader.end('last transaction');
  return { header, hash: headerHash(header), transactions };
}

/**
 * The wire form: the header in as few bytes as can be, the transactions as they were received.
 * Throws `RangeError` for a header that it cannot hold.
 */
export function encodeBlock(block: Pick<Block, 'header' | 'transactions'>): Uint8Array {
  const out = new ByteWriter();
  out.bytes(encodeHeader(block.header, BLOCK_FLAG));
  out.varint31(block.transactions.length, 'number of transactions');
  for (const tx of block.transactions) out.bytes(tx.raw);
  return out.finish();
}
