import { describe, expect, it } from 'vitest';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import type { Branch } from '../../src/consensus/branch.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { nextSeed } from '../../src/consensus/seed-rule.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { solonetBranch, solonetHeaders } from './header-chain.ts';

const noBranch: Branch = {
  ancestor: (height) => {
    throw new RangeError(`nobody was to ask for height ${height}`);
  },
};

describe('nextSeed', () => {
  it('is the recorded seed of every block of a real chain', () => {
    const headers = solonetHeaders();
    const seeds = new Set<string>();
    for (const { header, seed } of headers.slice(1)) {
      const parent = headers[header.height - 1]!;
      expect(bytesToHex(nextSeed(parent, solonetBranch)), `${header.height}`).toBe(seed);
      seeds.add(seed);
    }
    expect(seeds.size).toBe(8);
  });

  it('needs no ancestor up to block 256, and none after the block that opens an epoch', () => {
    const headers = solonetHeaders();
    expect(nextSeed(SOLONET.genesis, noBranch)).toBe(INITIAL_SEED);
    expect(nextSeed(headers[255]!, noBranch)).toBe(INITIAL_SEED);
    expect(nextSeed(headers[256]!, noBranch)).toBe(headers[256]!.hash);
    expect(() => nextSeed(headers[257]!, noBranch)).toThrow('height 256');
  });

  it('follows the branch: another block at the edge gives another seed', () => {
    const headers = solonetHeaders();
    const other = { ...headers[256]!, hash: new Uint8Array(32).fill(7) };
    const branch: Branch = { ancestor: (height) => (height === 256 ? other : headers[height]!) };
    expect(nextSeed(headers[400]!, branch)).toBe(other.hash);
    expect(nextSeed(other, noBranch)).toBe(other.hash);
  });
});
