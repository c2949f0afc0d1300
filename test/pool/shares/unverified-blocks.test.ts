import { describe, expect, it } from 'vitest';
import { meetsTarget } from '../../../src/tensority/target.ts';
import { u256ToBytes } from '../../../src/util/u256.ts';
import {
  findNonce,
  logIn,
  type Miner,
  noVerdict,
  startDesk,
  submitOf,
  TestClient,
} from './desk-rig.ts';

const EASY = { startDifficulty: 4n, minDifficulty: 1n } as const;

describe('unverified blocks', () => {
  it('are handed on while nothing can be verified, two a minute of a worker', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    const { job } = miner;
    rig.verification.failure = noVerdict;
    const { target } = job.template;
    let nonce = job.startNonce;
    const claim = async (value: bigint): Promise<void> => {
      const submit = submitOf(miner, job, nonce++, { result: u256ToBytes(value) });
      expect(await rig.desk.submit(miner.session, submit)).toEqual({
        ...{ accepted: false, reason: 'unavailable' },
      });
    };
    await claim(target + 1n);
    expect(rig.found.length).toBe(0);
    for (let i = 1n; i <= 50n; i++) await claim(target);
    expect(rig.found.map(({ header }) => header.nonce - job.startNonce)).toEqual([1n, 2n]);
    const dropped = 'block not verified, nor handed on: too many are claimed';
    expect(rig.log.of(dropped).length).toBe(1);
    await rig.clock.advance(60_000);
    for (let i = 1n; i <= 50n; i++) await claim(target);
    expect(rig.found.length).toBe(4);
    const lines = rig.log.entries.filter(({ event }) => event === dropped);
    expect(lines.map(({ level, fields }) => [level, fields['others']])).toEqual([
      ['warn', undefined],
      ['warn', 47],
    ]);
    expect(rig.sink.records).toEqual([]);
    await rig.desk.close();
  });

  it('of whoever has shown work have room, whatever strangers claim', async () => {
    const rig = startDesk(EASY);
    const at = (i: number): TestClient => new TestClient(`192.0.2.${i}`);
    const proven = Array.from({ length: 50 }, (_, i) =>
      logIn(rig, `good.${i}`, { client: at(100 + i) }),
    );
    for (const miner of proven) {
      const nonce = findNonce(miner.job, (hash) => meetsTarget(hash, miner.job.target));
      await rig.desk.submit(miner.session, submitOf(miner, miner.job, nonce));
    }
    rig.verification.failure = noVerdict;
    const claim = async (miner: Miner, i: bigint): Promise<void> => {
      const { job } = miner;
      const result = u256ToBytes(job.template.target);
      await rig.desk.submit(
        miner.session,
        submitOf(miner, job, job.startNonce + 100n + i, { result }),
      );
    };
    // Many names at one address, and many addresses.
    for (let i = 0; i < 30; i++) await claim(logIn(rig, `x.${i}`, { client: at(1) }), 0n);
    expect(rig.found.length).toBe(10);
    for (let i = 0; i < 30; i++) await claim(logIn(rig, `y.${i}`, { client: at(2 + i) }), 0n);
    expect(rig.found.length).toBe(20);
    for (const miner of proven) await claim(miner, 0n);
    expect(rig.found.length).toBe(60);
    await rig.desk.close();
  });
});
