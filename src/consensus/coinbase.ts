/**
 * The transaction that pays whoever finds a block, as the reference node makes it. Bytom 1.x
 * consensus: "Coinbase". Only its amount and the length of its arbitrary data are rules, but equal
 * coinbases would make equal coins, of which the later replaces the earlier: hence the height.
 */
import type { Tx } from '../chain/tx.ts';
import { createTx } from '../chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../chain/tx-entries.ts';
import { concatBytes } from '../util/bytes.ts';
import { COINBASE_ARBITRARY_BYTES } from './params.ts';

export interface CoinbaseOptions {
  /** Of the block it is for. */
  readonly height: number;
  /** Who is paid: a program of a standard form. */
  readonly program: Uint8Array;
  /** Subsidy and fees of the block, in neu. */
  readonly amount: bigint;
  /** What the miner wants to say: at most 107 bytes, which leaves room for any height. */
  readonly extra?: Uint8Array;
}

/** Room that the reference leaves for a zero byte and the longest height. */
const HEIGHT_BYTES = 21;
const MAX_EXTRA_BYTES = COINBASE_ARBITRARY_BYTES - HEIGHT_BYTES;

/** Throws `RangeError` for a height that is none, or too much to say. */
export function createCoinbase(options: CoinbaseOptions): Tx {
  const { height, program, amount, extra = new Uint8Array(0) } = options;
  if (!Number.isSafeInteger(height) || height < 0) {
    throw new RangeError(`"height" expected an integer from 0 on, got ${height}`);
  }
  if (extra.length > MAX_EXTRA_BYTES) {
    throw new RangeError(`"extra" expected at most ${MAX_EXTRA_BYTES} bytes, got ${extra.length}`);
  }
  const heightText = new TextEncoder().encode(`${height}`);
  return createTx({
    version: 1n,
    timeRange: 0n,
    inputs: [{ type: 'coinbase', arbitrary: concatBytes(Uint8Array.of(0), heightText, extra) }],
    outputs: [{ assetId: BTM_ASSET_ID, amount, controlProgram: program }],
  });
}
