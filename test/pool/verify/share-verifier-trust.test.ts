import { describe, expect, it } from 'vitest';
import type { ShareVerdict } from '../../../pool/verify/verdict.ts';
import { HasherError } from '../../../src/tensority/hasher.ts';
import { difficultyToTarget } from '../../../src/tensority/target.ts';
import { bytesEqual } from '../../../src/util/bytes.ts';
import { settle } from '../../support/fake-clock.ts';
import { GatedHasher } from '../../support/gated-hasher.ts';
import { seededRandom } from '../../support/random.ts';
import { StandInHasher, standInHash } from '../../support/stand-in-hasher.ts';
import {
  bad,
  claimOf,
  codeOf,
  EASY,
  hashNumber,
  honest,
  NEVER,
  SEED,
  verifierRig,
} from './verifier-rig.ts';

const WRONG = new Uint8Array(32).fill(0xff);
/** Good for any target from 2^248 on. */
const SMALL = new Uint8Array(32).fill(0x11, 0, 31);

describe('ShareVerifier, with trust', () => {
  const trust = { after: 20, floor: 0.1, halveEvery: 5 };

  async function earn(rig: ReturnType<typeof verifierRig>, login: string): Promise<void> {
    for (let n = 0; n < 400; n++) await rig.shares.verify(honest(1_000_000 + n, { login }));
  }

  it('takes a proven worker at its word at the stated rate, and is told which', async () => {
    const rig = verifierRig({ trust }, { random: seededRandom(3) });
    await earn(rig, 'a');
    const before = rig.device.hashes;
    const verdicts: ShareVerdict[] = [];
    for (let n = 0; n < 2000; n++) {
      verdicts.push(await rig.shares.verify(honest(n, { login: 'a' })));
    }
    const verified = verdicts.filter((verdict) => verdict.isVerified).length;
    expect(rig.device.hashes - before).toBe(verified);
    expect(Math.abs(verified - 200)).toBeLessThan(5 * Math.sqrt(2000 * 0.1 * 0.9));
    expect(verdicts.find(({ isVerified }) => !isVerified)).toMatchObject({
      ...{ isConfirmed: false, isLie: false },
    });
    await rig.close();
  });

  it('verifies all without a claim, whose claim is too large, and of strangers', async () => {
    const rig = verifierRig({ trust }, { random: () => 0.999 });
    await earn(rig, 'a');
    const { target, numbers } = bad(20);
    for (const n of numbers) {
      const claims = [
        claimOf(n, { login: 'a' }),
        honest(n, { login: 'a', shareTarget: target }),
        honest(n, { login: 'b' }),
      ];
      for (const claim of claims) {
        expect((await rig.shares.verify(claim)).isVerified).toBe(true);
      }
    }
    await rig.close();
  });

  it('verifies whatever claims to be a block, however trusted', async () => {
    const rig = verifierRig({ trust }, { random: () => 0.999 });
    await earn(rig, 'a');
    expect((await rig.shares.verify(honest(1, { login: 'a' }))).isVerified).toBe(false);
    for (let n = 0; n < 100; n++) {
      const verdict = await rig.shares.verify(honest(n, { login: 'a', blockTarget: EASY }));
      expect(verdict).toMatchObject({ isVerified: true, isConfirmed: false });
    }
    await rig.close();
  });

  it('confirms the first lie of a trusted worker outside of the budget, and trusts no more', async () => {
    const rig = verifierRig(
      { trust, confirm: { totalBurst: 0, burst: 0 } },
      { random: () => 0.05 },
    );
    await earn(rig, 'a');
    const lies = Array.from({ length: 50 }, (_, n) =>
      rig.shares.verify(claimOf(n, { login: 'a', claimed: SMALL })),
    );
    const verdicts = await Promise.all(lies);
    expect(verdicts.map((verdict) => verdict.isLie).filter(Boolean).length).toBe(1);
    expect(verdicts[0]!.isLie).toBe(true);
    expect([rig.times('agrees'), rig.times('no-budget')]).toEqual([1, 49]);
    expect((await rig.shares.verify(honest(99, { login: 'a' }))).isVerified).toBe(true);
    await rig.close();
  });

  it('finds a liar out though it hangs up', async () => {
    const judge = new GatedHasher();
    const rig = verifierRig({ trust }, { judge, random: () => 0.05 });
    await earn(rig, 'a');
    const abort = new AbortController();
    const lie = rig.shares.verify(claimOf(1, { login: 'a', claimed: SMALL }), abort.signal);
    await settle();
    expect(judge.calls.length).toBe(1);
    abort.abort(new Error('gone'));
    // Before the outcome is known, too, nothing more is taken at its word.
    expect((await rig.shares.verify(honest(2, { login: 'a' }))).isVerified).toBe(true);
    judge.calls[0]!.release();
    expect((await lie).isLie).toBe(true);
    await rig.close();
  });

  it('leaves trust to a worker whom only the device gave the lie', async () => {
    const wrong = (seed: Uint8Array, hash: Uint8Array): Uint8Array =>
      bytesEqual(hash, hashNumber(7)) ? WRONG : standInHash(seed, hash);
    const rig = verifierRig(
      { trust },
      { hasher: new StandInHasher({ hash: wrong }), random: () => 0.999 },
    );
    await earn(rig, 'a');
    // A claimed block is always looked at.
    const verdict = await rig.shares.verify(honest(7, { login: 'a', blockTarget: EASY }));
    expect(verdict).toMatchObject({ isLie: false, isConfirmed: false });
    expect((await rig.shares.verify(honest(8, { login: 'a' }))).isVerified).toBe(false);
    await rig.close();
  });

  it('takes no large share at its word for the work of small ones', async () => {
    let drawn = 0;
    const rig = verifierRig({ trust }, { random: () => drawn });
    // 400 shares of difficulty 1: enough for less than 20 times that.
    await earn(rig, 'a');
    drawn = 0.999;
    const lie = (difficulty: bigint, n: number): Promise<ShareVerdict> => {
      const shareTarget = difficultyToTarget(difficulty);
      return rig.shares.verify(claimOf(n, { login: 'a', claimed: SMALL, shareTarget }));
    };
    expect((await lie(19n, 1)).isVerified).toBe(false);
    const large = await Promise.all(Array.from({ length: 100 }, (_, n) => lie(21n, 10 + n)));
    expect(large.filter(({ isVerified }) => !isVerified)).toEqual([]);
    await rig.close();
  });

  /** A trusted login over a device that answers when it is let: the next share is drawn, no other. */
  async function sampleRig(judge?: StandInHasher) {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const draws: number[] = [];
    const rig = verifierRig(
      { trust },
      {
        ...{ hasher, random: () => draws.shift() ?? 0.999 },
        ...(judge === undefined ? {} : { judge }),
      },
    );
    let done = 0;
    const release = async (): Promise<void> => {
      await settle();
      while (hasher.calls[done] !== undefined) hasher.calls[done++]!.release();
    };
    let isEarned = false;
    void earn(rig, 'a').then(() => {
      isEarned = true;
    });
    while (!isEarned) await release();
    draws.push(0);
    const ended: string[] = [];
    const send = (n: number, claimed: Uint8Array): Promise<ShareVerdict> => {
      const verdict = rig.shares.verify(claimOf(n, { login: 'a', claimed }));
      void verdict.then(
        ({ isVerified }) => ended.push(isVerified ? 'verified' : 'word'),
        () => ended.push('none'),
      );
      return verdict;
    };
    const right = (n: number): Uint8Array => standInHash(SEED, hashNumber(n));
    return { rig, hasher, send, right, ended, release };
  }

  it('holds what it would take at its word until the share that was drawn has its verdict', async () => {
    const { rig, send, right, ended, release } = await sampleRig();
    for (let n = 0; n < 5; n++) void send(n, right(n));
    await settle();
    expect([ended, rig.shares.queued]).toEqual([[], 5]);
    await release();
    await settle();
    expect(ended.toSorted()).toEqual(['verified', 'word', 'word', 'word', 'word']);
    expect(rig.shares.queued).toBe(0);
    await rig.close();
  });

  it('takes nothing of a burst of lies at its word once one of them is drawn', async () => {
    const { rig, send, ended, release } = await sampleRig();
    const burst = Array.from({ length: 200 }, (_, n) => send(n, SMALL));
    let isOver = false;
    const verdicts = Promise.all(burst).finally(() => {
      isOver = true;
    });
    while (!isOver) await release();
    expect(ended.filter((how) => how !== 'verified')).toEqual([]);
    expect((await verdicts)[0]!.isLie).toBe(true);
    await rig.close();
  });

  it('takes nothing at its word while nothing can be verified, and lets nobody wait for it', async () => {
    const judge = new StandInHasher();
    await judge.close();
    const { rig, hasher, send, right, ended } = await sampleRig(judge);
    const before = hasher.calls.length;
    const calls = Array.from({ length: 4 }, (_, n) => send(n, right(n)));
    await settle();
    expect(hasher.calls.length).toBe(before + 1);
    hasher.calls[before]!.fail(new HasherError({ code: 'lost', reason: 'gone' }));
    for (const call of calls) expect(await codeOf(call)).toBe('unavailable');
    for (let n = 10; n < 30; n++) expect(await codeOf(send(n, right(n)))).toBe('unavailable');
    expect(ended).toEqual(Array.from({ length: 24 }, () => 'none'));
    await rig.close();
  });

  it('is owed a verdict after one that was not to be had', async () => {
    const { rig, hasher, send, right, release } = await sampleRig();
    const before = hasher.calls.length;
    const abort = new AbortController();
    const drawn = rig.shares.verify(honest(1, { login: 'a' }), abort.signal);
    const held = send(2, right(2));
    const gone = rig.shares.verify(honest(3, { login: 'a' }), abort.signal);
    await settle();
    abort.abort(new Error('gone'));
    for (const call of [drawn, gone]) expect(await codeOf(call)).toBe('Error: gone');
    await settle();
    const next = send(4, right(4));
    await settle();
    // Both wait for the device.
    expect(rig.shares.queued).toBe(2);
    await release();
    await release();
    await release();
    expect([(await held).isVerified, (await next).isVerified]).toEqual([true, true]);
    expect((await send(5, right(5))).isVerified).toBe(false);
    expect(hasher.calls.length).toBe(before + 3);
    await rig.close();
  });

  it('lets go of what is held when it is closed', async () => {
    const { rig, send, right } = await sampleRig();
    const calls = Array.from({ length: 4 }, (_, n) => send(n, right(n)));
    await settle();
    await rig.shares.close();
    for (const call of calls) expect(await codeOf(call)).toBe('closed');
    await rig.close();
  });

  it('calls a claim that misses both targets a lie, and has the block all the same', async () => {
    const rig = verifierRig({ trust }, { random: () => 0.999 });
    await earn(rig, 'a');
    const powHash = standInHash(SEED, hashNumber(7));
    const claim = claimOf(7, { login: 'a', claimed: WRONG, shareTarget: NEVER });
    const blockTarget = EASY - 2n;
    expect(await rig.shares.verify({ ...claim, blockTarget })).toEqual({
      ...{ powHash, isVerified: true, isConfirmed: true, isLie: true },
    });
    expect((await rig.shares.verify(honest(8, { login: 'a' }))).isVerified).toBe(true);
    await rig.close();
  });

  it('does not call a hash a lie that is spelled backwards, and gives no trust for it', async () => {
    const rig = verifierRig({ trust }, { random: () => 0.999 });
    for (let n = 0; n < 100; n++) {
      const claimed = standInHash(SEED, hashNumber(n)).toReversed();
      const verdict = await rig.shares.verify(claimOf(n, { login: 'a', claimed }));
      expect(verdict).toMatchObject({ isVerified: true, isConfirmed: false, isLie: false });
    }
    expect(rig.judge.hashes).toBe(0);
    await rig.close();
  });
});
