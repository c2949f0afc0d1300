import { describe, expect, it } from 'vitest';
import { createSilentMeter } from '../../../pool/meter.ts';
import { difficultyToTarget, meetsTarget, targetToWork } from '../../../src/tensority/target.ts';
import { settle } from '../../support/fake-clock.ts';
import { findNonce, logIn, makeTemplate, startDesk, submitOf, TestClient } from './desk-rig.ts';

const VARDIFF = { vardiff: true, startDifficulty: 4096n, minDifficulty: 16n } as const;

describe('PoolDesk', () => {
  it('gives each login a range, a job and its difficulty, and refuses what it must', async () => {
    const rig = startDesk({
      serverId: 3,
      maxSessions: 4,
      checkAccount: (account) => (account.startsWith('x') ? 'Login: unknown account' : undefined),
    });
    const first = logIn(rig, 'alice');
    const second = logIn(rig, 'bob.');
    expect(first.job).toMatchObject({ difficulty: 64n, startNonce: 3n << 60n, isClean: true });
    expect(second.job.startNonce).toBe((3n << 60n) + (1n << 58n));
    expect(second.job.id).not.toBe(first.job.id);
    expect(first.session).toMatchObject({ login: 'alice', account: 'alice', worker: '0' });
    expect(second.session.worker).toBe('0');
    const attempt = (login: string): unknown =>
      rig.desk.login(new TestClient(), { login, password: '', agent: '' });
    expect(attempt('.rig')).toMatchObject({
      ok: false,
      reason: 'bad-login',
      close: 'unauthorized',
    });
    expect(attempt('')).toMatchObject({ ok: false, reason: 'bad-login' });
    expect(attempt('a\u0007b')).toMatchObject({ ok: false, reason: 'bad-login' });
    expect(attempt('a'.repeat(257))).toMatchObject({ ok: false, reason: 'bad-login' });
    expect(attempt('xeno.1')).toMatchObject({
      reason: 'bad-login',
      text: 'Login: unknown account',
    });
    logIn(rig, 'carol');
    logIn(rig, 'dave');
    expect(attempt('eve')).toMatchObject({ ok: false, close: 'limit' });
    rig.desk.leave(second.session);
    expect(logIn(rig, 'eve').job.startNonce).toBe(second.job.startNonce);
    // Once more: it must not take the range from its new owner.
    rig.desk.leave(second.session);
    expect(attempt('frank')).toMatchObject({ ok: false, close: 'limit' });
    expect(rig.desk.status()).toMatchObject({ sessions: 4, accounts: 4 });
    await rig.desk.close();
  });

  it('refuses logins while there is no work, and takes them when there is', async () => {
    const rig = startDesk();
    const template = rig.feed.current!;
    rig.feed.current = undefined;
    const request = { login: 'a.b', password: '', agent: '' };
    const client = new TestClient();
    expect(rig.desk.login(client, request)).toMatchObject({ ok: false, close: 'no-work' });
    rig.feed.set(template);
    expect(rig.desk.login(client, request)).toMatchObject({ ok: true });
    await rig.desk.close();
  });

  it('keeps a reserved range for the login of that client, and takes it back', async () => {
    const rig = startDesk({ maxSessions: 2 });
    const [one, two, three] = [new TestClient(), new TestClient(), new TestClient()];
    const start = rig.desk.reserveNonces(one);
    expect(rig.desk.reserveNonces(one)).toBe(start);
    expect(logIn(rig, 'a.1', { client: two }).job.startNonce).not.toBe(start);
    expect(rig.desk.reserveNonces(three)).toBeUndefined();
    const miner = logIn(rig, 'b.1', { client: one });
    expect(miner.job.startNonce).toBe(start);
    // It is the session's now.
    rig.desk.release(one);
    expect(rig.desk.reserveNonces(three)).toBeUndefined();
    rig.desk.leave(miner.session);
    expect(rig.desk.reserveNonces(three)).toBe(start);
    rig.desk.release(three);
    rig.desk.release(three);
    expect(rig.desk.reserveNonces(one)).toBe(start);
    expect(rig.desk.reserveNonces(three)).toBeUndefined();
    await rig.desk.close();
  });

  it('narrows the range of clients whose envelope can say fewer bits', async () => {
    const rig = startDesk({ minDifficulty: 1n, startDifficulty: 1n });
    const miner = logIn(rig, 'a.1', { client: new TestClient('192.0.2.9', 40) });
    const { job, session } = miner;
    const inside = submitOf(miner, job, job.startNonce + (1n << 40n) - 1n);
    const outside = submitOf(miner, job, job.startNonce + (1n << 40n));
    expect(await rig.desk.submit(session, inside)).toEqual({ accepted: true });
    expect(await rig.desk.submit(session, outside)).toMatchObject({ reason: 'out-of-range' });
    await rig.desk.close();
  });

  it.each([
    ['', 4096n],
    ['d=100000', 100_000n],
    ['d=1', 16n],
    ['d=99999999999999999999', 1n << 30n],
    ['md=9000', 9000n],
    ['md=9000,d=20', 9000n],
    ['fd=50,d=20', 50n],
  ])('takes the wishes of the password %j within the bounds', async (password, difficulty) => {
    const rig = startDesk({ ...VARDIFF, maxDifficulty: 1n << 30n });
    expect(logIn(rig, 'a.1', { password }).job.difficulty).toBe(difficulty);
    await rig.desk.close();
  });

  it('gives no job that is harder than its block, unless it is told to', async () => {
    const template = makeTemplate({ target: difficultyToTarget(1000n) });
    const work = targetToWork(template.target);
    const rig = startDesk(VARDIFF, { template });
    const { job } = logIn(rig);
    expect(job.difficulty).toBe(work);
    expect(job.target).toBeLessThanOrEqual(difficultyToTarget(work));
    const free = startDesk({ ...VARDIFF, capsAtNetwork: false }, { template });
    expect(logIn(free).job.difficulty).toBe(4096n);
    await rig.desk.close();
    await free.desk.close();
  });

  it('sends a template to all in the order of their logins, and tells the meter', async () => {
    const sent: unknown[] = [];
    const meter = {
      ...createSilentMeter(),
      jobsSent: (...told: readonly unknown[]) => sent.push(told),
    };
    const rig = startDesk({}, { meter });
    const order: string[] = [];
    const miners = ['c.1', 'a.1', 'b.1'].map((login) => {
      const client = new TestClient();
      const send = client.sendJob.bind(client);
      client.sendJob = (job) => {
        order.push(login);
        if (login === 'a.1') throw new Error('broken');
        send(job);
      };
      return logIn(rig, login, { client });
    });
    const template = makeTemplate({ height: 1001 });
    rig.feed.set(template);
    expect(order).toEqual(['c.1', 'a.1', 'b.1']);
    for (const i of [0, 2]) expect(miners[i]!.job).toMatchObject({ template, isClean: true });
    expect(new Set(miners.flatMap(({ jobs }) => jobs.map(({ id }) => id))).size).toBe(5);
    expect(sent.at(-1)).toEqual([3, 0, true]);
    expect(rig.log.of('job not sent').length).toBe(1);
    rig.feed.set(makeTemplate({ height: 1001, timestamp: 5 }), false);
    expect(miners[0]!.job.isClean).toBe(false);
    await rig.desk.close();
  });

  it('retargets: a new job, its header a second later, and the old difficulty for the old one', async () => {
    const rig = startDesk({ ...VARDIFF, startDifficulty: 16n });
    const miner = logIn(rig);
    const old = miner.job;
    let nonce = old.startNonce - 1n;
    const next = (): bigint => {
      nonce = findNonce(old, (hash) => meetsTarget(hash, old.target), nonce + 1n);
      return nonce;
    };
    for (let i = 0; i < 40 && miner.jobs.length === 1; i++) {
      await rig.clock.advance(100);
      await rig.desk.submit(miner.session, submitOf(miner, old, next()));
    }
    const { header, ...same } = old.template;
    expect(miner.job).toMatchObject({
      template: { ...same, header: { ...header, timestamp: header.timestamp + 1 } },
      isClean: false,
    });
    // A tenth of a second from share to share: 150 times as hard.
    expect(Number(miner.job.difficulty) / (16 * 150)).toBeCloseTo(1, 0);
    expect(await rig.desk.submit(miner.session, submitOf(miner, old, next()))).toEqual({
      accepted: true,
    });
    expect(rig.sink.records.map(({ difficulty }) => difficulty)).toEqual(
      rig.sink.records.map(() => 16n),
    );
    expect(rig.desk.status().hashesPerSecond).toBeGreaterThan(100);
    await rig.desk.close();
  });

  it('lowers a silent miner with the sweep, but not one whose share is on its way', async () => {
    const rig = startDesk({ ...VARDIFF, startDifficulty: 1n << 30n });
    const miner = logIn(rig, 'a.1');
    const busy = logIn(rig, 'b.1');
    const fixed = logIn(rig, 'c.1', { password: `fd=${1n << 30n}` });
    rig.verification.isHolding = true;
    const outcome = rig.desk.submit(busy.session, submitOf(busy, busy.job, busy.job.startNonce));
    await rig.clock.advance(200_000);
    expect(miner.job.difficulty).toBeLessThan(1n << 30n);
    expect(miner.job.isClean).toBe(false);
    expect(busy.jobs.length).toBe(1);
    expect(fixed.jobs.length).toBe(1);
    rig.verification.isHolding = false;
    rig.verification.release();
    await outcome;
    await rig.desk.close();
  });

  it('multiplies difficulties under load, spread over two seconds, and takes that back', async () => {
    const rig = startDesk({ ...VARDIFF, shareSeconds: 1e6 });
    const miners = Array.from({ length: 100 }, (_, i) => logIn(rig, `a.${i}`));
    const fixed = logIn(rig, 'f.1', { password: 'fd=4096' });
    rig.verification.setLoad(4);
    await settle();
    const told = (): number => miners.filter(({ jobs }) => jobs.length > 1).length;
    expect(told()).toBeGreaterThan(0);
    expect(told()).toBeLessThan(20);
    await rig.clock.advance(1000);
    expect(told()).toBeGreaterThan(30);
    expect(told()).toBeLessThan(80);
    const newcomer = logIn(rig, 'n.1');
    await rig.clock.advance(1200);
    expect(told()).toBe(100);
    for (const { job, jobs } of miners) {
      expect(job).toMatchObject({ difficulty: 16_384n, isClean: false });
      expect(jobs.length).toBe(2);
    }
    expect(newcomer.jobs.map(({ difficulty }) => difficulty)).toEqual([16_384n]);
    expect(fixed.job.difficulty, 'to answer everybody comes before a fixed one').toBe(16_384n);
    rig.verification.setLoad(1);
    await rig.clock.advance(2200);
    for (const { job } of [...miners, newcomer, fixed]) expect(job.difficulty).toBe(4096n);
    await rig.desk.close();
  });

  it('makes no job harder than the maximum for load', async () => {
    const rig = startDesk({ ...VARDIFF, maxDifficulty: 10_000n });
    const miner = logIn(rig);
    rig.verification.setLoad(4);
    await rig.clock.advance(2200);
    expect(miner.job.difficulty).toBe(10_000n);
    await rig.desk.close();
  });

  it('ends an older spreading when a newer begins', async () => {
    const rig = startDesk({ ...VARDIFF, shareSeconds: 1e6 });
    const miners = Array.from({ length: 100 }, (_, i) => logIn(rig, `a.${i}`));
    rig.verification.setLoad(4);
    await rig.clock.advance(500);
    rig.verification.setLoad(2);
    await rig.clock.advance(500);
    // Six steps of twenty; the older one would be at its eleventh by now.
    expect(miners.filter(({ job }) => job.difficulty === 8192n)).toHaveLength(30);
    await rig.clock.advance(2000);
    expect(miners.filter(({ job }) => job.difficulty === 8192n)).toHaveLength(100);
    await rig.desk.close();
  });

  it('does not take a pause for silence', async () => {
    const rig = startDesk({ ...VARDIFF, startDifficulty: 1n << 20n });
    rig.verification.rule = () => new Uint8Array(32);
    const miner = logIn(rig);
    let nonce = miner.job.startNonce;
    const share = (): Promise<unknown> =>
      rig.desk.submit(miner.session, submitOf(miner, miner.job, nonce++));
    for (let i = 0; i < 10; i++) {
      await rig.clock.advance(15_000);
      await share();
    }
    rig.verification.isFull = true;
    await share();
    expect(rig.desk.status().pausedClients).toBe(1);
    await rig.clock.advance(190_000);
    rig.verification.isFull = false;
    await rig.clock.advance(2000);
    expect(rig.desk.status().pausedClients).toBe(0);
    expect(miner.job.difficulty).toBe(1n << 20n);
    await rig.clock.advance(190_000);
    expect(miner.job.difficulty).toBe(1n << 18n);
    await rig.desk.close();
  });

  it('takes a suggested difficulty within the bounds, where it may vary', async () => {
    const rig = startDesk({ ...VARDIFF, maxDifficulty: 1n << 20n });
    const miner = logIn(rig, 'a.1');
    rig.desk.suggestDifficulty(miner.session, 1000.4);
    expect(miner.job).toMatchObject({ difficulty: 1000n, isClean: false });
    rig.desk.suggestDifficulty(miner.session, 1e300);
    expect(miner.job.difficulty).toBe(1n << 20n);
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
      rig.desk.suggestDifficulty(miner.session, odd);
    }
    rig.desk.suggestDifficulty(miner.session, -5);
    expect(miner.job.difficulty).toBe(16n);
    const fixed = logIn(rig, 'b.1', { password: 'fd=64' });
    rig.desk.suggestDifficulty(fixed.session, 1000);
    expect(fixed.jobs.length).toBe(1);
    await rig.desk.close();
  });

  it('bans an address for protocol errors, not for a few, and tells who it was', async () => {
    const rig = startDesk({ addressErrors: 20 });
    const client = new TestClient('198.51.100.7');
    for (let i = 0; i < 20; i++) rig.desk.protocolError(client, undefined, 'garbage');
    expect(rig.desk.isBanned(client.address)).toBe(false);
    rig.desk.protocolError(client, undefined, 'garbage');
    expect(rig.desk.isBanned(client.address)).toBe(true);
    expect(rig.desk.isBanned('198.51.100.8')).toBe(false);
    const line = rig.log.entries.find(({ event }) => event === 'address banned');
    expect(line?.fields).toMatchObject({ peer: client.peer, reason: 'garbage' });
    await rig.desk.close();
  });

  it('bears two errors more of an address for each of its sessions', async () => {
    const rig = startDesk({ addressErrors: 20 });
    const client = new TestClient('198.51.100.7');
    const miners = Array.from({ length: 40 }, (_, i) =>
      logIn(rig, `a.${i}`, { client: new TestClient(client.address) }),
    );
    for (let i = 0; i < 99; i++) rig.desk.protocolError(client, undefined, 'garbage');
    expect(rig.desk.isBanned(client.address)).toBe(false);
    // Who is gone speaks for nobody any more.
    for (const { session } of miners) rig.desk.leave(session);
    for (let i = 0; i < 2; i++) rig.desk.protocolError(client, undefined, 'garbage');
    expect(rig.desk.isBanned(client.address)).toBe(true);
    await rig.desk.close();
  });

  it('takes the addresses of one /64 for one', async () => {
    const rig = startDesk({ addressErrors: 20 });
    for (let i = 0; i <= 20; i++) {
      rig.desk.protocolError(new TestClient(`2001:db8::${i}`), undefined, 'garbage');
    }
    expect(rig.desk.isBanned('2001:db8::ffff')).toBe(true);
    expect(rig.desk.isBanned('2001:db8:0:1::1')).toBe(false);
    rig.bans.ban('2001:db8:0:2|a.1', 60_000);
    const request = { login: 'a.1', password: '', agent: '' };
    expect(rig.desk.login(new TestClient('2001:db8:0:2::9'), request)).toMatchObject({
      close: 'banned',
    });
    await rig.desk.close();
  });

  it('ends without leaving anything running', async () => {
    const rig = startDesk(VARDIFF);
    logIn(rig);
    rig.verification.setLoad(2);
    await settle();
    expect(rig.clock.sleeping).toBe(2);
    await rig.desk.close();
    await rig.desk.close();
    expect(rig.clock.sleeping).toBe(0);
    expect([rig.feed.listeners, rig.verification.listeners]).toEqual([0, 0]);
  });

  it.each([
    [{ minDifficulty: 0n }, '"minDifficulty" expected 1'],
    [{ minDifficulty: 5n, maxDifficulty: 4n }, '"minDifficulty" expected 1 … 4'],
    [{ startDifficulty: 0n }, '"startDifficulty" expected'],
    [{ shareSeconds: 0 }, '"shareSeconds" expected'],
    [{ graceMs: -1 }, '"graceMs" expected'],
    [{ banInvalidPart: 2 }, '"banInvalidPart" expected'],
    [{ serverId: 8 }, '"serverId" expected'],
  ])('refuses options out of bounds: %o', (options, message) => {
    expect(() => startDesk(options)).toThrow(message);
  });
});
