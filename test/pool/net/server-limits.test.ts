import { afterEach, describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../pool/client.ts';
import { admissionOptions } from '../../../pool/net/admission.ts';
import { createDeferred, type Deferred } from '../../../src/util/deferred.ts';
import { settle } from '../../support/fake-clock.ts';
import {
  clients,
  closedAs,
  endRigs,
  FAST,
  LOGIN,
  type Rig,
  startRig,
  submitLine,
  turnsUntil,
  until,
} from './server-rig.ts';

afterEach(endRigs);

describe('limits', () => {
  it('closes who does not log in within 15 s, and who says nothing for as long as is set', async () => {
    const rig = await startRig({ idleMs: 600_000 });
    const silent = await rig.connect();
    const talker = await rig.connect();
    talker.sendRaw('{"method":"keepalived","id":1}\n');
    await talker.next();
    const miner = await rig.connect();
    await miner.login('alice.rig1');
    await rig.clock.advance(14_000);
    expect([silent.isClosed, talker.isClosed]).toEqual([false, false]);
    await rig.clock.advance(2000);
    await Promise.all([silent.closed, talker.closed]);
    await closedAs(rig, ['login-timeout', 'login-timeout']);
    await miner.request('keepalived', {});
    await rig.clock.advance(598_000);
    rig.pool.broadcast();
    expect(miner.isClosed).toBe(false);
    await rig.clock.advance(4000);
    await miner.closed;
    await closedAs(rig, ['login-timeout', 'login-timeout', 'idle']);
  });

  it('waits longer than a slow miner takes for its share', async () => {
    const rig = await startRig();
    const miner = await rig.connect();
    await miner.login('alice.rig1');
    // A B3, 780 H/s, at a fixed difficulty of 1,000,000 needs 1,282 s on average.
    await rig.clock.advance(1_282_000);
    expect(miner.isClosed).toBe(false);
    expect(rig.closed).toEqual([]);
  });

  it('lets no more than 16 submits wait for their answer, and reads on when some are', async () => {
    const rig = await startRig({ messages: FAST });
    const verdicts: Deferred<SubmitOutcome>[] = [];
    rig.pool.onSubmit = () => {
      const verdict = createDeferred<SubmitOutcome>();
      verdicts.push(verdict);
      return verdict.promise;
    };
    const client = await rig.connect();
    await client.login('alice.rig1');
    for (let id = 0; id < 40; id++) client.sendRaw(submitLine(id));
    await until(() => verdicts.length === 16);
    await settle();
    expect(verdicts).toHaveLength(16);
    let answered = 0;
    while (answered < 40) {
      const ready = verdicts.slice(answered);
      for (const verdict of ready) verdict.resolve({ accepted: true });
      answered += ready.length;
      for (const _ of ready) await client.next();
      await until(() => verdicts.length === Math.min(40, answered + 16) || answered === 40);
    }
    expect(new Set(client.received.map(({ id }) => id)).size).toBe(41 - 1);
  });

  it('lets who sends faster than 20/s wait, disturbs nobody else, and closes him in the end', async () => {
    const rig = await startRig();
    const good = await rig.connect();
    await good.login('good');
    const bad = await rig.connect();
    await bad.login('alice.rig1');
    for (let id = 0; id < 600; id++) bad.sendRaw(submitLine(id));
    await until(() => rig.pool.submits.length >= 99);
    await settle();
    expect(rig.pool.submits.length, 'the burst, and the one that made the debt').toBe(100);
    await rig.clock.advance(1000);
    await until(() => rig.pool.submits.length >= 119);
    expect(rig.pool.submits.length).toBeLessThanOrEqual(121);
    const before = rig.pool.submits.length;
    const answer = good.request('submit', { id: 'good', job_id: '1', nonce: '1' });
    expect(await turnsUntil(answer), 'turns of the loop').toBeLessThan(100);
    expect(await answer).toMatchObject({ error: null });
    expect(rig.pool.submits.length).toBe(before + 1);
    for (let second = 0; second < 10; second++) {
      await rig.clock.advance(1000);
    }
    expect(bad.isClosed).toBe(false);
    for (let second = 0; second < 21; second++) {
      for (let id = 0; id < 30; id++) if (!bad.isClosed) bad.sendRaw(submitLine(id));
      await rig.clock.advance(1000);
    }
    await rig.clock.advance(3000);
    await bad.closed;
    await closedAs(rig, ['flood']);
    expect(rig.log.of('closed: flood')).toHaveLength(1);
    expect(good.isClosed).toBe(false);
  });

  it('does not call it a flood when a burst has been worked off', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    for (let id = 0; id < 150; id++) client.sendRaw(submitLine(id));
    await rig.clock.advance(60_000);
    await until(() => rig.pool.submits.length === 150);
    for (let second = 0; second < 60; second++) {
      for (let id = 0; id < 19; id++) client.sendRaw(submitLine(id));
      await rig.clock.advance(1000);
    }
    await until(() => rig.pool.submits.length === 150 + 60 * 19);
    expect(client.isClosed).toBe(false);
  });

  it('waits with a client for as long as the pool says', async () => {
    const rig = await startRig({ idleMs: 20_000 });
    const client = await rig.connect();
    await client.login('alice.rig1');
    const session = rig.pool.sessions[0];
    session?.client.pause(true);
    client.sendRaw(submitLine(2));
    await rig.clock.advance(40_000);
    expect(rig.pool.submits).toEqual([]);
    expect(client.isClosed, 'it is not idle: it is not heard').toBe(false);
    session?.client.pause(false);
    expect(await client.next()).toMatchObject({ id: 2, error: null });
  });

  it('cuts off who does not read, and others get their jobs', async () => {
    const rig = await startRig();
    const good = await rig.connect();
    await good.login('good');
    const slow = await rig.connect();
    await slow.login('slow');
    slow.socket.pause();
    await settle();
    let jobs = 0;
    while (!rig.closed.includes('too-slow') && jobs < 40_000) {
      for (let i = 0; i < 50; i++) rig.pool.sessions[1]?.client.sendJob(jobOf(rig, 1));
      jobs += 50;
      await settle();
    }
    await closedAs(rig, ['too-slow']);
    rig.pool.broadcast();
    expect(await good.next()).toMatchObject({ method: 'job' });
  });

  it('takes only so many connections of an address, of its neighbours, and in all', async () => {
    const logins = { perSecond: 5, burst: 20 };
    const rig = await startRig({ maxPerHost: 2, maxPerNetwork: 3, maxConnections: 4, logins });
    const from = async (localAddress: string): Promise<boolean> => {
      const client = await rig.connect({ localAddress });
      client.sendRaw(LOGIN);
      return client.next().then(
        () => true,
        () => false,
      );
    };
    expect(await from('127.0.0.2')).toBe(true);
    expect(await from('127.0.0.2')).toBe(true);
    expect(await from('127.0.0.2'), 'a third of one address').toBe(false);
    expect(await from('127.0.0.3')).toBe(true);
    expect(await from('127.0.0.4'), 'a fourth of one /24').toBe(false);
    expect(await from('127.0.1.1')).toBe(true);
    expect(await from('127.0.2.1'), 'a fifth').toBe(false);
    expect(await from('127.0.3.1'), 'another fifth').toBe(false);
    expect(rig.log.of('refused: all places taken'), 'one line for all').toHaveLength(1);
    expect(rig.log.of('refused: limit'), 'one line for each address').toHaveLength(2);
    // Whoever came has come, and is gone.
    await closedAs(rig, ['limit', 'limit', 'limit', 'limit']);
    expect(rig.opened()).toBe(8);
    expect(rig.server.counts).toMatchObject({ open: 4, loggedIn: 4, refused: { limit: 4 } });
    clients[0]?.drop();
    await until(() => rig.server.counts.open === 3);
    expect(await from('127.0.0.2'), 'its place is free again').toBe(true);
  });

  it('takes only so many logins of an address, and so many connections at once', async () => {
    const logins = { perSecond: 5, burst: 2 };
    const rig = await startRig({ logins, accepts: { perSecond: 1, burst: 4 } });
    for (let i = 0; i < 2; i++) await (await rig.connect()).login('alice.rig1');
    const third = await rig.connect();
    // Not answered: miners take a refused login for a wrong one, and give up.
    third.send({ id: 1, method: 'login', params: { login: 'alice.rig1' } });
    await third.closed;
    expect(third.received).toEqual([]);
    await closedAs(rig, ['limit']);
    expect(rig.logins).toEqual(['limit']);
    await (await rig.connect({ localAddress: '127.0.0.9' })).login('bob.rig1');
    const fifth = await rig.connect();
    await fifth.closed;
    expect(rig.server.counts.refused.limit).toBe(1);
    await closedAs(rig, ['limit', 'limit']);
  });

  it('lets all miners of an address log in at once that may be connected', async () => {
    const rig = await startRig({ maxPerHost: 110 });
    for (let i = 0; i < 110; i++) {
      const client = await rig.connect();
      expect(await client.login('alice.rig1'), `login ${i}`).toMatchObject({ error: null });
    }
  });

  it('takes nothing from others for those that it refuses for their own address', async () => {
    const rig = await startRig({ maxPerHost: 1, accepts: { perSecond: 1, burst: 3 } });
    await (await rig.connect({ localAddress: '127.0.0.2' })).login('alice.rig1');
    for (let i = 0; i < 5; i++) await (await rig.connect({ localAddress: '127.0.0.2' })).closed;
    for (const localAddress of ['127.0.0.3', '127.0.0.4']) {
      const client = await rig.connect({ localAddress });
      expect(await client.login('bob.rig1'), localAddress).toMatchObject({ error: null });
    }
  });

  it('takes only so many connections of an address at once, whether they stay or not', async () => {
    const rig = await startRig({ acceptsPerHost: { perSecond: 1, burst: 2 } });
    for (let i = 0; i < 2; i++) {
      const client = await rig.connect();
      await client.login('alice.rig1');
      client.drop();
      await until(() => rig.server.counts.open === 0);
    }
    await (await rig.connect()).closed;
    expect(rig.server.counts.refused.limit).toBe(1);
    await (await rig.connect({ localAddress: '127.0.0.9' })).login('bob.rig1');
    await rig.clock.advance(1000);
    await (await rig.connect()).login('alice.rig1');
  });

  it('lets one address have as many connections as its network, if it may have many', () => {
    expect(admissionOptions({}).maxPerNetwork).toBe(4096);
    expect(admissionOptions({ maxPerHost: 9000 }).maxPerNetwork).toBe(9000);
    expect(admissionOptions({ maxPerHost: 9000, maxPerNetwork: 10 }).maxPerNetwork).toBe(10);
  });

  it('refuses banned addresses on arrival', async () => {
    const rig = await startRig();
    rig.pool.banned.add('127.0.0.5');
    const client = await rig.connect({ localAddress: '127.0.0.5' });
    await client.closed;
    await (await rig.connect()).login('alice.rig1');
    expect(rig.server.counts.refused.banned).toBe(1);
    expect(rig.log.of('refused: banned')).toHaveLength(1);
    await closedAs(rig, ['banned']);
  });
});

function jobOf(rig: Rig, index: number) {
  const session = rig.pool.sessions[index];
  if (session === undefined) throw new Error(`no session ${index}`);
  return rig.pool.jobFor(session.client);
}
