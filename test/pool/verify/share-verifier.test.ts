import { describe, expect, it } from 'vitest';
import type { ShareClaim } from '../../../pool/verify/verdict.ts';
import { HasherError } from '../../../src/tensority/hasher.ts';
import { meetsTarget } from '../../../src/tensority/target.ts';
import { settle } from '../../support/fake-clock.ts';
import { GatedHasher } from '../../support/gated-hasher.ts';
import { seededRandom } from '../../support/random.ts';
import { StandInHasher, standInHash } from '../../support/stand-in-hasher.ts';
import {
  bad,
  CountingHasher,
  claimOf,
  codeOf,
  EASY,
  hashNumber,
  honest,
  NEVER,
  SEED,
  targetOf,
  verifierRig,
} from './verifier-rig.ts';

const WRONG = new Uint8Array(32).fill(0xff);
/** Good for any target from 2^248 on. */
const SMALL = new Uint8Array(32).fill(0x11, 0, 31);

/** A device that answers all with one hash. */
const lying = (hash: Uint8Array): StandInHasher => new StandInHasher({ hash: () => hash });

describe('ShareVerifier', () => {
  it('says of random shares what the plain comparison says', async () => {
    const random = seededRandom(7);
    const { shares, close } = verifierRig();
    const target = (): bigint => EASY >> BigInt(Math.floor(6 * random()));
    const calls = Array.from({ length: 400 }, async (_, n) => {
      const seed = new Uint8Array(32).fill(n % 3);
      const powHash = standInHash(seed, hashNumber(n));
      const kind = random();
      const claimed = kind < 0.4 ? powHash : kind < 0.5 ? WRONG : undefined;
      const claim: ShareClaim = {
        ...claimOf(n, { seed, shareTarget: target(), blockTarget: target() >> 2n }),
        ...(claimed === undefined ? {} : { claimed }),
        login: `login ${n}`,
      };
      const verdict = await shares.verify(claim);
      const meetsShare = meetsTarget(powHash, claim.shareTarget);
      const meetsBlock = meetsTarget(powHash, claim.blockTarget);
      expect(verdict).toMatchObject({ powHash, isVerified: true });
      const isLie = claimed === WRONG;
      if (verdict.isLie) expect(isLie).toBe(true);
      if (verdict.isConfirmed) expect(isLie || !(meetsShare || meetsBlock)).toBe(true);
      return verdict.isConfirmed;
    });
    const confirmed = (await Promise.all(calls)).filter(Boolean).length;
    expect(confirmed).toBeGreaterThan(19);
    await close();
  });

  it('finds a block in a share whose target is harder than the block’s', async () => {
    const { shares, judge, close } = verifierRig();
    const verdict = await shares.verify(honest(1, { shareTarget: NEVER, blockTarget: EASY }));
    expect(verdict).toMatchObject({ isConfirmed: false, isLie: false });
    expect(judge.hashes).toBe(0);
    await close();
  });

  it('accepts what only the device refuses, and has the mismatch counted', async () => {
    const rig = verifierRig({}, { hasher: lying(WRONG) });
    for (const claim of [claimOf(1), honest(2)]) {
      const powHash = standInHash(SEED, claim.headerHash);
      const verdict = await rig.shares.verify({ ...claim, shareTarget: targetOf(powHash) });
      expect(verdict).toMatchObject({ powHash, isLie: false, isConfirmed: false });
    }
    expect([rig.pow.mismatches, rig.times('disagrees')]).toEqual([2, 2]);
    await rig.close();
  });

  it('goes on with the independent hasher when the device is set aside or lost', async () => {
    const dead = new StandInHasher();
    await dead.close();
    for (const hasher of [lying(WRONG), dead]) {
      const rig = verifierRig({}, { hasher });
      for (let n = 0; n < 12; n++) {
        const verdict = await rig.shares.verify(honest(n, { login: `${n}` }));
        const powHash = standInHash(SEED, hashNumber(n));
        expect(verdict).toMatchObject({ powHash, isLie: false, isConfirmed: false });
      }
      expect(rig.pow.hasherDown).toMatch(/^(3 wrong answers|hasher lost: it was closed)$/);
      // A liar is found out as before, and costs no budget: the answer is the right one already.
      for (let n = 20; n < 40; n++) {
        const verdict = await rig.shares.verify(claimOf(n, { claimed: SMALL }));
        expect(verdict).toMatchObject({ isConfirmed: true, isLie: true });
      }
      await rig.close();
    }
  });

  it('calls a liar who claims something else, with the independent hasher behind it', async () => {
    const { shares, times, close } = verifierRig();
    const claim = claimOf(1, { claimed: SMALL });
    expect(await shares.verify(claim)).toEqual({
      powHash: standInHash(SEED, claim.headerHash),
      isVerified: true,
      isConfirmed: true,
      isLie: true,
    });
    expect(times('agrees')).toBe(1);
    await close();
  });

  it('spends on a flood of bad shares one hash each, and the budget', async () => {
    for (const logins of [1, 400]) {
      const rig = verifierRig({ confirm: { totalBurst: 10, fraction: 0.05 } });
      const { target, numbers } = bad(400);
      const verdicts = await Promise.all(
        numbers.map((n) => {
          return rig.shares.verify(
            claimOf(n, { shareTarget: target, login: `${n % logins}`, claimed: WRONG }),
          );
        }),
      );
      expect(rig.device.hashes).toBe(400);
      const confirmed = verdicts.filter((verdict) => verdict.isConfirmed).length;
      expect(rig.judge.hashes).toBe(confirmed);
      expect(confirmed).toBeGreaterThanOrEqual(logins === 1 ? 3 : 25);
      expect(confirmed).toBeLessThanOrEqual(logins === 1 ? 3 : 10 + 0.05 * 400);
      expect(rig.times('no-budget')).toBe(400 - confirmed);
      // What claims to be nothing is no lie.
      expect(verdicts.some(({ isLie }) => isLie)).toBe(false);
      await rig.close();
    }
  });

  it('counts confirmations that are under way', async () => {
    const judge = new GatedHasher({ maxBatch: 1 });
    const rig = verifierRig({ maxQueued: 8, confirm: { totalBurst: 20 } }, { judge });
    const { target, numbers } = bad(6);
    const calls = numbers.map((n) =>
      rig.shares.verify(claimOf(n, { shareTarget: target, login: `${n}` })),
    );
    await settle();
    expect([rig.shares.queued, rig.shares.isFull]).toEqual([6, true]);
    for (let k = 0; k < 6; k++) {
      judge.calls[k]!.release();
      await settle();
    }
    expect([rig.shares.queued, rig.shares.isFull]).toEqual([0, false]);
    expect((await Promise.all(calls)).every(({ isConfirmed }) => isConfirmed)).toBe(true);
    await rig.close();
  });
});

