import { describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { HeightVerdicts } from '../../../src/node/mining/height-verdicts.ts';
import type { TemplateTx } from '../../../src/node/mining/transaction-source.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  ANYONE,
  FEE,
  keyOwner,
  type Owner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { BASE } from './template-rig.ts';

const SIGNAL = new AbortController().signal;

function spending(owner: Owner, options: { twice?: boolean; timeRange?: bigint } = {}): TemplateTx {
  const coin = { ...BASE.coinbase(1), owner };
  const { twice = false, timeRange = 0n } = options;
  const to = [{ to: ANYONE, amount: coin.amount - FEE }];
  const tx = transaction({ from: twice ? [coin, coin] : [coin], to, timeRange });
  return { tx, fee: 7n, gasUsed: 8, statusFail: false };
}

describe('the verdict for a height', () => {
  it('is that of the pool for what cannot tell heights apart', () => {
    const verdicts = new HeightVerdicts();
    for (const owner of [ANYONE, keyOwner(1), scriptOwner(assemble('1 VERIFY TRUE'))]) {
      const pooled = spending(owner);
      expect(verdicts.get(pooled, 1000)).toBe(pooled);
    }
  });

  it('needs no program for a time range', () => {
    const verdicts = new HeightVerdicts();
    const pooled = spending(ANYONE, { timeRange: 1000n });
    expect(verdicts.get(pooled, 1000)).toBe(pooled);
    expect(verdicts.get(pooled, 1001)).toBe('invalid');
  });

  it('is found again for each height where a program may ask for it, or inputs are the same', async () => {
    const until = spending(scriptOwner(assemble('1000 BLOCKHEIGHT GREATERTHAN')));
    const twice = spending(ANYONE, { twice: true });
    const clock = new FakeClock();
    for (const [pooled, last] of [
      [until, 999],
      [twice, 142_499],
    ] as const) {
      const verdicts = new HeightVerdicts();
      for (const height of [last, last + 1]) {
        expect(verdicts.get(pooled, height)).toBeUndefined();
        const quick = verdicts.validateQuickly(pooled, height);
        expect(verdicts.get(pooled, height)).toBe(quick);
        expect(quick === 'invalid', `height ${height}`).toBe(height > last);
        await verdicts.validate(pooled, height, clock, SIGNAL);
        expect(verdicts.get(pooled, height)).toEqual(quick);
      }
      expect(verdicts.get(pooled, last)).toBeUndefined();
    }
  });

  it('is not asked for again where it cannot be found', async () => {
    const { tx } = spending(scriptOwner(assemble('BLOCKHEIGHT')));
    const broken: Tx = Object.defineProperty({ ...tx }, 'outputs', {
      get: () => {
        throw new Error('a bug');
      },
    });
    const pooled = { tx: broken, fee: 1n, gasUsed: 1, statusFail: false };
    const verdicts = new HeightVerdicts();
    await expect(verdicts.validate(pooled, 5, new FakeClock(), SIGNAL)).rejects.toThrow('a bug');
    expect(verdicts.get(pooled, 5)).toBe('invalid');
  });

  it('is not looked for any more once nobody wants it', async () => {
    const pooled = spending(scriptOwner(assemble('BLOCKHEIGHT')));
    const verdicts = new HeightVerdicts();
    const reason = new Error('another parent');
    const signal = AbortSignal.abort(reason);
    await expect(verdicts.validate(pooled, 5, new FakeClock(), signal)).rejects.toBe(reason);
    expect(verdicts.get(pooled, 5)).toBeUndefined();
  });
});
