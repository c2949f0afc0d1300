/**
 * Chains for tests of the store, which knows no rules: blocks that hold a little of everything, and
 * coins that are made and spent as the test likes. Everything follows from the numbers given, so two
 * processes make the same chain.
 */
import type { Block } from '../../src/chain/block.ts';
import { type BlockHeader, headerHash } from '../../src/chain/header.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import type { SpentUtxo, Utxo } from '../../src/chain/utxo.ts';
import type { ConnectedBlock, StoredNetwork } from '../../src/store/chain-store.ts';
import type { UtxoChange } from '../../src/store/utxo-overlay.ts';
import { sha3 } from '../../src/util/sha3.ts';

/** 32 bytes that stand for whatever the numbers name. */
export function idOf(...numbers: readonly number[]): Uint8Array {
  return sha3(new TextEncoder().encode(numbers.join()));
}

/** A block on `parent`; blocks of different `salt` are siblings. */
export function sampleBlock(parent: Block | undefined, salt = 0): Block {
  const height = parent === undefined ? 0 : parent.header.height + 1;
  const header: BlockHeader = {
    version: 1,
    height,
    previousBlockHash: parent?.hash ?? new Uint8Array(32),
    timestamp: 1_528_945_000 + 150 * height,
    transactionsMerkleRoot: idOf(height, salt),
    transactionStatusHash: idOf(salt),
    nonce: BigInt(salt),
    bits: 2_305_843_009_214_532_812n,
  };
  const outputs = [0, 1].map((i) => ({
    assetId: new Uint8Array(32).fill(0xff),
    amount: BigInt(i + 1),
    // The second is a retirement, which is no coin.
    controlProgram: i === 0 ? Uint8Array.of(0x51) : Uint8Array.of(0x6a),
  }));
  const transactions = Array.from({ length: 1 + (salt % 10) }, (_, i) =>
    createTx({
      version: 1n,
      timeRange: BigInt(height),
      inputs: [{ type: 'coinbase', arbitrary: idOf(height, salt, i) }],
      outputs,
    }),
  );
  return { header, hash: headerHash(header), transactions };
}

export function sampleNetwork(): StoredNetwork {
  return { name: 'sample', genesis: sampleBlock(undefined), genesisWork: 20n };
}

/** Which of a sample block's transactions have failed. */
export function sampleStatusFail(block: Block): boolean[] {
  return block.transactions.map((_, i) => i % 3 === 1);
}

/**
 * The chain of one block after the other, where block h makes three coins and spends one of block
 * h − 1 and one of block h − 10. `switchTip` wants it in this form.
 */
export function plainStep(height: number): {
  readonly spent: ConnectedBlock['spent'];
  readonly utxos: readonly UtxoChange[];
} {
  const made = (at: number, i: number): readonly [Uint8Array, Utxo] => [
    idOf(at, i),
    { height: at, coinbase: i === 0 },
  ];
  const taken = [
    ...(height > 1 ? [made(height - 1, 1)] : []),
    ...(height > 10 ? [made(height - 10, 2)] : []),
  ];
  const spent: SpentUtxo[] = taken.map(([outputId, utxo]) => ({ outputId, ...utxo }));
  const utxos: UtxoChange[] = [
    ...taken.map(([id]): UtxoChange => [id, undefined]),
    ...[0, 1, 2].map((i) => made(height, i)),
  ];
  return { spent, utxos };
}
