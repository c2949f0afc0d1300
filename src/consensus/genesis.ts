/**
 * The genesis blocks, made from what they say. Bytom 1.x consensus: "Networks", genesis block. They
 * differ in time and difficulty alone: all begin with the same transaction. No rule was ever applied
 * to them; the proof of work of none of them means anything.
 */
import type { Block } from '../chain/block.ts';
import { type BlockHeader, headerHash } from '../chain/header.ts';
import type { Tx } from '../chain/tx.ts';
import { createTx } from '../chain/tx-codec.ts';
import { BTM_ASSET_ID } from '../chain/tx-entries.ts';
import { hexToBytes } from '../util/bytes.ts';
import { BLOCK_VERSION } from './params.ts';
import { subsidy } from './subsidy.ts';

const ARBITRARY = 'Information is power. -- Jan/11/2013. Computing is power. -- Apr/24/2018.';

/** Spendable by a public key whose RIPEMD-160 is these 20 bytes. */
const CONTROL_PROGRAM = '00148c9d063ff74ee6d9ffa88d83aeb038068366c4c4';

/** Merkle root of the one transaction. */
const TRANSACTIONS_ROOT = '58e45ceb675a0b3d7ad3ab9d4288048789de8194e9766b26d8f42fdb624d4390';
/** Status root of one transaction that succeeded. */
const STATUS_ROOT = 'c9c377e5192668bc0a367e4a4764f11e7c725ecced1d7b6a492974fab1b6d5bc';
const NONCE = 9_253_507_043_297n;

/** The genesis block of a network that began at `timestamp` (seconds) with `bits`. */
export function createGenesis(timestamp: number, bits: bigint): Block {
  const header: BlockHeader = {
    version: BLOCK_VERSION,
    height: 0,
    previousBlockHash: new Uint8Array(32),
    timestamp,
    transactionsMerkleRoot: hexToBytes(TRANSACTIONS_ROOT, 'transactions root', 32),
    transactionStatusHash: hexToBytes(STATUS_ROOT, 'status root', 32),
    nonce: NONCE,
    bits,
  };
  return { header, hash: headerHash(header), transactions: [createGenesisTx()] };
}

function createGenesisTx(): Tx {
  return createTx({
    version: 1n,
    timeRange: 0n,
    inputs: [{ type: 'coinbase', arbitrary: new TextEncoder().encode(ARBITRARY) }],
    outputs: [
      {
        assetId: BTM_ASSET_ID,
        amount: subsidy(0),
        controlProgram: hexToBytes(CONTROL_PROGRAM, 'control program'),
      },
    ],
  });
}
