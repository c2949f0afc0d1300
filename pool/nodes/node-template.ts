/** Templates as nodes give them: whether one can be meant, whom it pays, and whether it is news. */
import { decodeHeader } from '../../src/chain/header.ts';
import { MIN_TX_BYTES, readTx } from '../../src/chain/tx-codec.ts';
import { ByteReader } from '../../src/chain/varint.ts';
import type { WorkTemplate } from '../../src/node-api/node-client.ts';
import * as work from '../../src/node-api/work.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { InputError } from '../../src/util/errors.ts';
import type { PoolTemplate } from '../template.ts';

/** The whole of a template. */
export interface WholeBlock {
  /** Its bytes with nonce 0; called once at most, and only for those that become a block. */
  readonly encode: () => Uint8Array;
  /** See `PoolTemplate`. */
  readonly payee: Uint8Array | undefined;
}

const TWO_256 = 1n << 256n;

/**
 * The pool's form of a node's work. Throws `InputError` for bits that no chain can want: under a target
 * of 0 or less nothing is a block, under one of 2^256 or more everything is.
 */
export function poolTemplate(node: string, given: WorkTemplate, whole?: WholeBlock): PoolTemplate {
  const header = { ...given.header, nonce: 0n };
  const target = bitsToTarget(header.bits);
  if (target <= 0n || target >= TWO_256) {
    const got = `0x${header.bits.toString(16)}`;
    throw new InputError('bits', 'a target of 1 … 2^256 − 1', got);
  }
  const { seed } = given;
  if (whole === undefined) return { header, seed, target, node };
  const { encode, payee } = whole;
  let rawBlock: Uint8Array | undefined;
  return {
    header,
    seed,
    target,
    node,
    ...(payee === undefined ? {} : { payee }),
    get rawBlock(): Uint8Array {
      rawBlock ??= encode();
      return rawBlock;
    },
  };
}

/** `PoolTemplate.payee` of a block's bytes. Throws `InputError` for what is no block with a coinbase. */
export function payeeOf(rawBlock: Uint8Array): Uint8Array {
  const { bytesRead } = decodeHeader(rawBlock, 'raw_block');
  const reader = new ByteReader(rawBlock.subarray(bytesRead), 'raw_block', bytesRead);
  const count = reader.count('number of transactions', MIN_TX_BYTES);
  const [output] = count === 0 ? [] : readTx(reader).outputs;
  if (output !== undefined) return output.controlProgram;
  throw new InputError('raw_block', 'a coinbase with an output', 'none');
}

/** `isSameWork` of node-api, and besides: what is known of the one is known of the other. */
export function isSameWork(before: PoolTemplate, now: PoolTemplate, refreshMs: number): boolean {
  return work.isSameWork(before, now, refreshMs) && 'rawBlock' in before === 'rawBlock' in now;
}
