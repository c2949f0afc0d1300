/**
 * Gas of a transaction: bought with its fee, used by its programs and its size. Bytom 1.x consensus:
 * "Transaction validation".
 *
 * Nothing is clamped: a program may give back more gas than it was given, so the gas used can go
 * down, even below zero, and that counts as it is.
 */
import { GAS_CREDIT, MAX_TX_GAS, NEU_PER_GAS, STORAGE_GAS_PER_BYTE } from './params.ts';
import { RuleError } from './rule-error.ts';

export interface GasState {
  /** Negative if it did not suffice for storage. */
  readonly gasLeft: number;
  /** What counts for the block. */
  readonly gasUsed: number;
  /** From here on no failure makes the transaction invalid: it only fails. */
  readonly gasValid: boolean;
  /** Price of its size; 0 for a coinbase and where there is no BTM. */
  readonly storageGas: number;
  /** BTM (neu) that its inputs bring in above its outputs. */
  readonly fee: bigint;
}

/** A `GasState` while it changes. */
export type GasAccount = { -readonly [K in keyof GasState]: GasState[K] };

export function createGasAccount(): GasAccount {
  return { gasLeft: 0, gasUsed: 0, gasValid: false, storageGas: 0, fee: 0n };
}

/** Turns the fee of a transaction of `size` bytes into gas. */
export function buyGas(gas: GasAccount, fee: bigint, size: number): void {
  const bought = fee / NEU_PER_GAS;
  gas.fee = fee;
  gas.gasLeft = bought > MAX_TX_GAS ? MAX_TX_GAS : Number(bought);
  gas.storageGas = size * STORAGE_GAS_PER_BYTE;
}

/**
 * Books a program that left `gasLeft` for input `input`. Until storage is paid for, programs may use
 * the credit alone, and must leave enough for it; throws `RuleError` if not, with the gas booked.
 */
export function bookProgram(gas: GasAccount, gasLeft: number, input: number): void {
  gas.gasUsed += gas.gasLeft - gasLeft;
  gas.gasLeft = gasLeft;
  if (gas.gasValid) return;
  if (gas.gasUsed > GAS_CREDIT) {
    throw new RuleError({
      rule: 'tx-gas-credit',
      expected: `at most ${GAS_CREDIT} gas for the programs of BTM inputs`,
      actual: `${gas.gasUsed}`,
      input,
    });
  }
  if (gas.storageGas > gas.gasLeft) {
    throw new RuleError({
      rule: 'tx-storage-gas',
      expected: `${gas.storageGas} gas left for storage`,
      actual: `${gas.gasLeft}`,
      input,
    });
  }
}

/** Pays for storage, which makes the gas valid. Throws `RuleError` if too little is left. */
export function payStorage(gas: GasAccount): void {
  const had = gas.gasLeft;
  gas.gasLeft -= gas.storageGas;
  if (gas.gasLeft < 0) {
    const expected = `${gas.storageGas} gas left for storage`;
    throw new RuleError({ rule: 'tx-storage-gas', expected, actual: `${had}` });
  }
  gas.gasUsed += gas.storageGas;
  gas.gasValid = true;
}
