/**
 * Connecting a block to the coins of its branch, and taking it back. Bytom 1.x consensus: "Block
 * validation", rules 12 and 13, and "Chain selection", detaching.
 *
 * Of a transaction that failed only BTM moves. A coin that one transaction makes can be spent by a
 * later one of the same block. A coin whose id is there already, as equal coinbases have it, is
 * replaced, and taking the block back brings the old one back: the coins of a branch follow from its
 * blocks, whatever other branches a node has been on. (The reference node forgets the old one.)
 */
import type { Block } from '../chain/block.ts';
import type { AssetAmount, Tx } from '../chain/tx.ts';
import { isBtm } from '../chain/tx-entries.ts';
import type { MutableUtxoView, SpentUtxo } from '../chain/utxo.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { COINBASE_MATURITY } from './params.ts';
import { RuleError } from './rule-error.ts';

/**
 * Takes and makes the coins of a block; `statusFail` is that of its verdict. Returns the coins of
 * earlier blocks that it spent or replaced, which `disconnectBlock` needs. Throws `RuleError`
 * ('utxo-missing', 'coinbase-immature'); the view is half changed then, and has to be dropped.
 */
export function connectBlock(
  block: Pick<Block, 'header' | 'transactions'>,
  statusFail: readonly boolean[],
  view: MutableUtxoView,
): SpentUtxo[] {
  const { header, transactions } = block;
  const { height } = header;
  const taken: SpentUtxo[] = [];
  transactions.forEach((tx, t) => {
    const failed = hasFailed(statusFail, t);
    tx.inputs.forEach((input, i) => {
      const outputId = tx.spentOutputIds[i];
      if (input.type !== 'spend' || outputId === undefined || !moves(input, failed)) return;
      const coin = view.get(outputId);
      if (coin === undefined) {
        if (isRepeated(tx, i, outputId)) return;
        refuseMissing(outputId, t, i);
      }
      const matureAt = coin.height + COINBASE_MATURITY;
      if (coin.coinbase && matureAt > height) refuseImmature(matureAt, height, t, i);
      // What the block itself has made is no coin of before: it goes when the block goes.
      if (coin.height !== height) taken.push({ outputId, ...coin });
      view.remove(outputId);
    });
    for (const outputId of madeCoins(tx, failed)) {
      const replaced = view.get(outputId);
      if (replaced !== undefined && replaced.height !== height) {
        taken.push({ outputId, ...replaced });
      }
      view.put(outputId, { height, coinbase: t === 0 });
    }
  });
  return taken;
}

/**
 * Takes back what `connectBlock` did to `view`, which must be as it was after that; `taken` is what
 * it returned. The coins are then exactly those of before. Checks nothing.
 */
export function disconnectBlock(
  block: Pick<Block, 'transactions'>,
  statusFail: readonly boolean[],
  taken: readonly SpentUtxo[],
  view: MutableUtxoView,
): void {
  block.transactions.forEach((tx, t) => {
    for (const outputId of madeCoins(tx, hasFailed(statusFail, t))) view.remove(outputId);
  });
  for (const { outputId, height, coinbase } of taken) view.put(outputId, { height, coinbase });
}

/** The ids of the coins that a transaction makes. */
function* madeCoins(tx: Tx, failed: boolean): Generator<Uint8Array> {
  for (const [i, output] of tx.outputs.entries()) {
    const { id, retirement } = tx.results[i]!;
    if (!retirement && moves(output, failed)) yield id;
  }
}

function moves(value: AssetAmount, failed: boolean): boolean {
  return !failed || isBtm(value.assetId);
}

/** Whether an input before `index` is the same: low blocks may have such, and they spend once. */
function isRepeated(tx: Tx, index: number, outputId: Uint8Array): boolean {
  return tx.spentOutputIds.some(
    (other, i) => i < index && other !== undefined && bytesEqual(other, outputId),
  );
}

function hasFailed(statusFail: readonly boolean[], transaction: number): boolean {
  const failed = statusFail[transaction];
  if (failed !== undefined) return failed;
  throw new RangeError(`"statusFail" expected one for transaction ${transaction}, got none`);
}

function refuseMissing(outputId: Uint8Array, transaction: number, input: number): never {
  throw new RuleError({
    rule: 'utxo-missing',
    expected: `the coin ${bytesToHex(outputId)}, unspent`,
    actual: 'none',
    transaction,
    input,
  });
}

function refuseImmature(
  matureAt: number,
  height: number,
  transaction: number,
  input: number,
): never {
  throw new RuleError({
    rule: 'coinbase-immature',
    expected: `block ${matureAt} or later`,
    actual: `block ${height}`,
    transaction,
    input,
  });
}
