import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { validateBlockBody } from '../../src/consensus/block-rules.ts';
import { checkHeader, checkProofOfWork, headerContext } from '../../src/consensus/header-rules.ts';
import { bitsToTarget, meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { ChainBuilder } from './chain-builder.ts';
import { standInTable } from './stand-in-hasher.ts';

describe('a built chain', () => {
  it('meets every rule, over the end of an epoch and a retarget', async () => {
    const chain = new ChainBuilder().extend(2020);
    const hasher = chain.pow.hasher();
    const ancestor = (at: number) => chain.blocks[at]!;
    for (const height of [1, 2, 256, 257, 2016, 2017, 2020]) {
      const block = decodeBlock(encodeBlock(chain.blocks[height]!));
      const context = headerContext(chain.blocks[height - 1]!, { ancestor });
      const claim = checkHeader(block.header, block.hash, context, block.header.timestamp);
      await hasher.loadSeed(claim.seed, await standInTable(claim.seed));
      const powHash = new Uint8Array(32);
      await hasher.hash(claim.seed, claim.headerHash, powHash);
      checkProofOfWork(claim, powHash);
      expect(validateBlockBody(block).statusFail, `block ${height}`).toEqual([false]);
    }
  });

  it('has other blocks on each branch, and one proof of work for all', () => {
    const chain = new ChainBuilder().extend(5);
    const branches = [chain, chain.fork(3), chain.fork(3)];
    const hashes = branches.map((branch) => bytesToHex(branch.block().hash));
    expect(new Set(hashes).size).toBe(3);
    expect(branches.map(({ height }) => height)).toEqual([6, 4, 4]);
    expect(branches[1]!.blocks[3]).toBe(chain.blocks[3]);
    expect(branches[1]!.pow).toBe(chain.pow);
  });

  it('knows nothing of blocks that were not built, or of other seeds', async () => {
    const chain = new ChainBuilder().extend(1);
    const { header, hash } = chain.tip;
    const { seed } = headerContext(chain.blocks[0]!, { ancestor: (at) => chain.blocks[at]! });
    const hasher = chain.pow.hasher();
    const otherSeed = new Uint8Array(32).fill(1);
    const other = new Uint8Array(32).fill(2);
    const out = new Uint8Array(64);
    for (const [under, expected] of [
      [seed, [true, false]],
      [otherSeed, [false, false]],
    ] as const) {
      await hasher.loadSeed(under, await standInTable(under));
      await hasher.hash(under, concatBytes(hash, other), out);
      const target = bitsToTarget(header.bits);
      const meets = [out.subarray(0, 32), out.subarray(32)].map((each) =>
        meetsTarget(each, target),
      );
      expect(meets).toEqual(expected);
    }
  });
});
