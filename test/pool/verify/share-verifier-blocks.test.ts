import { describe, expect, it } from 'vitest';
import { settle } from '../../support/fake-clock.ts';
import { StandInHasher, standInHash } from '../../support/stand-in-hasher.ts';
import {
  bad,
  claimOf,
  EASY,
  hashNumber,
  honest,
  NEVER,
  SEED,
  stubRig,
  targetOf,
  verifierRig,
} from './verifier-rig.ts';

const WRONG = new Uint8Array(32).fill(0xff);
/** Good for any target from 2^248 on. */
const SMALL = new Uint8Array(32).fill(0x11, 0, 31);

/** A device that answers all with one hash. */
const lying = (hash: Uint8Array): StandInHasher => new StandInHasher({ hash: () => hash });

describe('ShareVerifier, with claimed blocks', () => {
  it('confirms a claimed block outside of the budget, once for each good share', async () => {
    const rig = verifierRig({ confirm: { totalBurst: 0, burst: 0, fraction: 0 } });
    const blockTarget = EASY >> 8n;
    const claim = { shareTarget: blockTarget, blockTarget, claimed: SMALL };
    const [first, ...others] = bad(20).numbers;
    const isLie = async (n: number): Promise<boolean> =>
      (await rig.shares.verify(claimOf(n, claim))).isLie;
    expect(await isLie(first!), 'of a stranger').toBe(false);
    for (const [i, n] of others.entries()) {
      if (i % 3 === 0) await rig.shares.verify(claimOf(1e6 + n));
      expect(await isLie(n), `${i}`).toBe(i % 3 === 0);
    }
    expect([rig.times('agrees'), rig.times('no-budget')]).toEqual([7, 13]);
    await rig.close();
  });

  it('confirms a stranger’s claimed block within the budget', async () => {
    const rig = verifierRig({ confirm: { totalBurst: 5 } });
    const claim = { shareTarget: EASY >> 8n, blockTarget: EASY >> 8n, claimed: SMALL };
    const calls = bad(100).numbers.map((n) =>
      rig.shares.verify(claimOf(n, { ...claim, login: `${n}` })),
    );
    const lies = (await Promise.all(calls)).filter((verdict) => verdict.isLie).length;
    expect(lies).toBeGreaterThanOrEqual(5);
    expect(lies).toBeLessThanOrEqual(10);
    await rig.close();
  });

  it('serves four claimed blocks of a login first, 32 in all, and no more of strangers than 16', async () => {
    const asked: string[] = [];
    const waiting: (() => void)[] = [];
    const { shares, close } = stubRig(async (_request, priority) => {
      asked.push(priority);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { meets: false, powHash: SMALL };
    });
    const claim = { blockTarget: EASY >> 8n, claimed: SMALL };
    const send = (login: string, n: number): number => {
      const before = asked.filter((priority) => priority === 'candidate').length;
      for (let i = 0; i < n; i++) {
        void shares.verify(claimOf(1000 * asked.length + i, { ...claim, login }));
      }
      return asked.filter((priority) => priority === 'candidate').length - before;
    };
    const release = async (): Promise<void> => {
      for (const go of waiting.splice(0)) go();
      await settle();
    };
    expect(Array.from({ length: 6 }, (_, i) => send(`${i}`, 5))).toEqual([4, 4, 4, 4, 0, 0]);
    expect(asked.length).toBe(30);
    await release();
    // They are free again, and each has proven itself by now.
    const sent = Array.from({ length: 6 }, (_, i) => send(`${i}`, 7));
    expect(sent).toEqual([4, 4, 4, 4, 4, 4]);
    expect([send('x', 5), send('y', 5), send('z', 5)]).toEqual([4, 4, 0]);
    await release();
    await close();
  });

  it('takes a claim that misses both targets for none: no blame, and no block is lost', async () => {
    const rig = verifierRig();
    const foreign = new Uint8Array(32).fill(0xab);
    for (let n = 0; n < 50; n++) {
      const powHash = standInHash(SEED, hashNumber(n));
      const blockTarget = n % 2 === 0 ? targetOf(powHash) : NEVER;
      // Which the foreign one misses.
      if (blockTarget >= targetOf(foreign)) continue;
      const shareTarget = n % 2 === 0 ? NEVER : targetOf(powHash);
      if (shareTarget >= targetOf(foreign)) continue;
      expect(
        await rig.shares.verify(claimOf(n, { shareTarget, blockTarget, claimed: foreign })),
      ).toEqual({ powHash, isVerified: true, isConfirmed: false, isLie: false });
    }
    expect(rig.device.hashes).toBeGreaterThan(20);
    expect(rig.judge.hashes).toBe(0);
    await rig.close();
  });

  it('does not lose a block to a device that says no, or takes it for a mere share', async () => {
    for (const device of [WRONG, new Uint8Array(32).fill(1)]) {
      const rig = verifierRig({ confirm: { totalBurst: 0 } }, { hasher: lying(device) });
      const claim = honest(3, { shareTarget: EASY >> 3n });
      const blockTarget = targetOf(claim.claimed!);
      // Whatever the device says of it: it proves the login.
      await rig.shares.verify(claimOf(1));
      const verdict = await rig.shares.verify({ ...claim, blockTarget });
      expect(verdict).toMatchObject({ isLie: false, powHash: claim.claimed });
      await rig.close();
    }
  });
});
