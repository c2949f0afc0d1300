/** When a share is judged, who is made to wait, and what counts against whom. */
import { describe, expect, it } from 'vitest';
import { createSilentMeter, type PoolMeter } from '../../../pool/meter.ts';
import { meetsTarget } from '../../../src/tensority/target.ts';
import { findNonce, logIn, makeTemplate, startDesk, submitOf } from './desk-rig.ts';

const EASY = { startDifficulty: 4n, minDifficulty: 1n } as const;
const accepted = { accepted: true };
const refused = (reason: string): object => ({ accepted: false, reason });

describe('Submissions', () => {
  it('forgets the pause of a client that leaves', async () => {
    const rig = startDesk({ startDifficulty: 1n, minDifficulty: 1n });
    const miner = logIn(rig);
    rig.verification.isFull = true;
    await rig.desk.submit(miner.session, submitOf(miner, miner.job, miner.job.startNonce));
    expect(rig.desk.status().pausedClients).toBe(1);
    rig.desk.leave(miner.session);
    expect(rig.desk.status().pausedClients).toBe(0);
    await rig.desk.close();
  });

  it('makes only those wait whose shares have no room, and lets others go on before them', async () => {
    const rig = startDesk({ startDifficulty: 1n, minDifficulty: 1n });
    const strangers = Array.from({ length: 20 }, (_, i) => logIn(rig, `evil.${i}`));
    const proven = logIn(rig, 'good.1');
    const submitAll = async (): Promise<void> => {
      for (const miner of [...strangers, proven]) {
        const nonce = miner.job.startNonce + BigInt(rig.sink.records.length);
        await rig.desk.submit(miner.session, submitOf(miner, miner.job, nonce));
      }
    };
    rig.verification.fullFor = (login) => login.startsWith('evil');
    await submitAll();
    expect(strangers.every(({ client }) => client.isPaused)).toBe(true);
    expect(proven.client.isPaused).toBe(false);
    rig.verification.fullFor = () => true;
    await submitAll();
    expect(proven.client.isPaused).toBe(true);
    rig.verification.fullFor = (login) => login.startsWith('evil');
    await rig.clock.advance(1000);
    expect(proven.client.isPaused).toBe(false);
    expect(rig.desk.status().pausedClients).toBe(20);
    await rig.desk.close();
  });

  it('judges a share by when it came, not by when its turn comes', async () => {
    const told: unknown[] = [];
    const share: PoolMeter['share'] = (result, _, ms) => void told.push([result, ms]);
    const rig = startDesk(EASY, { meter: { ...createSilentMeter(), share } });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const arrivedAt = rig.clock.now();
    rig.feed.set(makeTemplate({ height: 1001 }));
    await rig.clock.advance(3000);
    const submit = submitOf(miner, job, nonce);
    expect(await rig.desk.submit(miner.session, submit)).toEqual(refused('stale'));
    expect(await rig.desk.submit(miner.session, { ...submit, arrivedAt })).toEqual(accepted);
    expect(told).toEqual([
      ['stale', 0],
      ['late', 3000],
    ]);
    await rig.desk.close();
  });

  it('measures a miner by when its shares came, however long their verdicts take', async () => {
    const rig = startDesk({ ...EASY, vardiff: true });
    const miner = logIn(rig);
    const { job } = miner;
    rig.verification.isHolding = true;
    let nonce = job.startNonce - 1n;
    const outcomes: Promise<unknown>[] = [];
    // Forty within two seconds, and ten minutes until their verdicts: at 15 s each that would be right.
    for (let i = 0; i < 40; i++) {
      nonce = findNonce(job, (hash) => meetsTarget(hash, job.target), nonce + 1n);
      outcomes.push(rig.desk.submit(miner.session, submitOf(miner, job, nonce)));
      await rig.clock.advance(50);
    }
    await rig.clock.advance(600_000);
    rig.verification.isHolding = false;
    rig.verification.release();
    await Promise.all(outcomes);
    expect(miner.job.difficulty).toBeGreaterThan(100n * job.difficulty);
    await rig.desk.close();
  });

  it.each([
    ['stale', false],
    ['out-of-range', true],
    ['bad-submit', true],
    ['job-not-found', true],
  ])('%s counts against the miner: %s', async (reason, isBlamed) => {
    const rig = startDesk({ ...EASY, banShares: 10 });
    const miner = logIn(rig);
    const { job } = miner;
    rig.feed.set(makeTemplate({ height: 1001 }));
    await rig.clock.advance(2001);
    const submits = {
      stale: submitOf(miner, job, job.startNonce),
      'out-of-range': submitOf(miner, job, 1n << 62n),
      'bad-submit': submitOf(miner, job, job.startNonce, { jobId: 'x' }),
      'job-not-found': submitOf(miner, job, job.startNonce, { jobId: '5' }),
    };
    const submit = submits[reason as keyof typeof submits];
    for (let i = 0; i < 10; i++) {
      expect(await rig.desk.submit(miner.session, submit)).toEqual(refused(reason));
    }
    expect(rig.bans.keys.length).toBe(isBlamed ? 1 : 0);
    await rig.desk.close();
  });
});
