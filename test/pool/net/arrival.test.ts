/** When a message is said to have come. */
import { afterEach, describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../pool/client.ts';
import { createDeferred, type Deferred } from '../../../src/util/deferred.ts';
import { settle } from '../../support/fake-clock.ts';
import { endRigs, startRig, submitLine, until } from './server-rig.ts';

afterEach(endRigs);

describe('a miner', () => {
  it('is heard when its messages come, not when their turn comes', async () => {
    const rig = await startRig({ maxPendingSubmits: 2 });
    const verdicts: Deferred<SubmitOutcome>[] = [];
    rig.pool.onSubmit = () => {
      const verdict = createDeferred<SubmitOutcome>();
      verdicts.push(verdict);
      return verdict.promise;
    };
    const answerAll = async (): Promise<void> => {
      for (const verdict of verdicts.splice(0)) verdict.resolve({ accepted: true });
      await settle();
    };
    const client = await rig.connect();
    await client.login('alice.rig1');
    const began = rig.clock.now();
    client.sendRaw(submitLine(2) + submitLine(3) + submitLine(4));
    await until(() => rig.pool.submits.length === 2);
    // Nobody reads these until there are answers.
    client.sendRaw(submitLine(5));
    await settle();
    await rig.clock.advance(3000);
    client.sendRaw(submitLine(6));
    await settle();
    await answerAll();
    await until(() => rig.pool.submits.length === 4);
    await rig.clock.advance(100);
    await answerAll();
    await until(() => rig.pool.submits.length === 5);
    expect(rig.pool.arrivals).toEqual(Array(5).fill(began));
    await answerAll();
    await rig.clock.advance(201);
    client.sendRaw(submitLine(7));
    await until(() => rig.pool.submits.length === 6);
    expect(rig.pool.arrivals[5]).toBe(rig.clock.now());
    await answerAll();
  });

  it('is not taken for older than a minute, nor for as old as a pause of the pool', async () => {
    const rig = await startRig({ maxPendingSubmits: 1 });
    let verdict = createDeferred<SubmitOutcome>();
    rig.pool.onSubmit = () => verdict.promise;
    const client = await rig.connect();
    await client.login('alice.rig1');
    client.sendRaw(submitLine(2));
    await until(() => rig.pool.submits.length === 1);
    await rig.clock.advance(100_000);
    const answer = verdict;
    verdict = createDeferred<SubmitOutcome>();
    client.sendRaw(submitLine(3));
    await settle();
    answer.resolve({ accepted: true });
    await until(() => rig.pool.submits.length === 2);
    expect(rig.pool.arrivals[1]).toBe(rig.clock.now() - 60_000);
    verdict.resolve({ accepted: true });
    await settle();
    await rig.clock.advance(1000);
    const line = rig.pool.sessions[0]?.client;
    line?.pause(true);
    client.sendRaw(submitLine(4));
    await settle();
    await rig.clock.advance(5000);
    line?.pause(false);
    await until(() => rig.pool.submits.length === 3);
    expect(rig.pool.arrivals[2]).toBe(rig.clock.now());
  });
});
