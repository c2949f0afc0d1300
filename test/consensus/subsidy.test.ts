import { describe, expect, it } from 'vitest';
import { BASE_SUBSIDY, SUBSIDY_HALVING_BLOCKS } from '../../src/consensus/params.ts';
import { subsidy } from '../../src/consensus/subsidy.ts';
import { load } from '../chain/vectors.ts';

const vectors = (
  load('difficulty.json') as {
    readonly block_subsidy: readonly { readonly height: number; readonly subsidy: string }[];
  }
).block_subsidy;

describe('subsidy', () => {
  it('is what the reference pays', () => {
    expect(vectors.length).toBe(14);
    for (const v of vectors) expect(subsidy(v.height), `${v.height}`).toBe(BigInt(v.subsidy));
  });

  it('halves at every 840,000th block and at no other', () => {
    for (let era = 1; era <= 70; era++) {
      const edge = era * SUBSIDY_HALVING_BLOCKS;
      expect(subsidy(edge), `${edge}`).toBe(subsidy(edge - 1) / 2n);
      expect(subsidy(edge + 1), `${edge}`).toBe(subsidy(edge));
    }
    expect(subsidy(Number.MAX_SAFE_INTEGER)).toBe(0n);
  });

  it('adds up to 2,100,000,000 BTM but for what the halvings round off', () => {
    let total = subsidy(0) + subsidy(1) * BigInt(SUBSIDY_HALVING_BLOCKS - 1);
    for (let era = 1; subsidy(era * SUBSIDY_HALVING_BLOCKS) > 0n; era++) {
      total += subsidy(era * SUBSIDY_HALVING_BLOCKS) * BigInt(SUBSIDY_HALVING_BLOCKS);
    }
    // All halves of n, each rounded down, add up to n less the number of ones among its bits.
    const ones = [...BASE_SUBSIDY.toString(2)].filter((bit) => bit === '1').length;
    expect(total).toBe(210_000_000_000_000_000n - BigInt(SUBSIDY_HALVING_BLOCKS * ones));
  });

  it('has no answer for what is no height', () => {
    for (const height of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => subsidy(height), `${height}`).toThrow(RangeError);
    }
  });
});
