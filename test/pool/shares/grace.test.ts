/** Miners that hear of new jobs late, and whose shares arrive late: within the grace none is stale. */
import { expect, it } from 'vitest';
import type { Job, SubmitOutcome } from '../../../pool/client.ts';
import { meetsTarget } from '../../../src/tensority/target.ts';
import { seededRandom } from '../../support/random.ts';
import { findNonce, logIn, type Miner, makeTemplate, startDesk, submitOf } from './desk-rig.ts';

/** Longest way of a job to its miner, and of a share back: with a step between them less than the grace. */
const LONGEST_MS = 950;
const STEP_MS = 50;

it.each([1, 2, 3, 4])(
  'refuses no share of the job before within the grace (seed %d)',
  async (seed) => {
    const random = seededRandom(seed);
    const rig = startDesk({ startDifficulty: 2n, minDifficulty: 1n, graceMs: 2000 });
    const miners = Array.from({ length: 20 }, (_, i) => new SlowMiner(logIn(rig, `a.${i}`)));
    let inFlight: { readonly at: number; readonly arrive: () => void }[] = [];
    const outcomes: Promise<SubmitOutcome>[] = [];
    for (let height = 1001; height <= 1015; height++) {
      rig.feed.set(makeTemplate({ height }));
      for (const slow of miners) slow.hearsAt = rig.clock.now() + random() * LONGEST_MS;
      for (let ms = 0; ms < 3000; ms += STEP_MS) {
        await rig.clock.advance(STEP_MS);
        const now = rig.clock.now();
        for (const slow of miners) {
          slow.hear(now);
          if (random() > 0.02) continue;
          const request = slow.share();
          const at = now + random() * LONGEST_MS;
          outcomes.push(
            new Promise((resolve) => {
              const arrive = (): void => resolve(rig.desk.submit(slow.miner.session, request));
              inFlight.push({ at, arrive });
            }),
          );
        }
        for (const { at, arrive } of inFlight) if (at <= now) arrive();
        inFlight = inFlight.filter(({ at }) => at > now);
      }
    }
    for (const { arrive } of inFlight) arrive();
    const results = await Promise.all(outcomes);
    expect(results.length).toBeGreaterThan(200);
    expect(results.filter(({ accepted }) => !accepted)).toEqual([]);
    expect(rig.sink.records.length).toBe(results.length);
    expect(rig.sink.records.filter(({ isLate }) => isLate).length).toBeGreaterThan(40);
    await rig.desk.close();
  },
);

class SlowMiner {
  readonly miner: Miner;
  hearsAt = 0;
  #job: Job;
  #next: bigint;

  constructor(miner: Miner) {
    this.miner = miner;
    this.#job = miner.job;
    this.#next = miner.job.startNonce;
  }

  hear(nowMs: number): void {
    if (nowMs < this.hearsAt || this.#job === this.miner.job) return;
    this.#job = this.miner.job;
    this.#next = this.#job.startNonce;
  }

  /** One that it finds now, for the job that it knows of by now. */
  share(): ReturnType<typeof submitOf> {
    const job = this.#job;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target), this.#next);
    this.#next = nonce + 1n;
    return submitOf(this.miner, job, nonce);
  }
}
