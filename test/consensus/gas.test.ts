import { describe, expect, it } from 'vitest';
import { bookProgram, buyGas, createGasAccount, payStorage } from '../../src/consensus/gas.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';

function account(fee: bigint, size: number): ReturnType<typeof createGasAccount> {
  const gas = createGasAccount();
  buyGas(gas, fee, size);
  return gas;
}

function ruleOf(act: () => void): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof RuleError) return error.detail.rule;
    throw error;
  }
  return undefined;
}

describe('gas', () => {
  it('costs 200 neu, of which a rest buys nothing, up to 200,000', () => {
    const bought = [0n, 199n, 200n, 399n, 39_999_999n, 40_000_000n, 40_000_200n, 2n ** 63n - 1n];
    expect(bought.map((fee) => account(fee, 1).gasLeft)).toEqual([
      0, 0, 1, 1, 199_999, 200_000, 200_000, 200_000,
    ]);
  });

  it('may be used up to 30,000 before storage is paid for, and leaves enough for that', () => {
    const full = account(40_000_000n, 170_000);
    expect(ruleOf(() => bookProgram(full, 170_000, 0))).toBeUndefined();
    expect(ruleOf(() => bookProgram(full, 169_999, 0))).toBe('tx-gas-credit');
    expect(full).toMatchObject({ gasLeft: 169_999, gasUsed: 30_001, gasValid: false });

    const large = account(40_000_000n, 199_990);
    expect(ruleOf(() => bookProgram(large, 199_990, 0))).toBeUndefined();
    expect(ruleOf(() => bookProgram(large, 199_989, 0))).toBe('tx-storage-gas');
  });

  it('pays for storage to the last unit, which makes it valid, and has no limit after that', () => {
    const gas = account(40_000_000n, 100_000);
    payStorage(gas);
    expect(gas).toMatchObject({ gasLeft: 100_000, gasUsed: 100_000, gasValid: true });
    bookProgram(gas, 0, 0);
    expect(gas).toMatchObject({ gasLeft: 0, gasUsed: 200_000 });

    const exact = account(20_000n, 100);
    payStorage(exact);
    expect(exact).toMatchObject({ gasLeft: 0, gasUsed: 100, gasValid: true });
    const short = account(20_000n, 101);
    expect(ruleOf(() => payStorage(short))).toBe('tx-storage-gas');
    expect(short).toMatchObject({ gasLeft: -1, gasUsed: 0, gasValid: false });
  });

  it('that a program gives back is neither lost nor counted as used', () => {
    const gas = account(20_000n, 50);
    bookProgram(gas, 175, 0);
    expect(gas).toMatchObject({ gasLeft: 175, gasUsed: -75 });
  });
});
