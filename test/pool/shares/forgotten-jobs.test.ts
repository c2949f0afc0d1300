/** Shares of jobs that are remembered no more: late ones are nobody's fault, inventions are. */
import { expect, it } from 'vitest';
import { logIn, makeTemplate, startDesk, submitOf } from './desk-rig.ts';

const OPTIONS = { startDifficulty: 4n, minDifficulty: 1n, banShares: 10 } as const;

it.each([
  ['was given out once', (id: string) => id, []],
  ['of another client that was', (id: string) => `${BigInt(id) + 1n}`, []],
  ['never was', (id: string) => `${BigInt(id) + 1000n}`, ['banned']],
  ['is from before a restart', (id: string) => `${BigInt(id) - 1000n}`, ['banned']],
])('a job that %s', async (_, idOf, bans) => {
  const rig = startDesk(OPTIONS);
  const miner = logIn(rig);
  const { job } = miner;
  logIn(rig, 'bob.rig2');
  for (let i = 1; i <= 9; i++) {
    await rig.clock.advance(61_000);
    rig.feed.set(makeTemplate({ timestamp: 1_700_000_000 + i }), false);
  }
  for (let i = 0n; i < 20n && rig.bans.keys.length === 0; i++) {
    const jobId = idOf(job.id);
    const request = submitOf(miner, job, job.startNonce + i, { jobId });
    const outcome = await rig.desk.submit(miner.session, request);
    expect(outcome).toMatchObject({ accepted: false, reason: 'job-not-found' });
  }
  expect(rig.bans.keys.map(() => 'banned')).toEqual(bans);
  await rig.desk.close();
});
