/** Programs that gain gas may take long and be right: the node waits for them, and serves others. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/vm/assemble.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig } from '../support/chain-rig.ts';
import { ANYONE, FEE, issuer, programOwner, transaction } from '../support/spending.ts';

describe('a block with a program of many rounds', () => {
  const builder = new ChainBuilder().extend(101);
  /** Each round gains what it costs, but for the counter that ends it. */
  const rounds = '200000 $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:$end';
  const program = assemble(`${rounds} RAW:0x${'61'.repeat(41)} $end`);
  const long = issuer(programOwner(program));
  const tx = transaction({
    from: [builder.coinbase(1)],
    issue: [{ issuer: long, amount: 5n }],
    to: [
      { to: ANYONE, amount: builder.coinbase(1).amount - FEE },
      { to: ANYONE, amount: 5n, assetId: long.assetId },
    ],
  });

  function quickRig(): ChainRig {
    const rig = new ChainRig({ hasher: builder.pow.hasher() });
    // Slices are for the time that really passes.
    rig.clock.now = () => performance.now();
    return rig;
  }

  it('is connected, and everything else goes on meanwhile', async () => {
    const block = builder.draft({ transactions: [tx] });
    const rig = quickRig();
    try {
      await rig.submitAll(builder.blocks.slice(1));
      let turns = 0;
      let isDone = false;
      const count = (): void => {
        turns++;
        if (!isDone) setImmediate(count);
      };
      const submitted = rig.submit(block).finally(() => {
        isDone = true;
      });
      setImmediate(count);
      expect(await submitted).toBe('connected');
      expect(rig.store.tip().height).toBe(102);
      expect(turns).toBeGreaterThan(3);
    } finally {
      await rig.close();
    }
  });

  it('can be given up', async () => {
    const block = builder.draft({ transactions: [tx] });
    const rig = quickRig();
    try {
      await rig.submitAll(builder.blocks.slice(1));
      const abort = new AbortController();
      const options = { priority: 'tip', signal: abort.signal } as const;
      const submitted = rig.chain.submit(block, options);
      setImmediate(() => setImmediate(() => abort.abort(new Error('enough'))));
      await expect(submitted).rejects.toThrow('enough');
      expect(rig.store.tip().height).toBe(101);
      expect(await rig.submit(builder.block())).toBe('connected');
    } finally {
      await rig.close();
    }
  });
});
