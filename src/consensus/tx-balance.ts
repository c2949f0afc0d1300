/**
 * What comes in must go out: each asset for itself, but BTM, whose surplus is the fee and buys gas.
 * Bytom 1.x consensus: "Transaction validation", step 8.5.1.
 *
 * Amounts are exact, and yet every partial sum has to be a signed 64-bit integer.
 */
import type { Tx, TxOutput } from '../chain/tx.ts';
import { inputValue, isBtm } from '../chain/tx-entries.ts';
import { bytesToHex } from '../util/bytes.ts';
import { buyGas, type GasAccount } from './gas.ts';
import { RuleError } from './rule-error.ts';

const MAX_SUM = 2n ** 63n - 1n;
const MIN_SUM = -(2n ** 63n);

/** Books the fee. A transaction without any BTM has none and gets no gas. Throws `RuleError`. */
export function checkBalance(tx: Tx, gas: GasAccount): void {
  const sums = new AssetSums();
  tx.inputs.forEach((_, i) => {
    const { assetId, amount } = inputValue(tx, i);
    const sum = (sums.get(assetId) ?? 0n) + amount;
    if (sum > MAX_SUM) refuse('tx-overflow', 'a sum of inputs below 2^63', `${sum}`, { input: i });
    sums.set(assetId, sum);
  });
  tx.outputs.forEach((output, i) => {
    const sum = sums.get(output.assetId) ?? refuseNoSource(output, i);
    const rest = sum - output.amount;
    if (rest < MIN_SUM)
      refuse('tx-overflow', 'a difference from −2^63 on', `${rest}`, { output: i });
    sums.set(output.assetId, rest);
  });
  if (sums.btm !== undefined) {
    if (sums.btm < 0n) refuse('tx-unbalanced', 'a BTM surplus from 0 on', `${sums.btm}`);
    buyGas(gas, sums.btm, tx.raw.length);
  }
  for (const [assetId, rest] of sums.others) {
    if (rest !== 0n) refuse('tx-unbalanced', `a surplus of 0 of asset ${assetId}`, `${rest}`);
  }
}

/** Sums by asset; BTM apart, since most transactions have nothing else. */
class AssetSums {
  btm: bigint | undefined;
  readonly others = new Map<string, bigint>();

  get(assetId: Uint8Array): bigint | undefined {
    return isBtm(assetId) ? this.btm : this.others.get(bytesToHex(assetId));
  }

  set(assetId: Uint8Array, sum: bigint): void {
    if (isBtm(assetId)) this.btm = sum;
    else this.others.set(bytesToHex(assetId), sum);
  }
}

function refuseNoSource({ assetId }: TxOutput, output: number): never {
  const actual = 'none';
  refuse('tx-unbalanced', `an input of asset ${bytesToHex(assetId)}`, actual, { output });
}

function refuse(
  rule: 'tx-overflow' | 'tx-unbalanced',
  expected: string,
  actual: string,
  at: { input?: number; output?: number } = {},
): never {
  throw new RuleError({ rule, expected, actual, ...at });
}