describe('ShareVerifier, its queue', () => {
  it('is full from three quarters on, down to a half', async () => {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const rig = verifierRig({ maxQueued: 8 }, { hasher });
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 6; n++) {
      expect(rig.shares.isFull, `${n}`).toBe(false);
      calls.push(rig.shares.verify(claimOf(n)));
    }
    expect([rig.shares.isFull, rig.shares.queued]).toEqual([true, 6]);
    const seen: boolean[] = [];
    for (let n = 0; n < 6; n++) {
      await settle();
      hasher.calls[n]!.release();
      await settle();
      seen.push(rig.shares.isFull);
    }
    expect(seen).toEqual([true, false, false, false, false, false]);
    await Promise.all(calls);
    await rig.close();
  });

  it('is not full for who has proven something while strangers fill it', async () => {
    const hasher = new GatedHasher({ maxBatch: 2 });
    const rig = verifierRig({ maxQueued: 8 }, { hasher });
    const good = rig.shares.verify(claimOf(0, { login: 'good.1' }));
    await settle();
    hasher.calls[0]!.release();
    await good;
    const calls = Array.from({ length: 7 }, (_, n) => rig.shares.verify(claimOf(n + 1)));
    await settle();
    const isFullFor = (login: string): boolean => rig.shares.isFullFor(login);
    expect([rig.shares.isFull, isFullFor('good.1'), isFullFor('new.1')]).toEqual([
      true,
      false,
      true,
    ]);
    for (const call of calls) call.catch(() => {});
    await rig.shares.close();
    for (const call of hasher.calls) call.release();
    await rig.close();
  });

  it('drops nothing beyond its bound, keeps the order, and lets candidates pass', async () => {
    const hasher = new GatedHasher({ maxBatch: 2 });
    const rig = verifierRig({ maxQueued: 4 }, { hasher, pow: { maxQueued: 4 } });
    const started = (): number[] =>
      hasher.calls.flatMap((call) =>
        call.headerHashes.map((hash) => new DataView(hash.buffer).getUint32(0)),
      );
    const ended: number[] = [];
    const verify = (claim: ShareClaim, n: number): Promise<unknown> =>
      rig.shares.verify(claim).then(() => ended.push(n));
    const calls = Array.from({ length: 60 }, (_, n) => verify(claimOf(n), n));
    await settle();
    calls.push(verify(honest(777, { blockTarget: EASY }), 777));
    await settle();
    for (let k = 0; ended.length < 61; k++) {
      hasher.calls[k]!.release();
      await settle();
    }
    const order = started();
    // Behind the two batches that were under way.
    expect(order.indexOf(777)).toBe(4);
    const shares = order.filter((n) => n !== 777);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect([shares.length, rig.shares.queued, rig.shares.isFull]).toEqual([60, 0, false]);
    await Promise.all(calls);
    await rig.close();
  });

  it('asks again for shares that had to make room for the blocks of a node', async () => {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const rig = verifierRig({ maxQueued: 8 }, { hasher, pow: { maxQueued: 4 } });
    const calls = Array.from({ length: 6 }, (_, n) => rig.shares.verify(claimOf(n)));
    await settle();
    const tips = Array.from({ length: 4 }, (_, n) =>
      rig.pow.verify({ headerHash: hashNumber(100 + n), seed: SEED, target: EASY }, 'tip'),
    );
    let isOver = false;
    void Promise.all([...calls, ...tips]).then(() => {
      isOver = true;
    });
    for (let k = 0; !isOver && k < 100; k++) {
      hasher.calls[k]?.release();
      await rig.clock.advance(100);
    }
    expect(isOver).toBe(true);
    expect((await Promise.all(calls)).every((verdict) => verdict.isVerified)).toBe(true);
    await rig.close();
  });

  it('tells how long a share waits, and raises the difficulties when that is too long', async () => {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const rig = verifierRig({}, { hasher });
    const factors: number[] = [];
    const end = rig.shares.onLoad((factor) => factors.push(factor));
    const first = rig.shares.verify(claimOf(1000));
    await settle();
    hasher.calls[0]!.release();
    await first;
    const calls = Array.from({ length: 100 }, (_, n) => rig.shares.verify(claimOf(n)));
    await settle();
    let done = 1;
    /** Ten a second. */
    const run = async (seconds: number): Promise<void> => {
      for (let k = 0; k < 10 * seconds; k++) {
        hasher.calls[done++]?.release();
        await rig.clock.advance(100);
      }
    };
    await run(3);
    expect(rig.shares.backlogSeconds).toBeGreaterThan(6);
    expect(rig.shares.backlogSeconds).toBeLessThan(8);
    expect([factors, rig.shares.loadFactor]).toEqual([[2], 2]);
    expect(rig.log.of('share difficulties follow the load of the hasher').length).toBe(1);
    await run(8);
    await Promise.all(calls);
    end();
    await rig.clock.advance(62_000);
    expect([rig.shares.backlogSeconds, rig.shares.loadFactor, factors]).toEqual([0, 1, [2]]);
    await rig.close();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('learns what the hasher does under load, not what it did with next to nothing', async () => {
    const hasher = new GatedHasher({ maxBatch: 16 });
    const rig = verifierRig({}, { hasher });
    let released = 0;
    /** Ten batches a second, of whatever size. */
    const step = async (): Promise<void> => {
      await settle();
      hasher.calls[released++]!.release();
      await rig.clock.advance(100);
    };
    for (let n = 0; n < 100; n++) {
      const one = rig.shares.verify(claimOf(n));
      await step();
      await one;
    }
    const flood = Array.from({ length: 1600 }, (_, n) => rig.shares.verify(claimOf(1000 + n)));
    for (let n = 0; n < 30; n++) await step();
    expect(rig.shares.queued).toBe(1600 - 480);
    expect(Math.abs(rig.shares.backlogSeconds - 7)).toBeLessThan(0.5);
    while (rig.shares.queued > 0) await step();
    await Promise.all(flood);
    await rig.close();
  });

  it('forgets a share whose caller has gone, wherever it is', async () => {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const rig = verifierRig({ maxQueued: 3 }, { hasher });
    const abort = new AbortController();
    const gone = new Error('gone');
    const calls = Array.from({ length: 9 }, (_, n) =>
      rig.shares.verify(claimOf(n), n % 2 === 0 ? abort.signal : undefined),
    );
    await settle();
    abort.abort(gone);
    for (let n = 0; n < 9; n += 2) expect(await codeOf(calls[n]!)).toBe('Error: gone');
    expect(rig.shares.queued).toBe(4);
    for (let k = 0; rig.shares.queued > 0; k++) {
      hasher.calls[k]!.release();
      await settle();
    }
    expect((await Promise.all([1, 3, 5, 7].map((n) => calls[n]!))).length).toBe(4);
    expect(await codeOf(rig.shares.verify(claimOf(1), abort.signal))).toBe('Error: gone');
    await rig.close();
  });

  it('rejects PowError where nothing is left to hash with, and when it is closed', async () => {
    const dead = new StandInHasher();
    await dead.close();
    const rig = verifierRig({}, { hasher: dead, judge: dead });
    expect(await codeOf(rig.shares.verify(claimOf(1)))).toBe('unavailable');
    await rig.close();

    const hasher = new GatedHasher({ maxBatch: 1 });
    const open = verifierRig({ maxQueued: 2 }, { hasher });
    const calls = Array.from({ length: 5 }, (_, n) => open.shares.verify(claimOf(n)));
    await settle();
    await Promise.all([open.shares.close(), open.shares.close()]);
    for (const call of calls) expect(await codeOf(call)).toBe('closed');
    expect(await codeOf(open.shares.verify(claimOf(9)))).toBe('closed');
    expect(open.clock.sleeping).toBeLessThanOrEqual(2);
    await open.close();
    await hasher.close();
  });

  it('has no verdict, and no liar, where the independent hasher fails', async () => {
    class Failing extends CountingHasher {
      override async hash(): Promise<void> {
        throw new HasherError({ code: 'lost', reason: 'gone' });
      }
    }
    const rig = verifierRig({}, { judge: new Failing() });
    expect(await codeOf(rig.shares.verify(claimOf(1, { claimed: SMALL })))).toBe('unavailable');
    await rig.close();
  });
});
