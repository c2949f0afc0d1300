import { describe, expect, it } from 'vitest';
import { createSilentMeter } from '../../../pool/meter.ts';
import { DifficultyMemory } from '../../../pool/shares/difficulty-memory.ts';
import { meetsTarget } from '../../../src/tensority/target.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  type DeskRig,
  findNonce,
  logIn,
  type Miner,
  startDesk,
  submitOf,
  TestClient,
} from './desk-rig.ts';

const VARDIFF = { vardiff: true, startDifficulty: 16n, minDifficulty: 16n } as const;

/** Submits shares in quick succession, until the miner has another difficulty than 16. */
async function raise(rig: DeskRig, miner: Miner): Promise<bigint> {
  const { job } = miner;
  let nonce = job.startNonce - 1n;
  for (let i = 0; i < 40 && miner.jobs.length === 1; i++) {
    nonce = findNonce(job, (hash) => meetsTarget(hash, job.target), nonce + 1n);
    await rig.clock.advance(100);
    await rig.desk.submit(miner.session, submitOf(miner, job, nonce));
  }
  expect(miner.job.difficulty).toBeGreaterThan(1000n);
  return miner.job.difficulty;
}

describe('a worker that comes back', () => {
  it('begins where it was, unless its password says otherwise', async () => {
    const rig = startDesk(VARDIFF);
    const miner = logIn(rig);
    const difficulty = await raise(rig, miner);
    rig.desk.leave(miner.session);
    expect(logIn(rig).job.difficulty).toBe(difficulty);
    expect(logIn(rig, 'alice.rig1', { password: 'd=50' }).job.difficulty).toBe(50n);
    expect(logIn(rig, 'alice.rig1', { password: 'fd=60' }).job.difficulty).toBe(60n);
    expect(logIn(rig, 'alice.rig2').job.difficulty).toBe(16n);
    const elsewhere = { client: new TestClient('192.0.2.77') };
    expect(logIn(rig, 'alice.rig1', elsewhere).job.difficulty).toBe(16n);
    await rig.desk.close();
  });

  it('does so while its dead connection is still there, and lowered for its silence', async () => {
    const rig = startDesk(VARDIFF);
    const dead = logIn(rig);
    const difficulty = await raise(rig, dead);
    await rig.clock.advance(600_000);
    expect(dead.job.difficulty).toBeLessThan(difficulty / 4n);
    expect(logIn(rig).job.difficulty).toBe(difficulty);
    await rig.desk.close();
  });

  it('is unknown again after an hour, or after many others', async () => {
    const clock = new FakeClock();
    const memory = new DifficultyMemory(2, clock);
    memory.remember('a', 5n);
    await clock.advance(3_600_000);
    memory.remember('b', 6n);
    expect([memory.of('a'), memory.of('b')]).toEqual([5n, 6n]);
    await clock.advance(1);
    expect([memory.of('a'), memory.of('b')]).toEqual([undefined, 6n]);
    memory.remember('c', 7n);
    memory.remember('d', 8n);
    expect(memory.of('b')).toBeUndefined();
  });
});

describe('the log', () => {
  it('tells the first logins of a minute, and the number of many', async () => {
    const rig = startDesk();
    for (let i = 0; i < 25; i++) logIn(rig, `a.${i}`);
    const levels = rig.log.entries.flatMap(({ event, level }) => (event === 'login' ? level : []));
    expect(levels.filter((level) => level === 'info')).toHaveLength(20);
    expect(levels.filter((level) => level === 'debug')).toHaveLength(5);
    await rig.clock.advance(60_000);
    const summaries = (): unknown[] =>
      rig.log.entries.flatMap(({ event, level, fields }) =>
        event === 'logins' ? { level, ...fields } : [],
      );
    expect(summaries()).toEqual([{ level: 'info', count: 25, seconds: 60 }]);
    logIn(rig, 'b.1');
    expect(rig.log.entries.at(-1)).toMatchObject({ level: 'info', event: 'login' });
    await rig.clock.advance(60_000);
    expect(summaries(), 'nothing to add to a few').toHaveLength(1);
    await rig.desk.close();
  });

  it('tells refused logins once a minute of each address, and what is not their fault once', async () => {
    const outcomes: string[] = [];
    const login = (outcome: string): void => void outcomes.push(outcome);
    const rig = startDesk({ maxSessions: 2 }, { meter: { ...createSilentMeter(), login } });
    const attempt = (address: string, name: string): void => {
      rig.desk.login(new TestClient(address), { login: name, password: '', agent: '' });
    };
    const told = (): unknown[] =>
      rig.log.entries.flatMap(({ event, fields }) => (event === 'login refused' ? [fields] : []));
    for (let i = 0; i < 5; i++) attempt('192.0.2.1', '.rig');
    attempt('192.0.2.2', '.rig');
    expect(told()).toHaveLength(2);
    await rig.clock.advance(60_000);
    expect(told().slice(2)).toEqual([{ peer: '192.0.2.1', suppressed: 4 }]);
    for (let i = 0; i < 2; i++) logIn(rig, `a.${i}`);
    for (let i = 0; i < 5; i++) attempt(`192.0.2.${i}`, 'b.1');
    expect(told().slice(3)).toMatchObject([{ reason: 'Pool Is Full' }]);
    expect(outcomes.slice(-5)).toEqual(Array(5).fill('limit'));
    await rig.desk.close();
  });
});

describe('a submit that could not be read', () => {
  it('is counted, told, and in the end a reason for a ban', async () => {
    const results: unknown[] = [];
    const meter = {
      ...createSilentMeter(),
      share: (...told: readonly unknown[]) => void results.push(told),
    };
    const rig = startDesk({}, { meter });
    const { session, client } = logIn(rig);
    const what = 'submit.nonce: expected 1 to 16 lower-case hex digits, got "0xA"';
    expect(rig.desk.badSubmit(session, what)).toMatchObject({
      accepted: false,
      reason: 'bad-submit',
    });
    expect(results).toEqual([['bad-submit', 0n, 0]]);
    const line = rig.log.entries.find(({ event }) => event === 'share refused');
    expect(line?.fields).toMatchObject({ peer: client.peer, login: 'alice.rig1', reason: what });
    for (let i = 0; i < 48; i++) rig.desk.badSubmit(session, what);
    expect(rig.bans.keys).toEqual([]);
    rig.desk.badSubmit(session, what);
    expect(rig.bans.keys).toEqual(['192.0.2.1|alice.rig1']);
    expect(rig.desk.badSubmit(session, what)).toEqual({
      accepted: false,
      reason: 'unauthorized',
      text: 'Banned',
      close: 'banned',
    });
    await rig.desk.close();
  });
});
