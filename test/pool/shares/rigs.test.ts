/** Bad shares of one rig among others of its name, and of one address under many names. */
import { describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../pool/client.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { type DeskRig, logIn, type Miner, startDesk, submitOf, TestClient } from './desk-rig.ts';

const EVERYTHING = { startDifficulty: 1n, minDifficulty: 1n } as const;
const accepted = { accepted: true };
const KEY = '192.0.2.1|farm';

/** Bad shares, one after another; gives the last outcome. */
async function spoil(rig: DeskRig, miner: Miner, count: number): Promise<SubmitOutcome> {
  let outcome: SubmitOutcome = accepted as SubmitOutcome;
  for (let i = 0; i < count; i++) {
    outcome = await rig.desk.submit(miner.session, submitOf(miner, miner.job, 1n << 62n));
  }
  return outcome;
}

describe('rigs of one name behind one address', () => {
  it('go on when one of them is broken, whose connection ends', async () => {
    const results: string[] = [];
    const share = (result: string): void => void results.push(result);
    const rig = startDesk(EVERYTHING, { meter: { ...createSilentMeter(), share } });
    const farm = Array.from({ length: 3 }, () => logIn(rig, 'farm'));
    const [broken, ...good] = farm as [Miner, ...Miner[]];
    expect(await spoil(rig, broken, 50)).toEqual({ accepted: false, reason: 'out-of-range' });
    expect(rig.bans.keys).toEqual([]);
    const lines = rig.log.entries.filter(({ event }) => event === 'connection banned');
    expect(lines).toMatchObject([
      { level: 'warn', fields: { login: 'farm', hint: expect.stringContaining('go on: 2 ') } },
    ]);
    expect(await spoil(rig, broken, 1)).toMatchObject({ text: 'Banned', close: 'banned' });
    expect(results.at(-1)).toBe('banned');
    for (const miner of good) {
      const { job, session } = miner;
      const outcome = rig.desk.submit(session, submitOf(miner, job, job.startNonce));
      expect(await outcome).toEqual(accepted);
    }
    // It comes back, as often as it likes: it is the same rig.
    for (let i = 0; i < 3; i++) {
      rig.desk.leave(broken.session);
      const again = logIn(rig, 'farm');
      await spoil(rig, again, 50);
      rig.desk.leave(again.session);
    }
    expect(rig.bans.keys).toEqual([]);
    await rig.desk.close();
  });

  it('are banned when most of them are broken, also if those have left', async () => {
    const rig = startDesk(EVERYTHING);
    const farm = Array.from({ length: 4 }, () => logIn(rig, 'farm'));
    for (const broken of farm.slice(0, 2)) {
      await spoil(rig, broken, 50);
      rig.desk.leave(broken.session);
    }
    expect(rig.bans.keys).toEqual([]);
    await spoil(rig, farm[2]!, 50);
    expect(rig.bans.keys).toEqual([KEY]);
    await rig.desk.close();
  });

  it('are not blamed for what was long ago', async () => {
    const rig = startDesk({ ...EVERYTHING, banMs: 1000 });
    const farm = Array.from({ length: 3 }, () => logIn(rig, 'farm'));
    await spoil(rig, farm[0]!, 50);
    await rig.clock.advance(1001);
    await spoil(rig, farm[1]!, 50);
    expect(rig.bans.keys).toEqual([]);
    await spoil(rig, farm[2]!, 50);
    expect(rig.bans.keys).toEqual([KEY]);
    await rig.desk.close();
  });
});

describe('a worker', () => {
  it('does not wipe the slate by logging in again', async () => {
    const rig = startDesk(EVERYTHING);
    const first = logIn(rig, 'farm');
    await spoil(rig, first, 49);
    rig.desk.leave(first.session);
    await spoil(rig, logIn(rig, 'farm'), 1);
    expect(rig.bans.keys).toEqual([KEY]);
    await rig.desk.close();
  });

  it('has no part in the counter of a connection that is there', async () => {
    const rig = startDesk(EVERYTHING);
    const first = logIn(rig, 'farm');
    await spoil(rig, first, 49);
    await spoil(rig, logIn(rig, 'farm'), 1);
    expect(rig.log.of('connection banned')).toEqual([]);
    rig.desk.leave(first.session);
    const again = logIn(rig, 'farm');
    await spoil(rig, logIn(rig, 'farm'), 1);
    expect(rig.log.of('connection banned'), 'of two, one has the counter of the first').toEqual([]);
    await spoil(rig, again, 1);
    expect(rig.log.of('connection banned')).toHaveLength(1);
    expect(rig.bans.keys).toEqual([]);
    await rig.desk.close();
  });
});

describe('ever new names at one address', () => {
  it('are a ban of the address after 500 bad shares, for who connects', async () => {
    const rig = startDesk(EVERYTHING);
    const neighbour = logIn(rig, 'good.1', { client: new TestClient('2001:db8::1') });
    const evil = (i: number): Miner =>
      logIn(rig, `evil.${i}`, { client: new TestClient(`2001:db8::${i}`) });
    let bad = 0;
    for (let i = 2; bad + 40 < 500; i++, bad += 40) {
      const miner = evil(i);
      await spoil(rig, miner, 40);
      rig.desk.leave(miner.session);
    }
    const last = evil(100);
    await spoil(rig, last, 499 - bad);
    expect(rig.bans.keys).toEqual([]);
    await spoil(rig, last, 1);
    expect(rig.bans.keys).toEqual(['2001:db8:0:0']);
    expect(rig.desk.isBanned('2001:db8::7')).toBe(true);
    expect(rig.log.of('address banned')).toHaveLength(1);
    const { job, session } = neighbour;
    const outcome = await rig.desk.submit(session, submitOf(neighbour, job, job.startNonce));
    expect(outcome).toEqual(accepted);
    await rig.desk.close();
  });

  it('are none where half of the shares of the address are good', async () => {
    const rig = startDesk(EVERYTHING);
    for (let i = 0; i < 30; i++) {
      const miner = logIn(rig, `farm.${i}`);
      const { startNonce } = miner.job;
      for (let n = 0n; n < 42n; n++) {
        await rig.desk.submit(miner.session, submitOf(miner, miner.job, startNonce + n));
      }
      await spoil(rig, miner, 40);
    }
    expect(rig.bans.keys).toEqual([]);
    await rig.desk.close();
  });

  it('are none for low shares that no independent hasher has confirmed', async () => {
    const rig = startDesk({ startDifficulty: 1n << 40n });
    const low = async (from: number, count: number): Promise<void> => {
      for (let i = from; i < from + count; i++) {
        const miner = logIn(rig, `evil.${i}`);
        for (let n = 0n; n < 30n; n++) {
          const nonce = miner.job.startNonce + n;
          await rig.desk.submit(miner.session, submitOf(miner, miner.job, nonce));
        }
        rig.desk.leave(miner.session);
      }
    };
    await low(0, 40);
    expect(rig.bans.keys).toEqual([]);
    rig.verification.verdict = { isConfirmed: true };
    await low(40, 1);
    expect(rig.bans.keys).toEqual(['192.0.2.1']);
    await rig.desk.close();
  });
});
