/** Nobody is credited more than it works, however it chooses among its jobs. */
import { describe, expect, it } from 'vitest';
import type { Job } from '../../../pool/client.ts';
import { headerHash } from '../../../src/chain/header.ts';
import { difficultyToTarget, meetsTarget } from '../../../src/tensority/target.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import {
  logIn,
  makeTemplate,
  sha3Rule,
  shareId,
  startDesk,
  submitOf,
  TestClient,
} from './desk-rig.ts';

const HARD = difficultyToTarget(1n << 40n);
const OPTIONS = {
  vardiff: true,
  startDifficulty: 1n,
  minDifficulty: 1n,
  maxDifficulty: 1n << 48n,
} as const;

describe('credit', () => {
  it.each([40, 45])('of one hash is that of one job, with %i bits of nonce', async (nonceBits) => {
    const rig = startDesk(OPTIONS, { template: makeTemplate({ target: HARD }) });
    const client = new TestClient('192.0.2.1', nonceBits);
    const miner = logIn(rig, 'evil.1', { client });
    for (const exponent of [2, 4, 6, 8]) rig.desk.suggestDifficulty(miner.session, 2 ** exponent);
    expect(miner.jobs.map(({ difficulty }) => difficulty)).toEqual([1n, 4n, 16n, 64n, 256n]);
    // A hash is of one header: where several jobs have it, the hardest that it meets is chosen.
    const byHeader = new Map<string, Job[]>();
    for (const job of miner.jobs) {
      const header = bytesToHex(headerHash(job.template.header));
      byHeader.set(header, [...(byHeader.get(header) ?? []), job]);
    }
    let hashes = 0;
    for (const jobs of byHeader.values()) {
      const hardest = jobs.toSorted((a, b) => Number(b.difficulty - a.difficulty));
      for (let i = 0n; i < 3000n; i++) {
        const first = hardest[0]!;
        const nonce = first.startNonce + i;
        hashes++;
        const hash = sha3Rule(shareId(first, nonce), first.template.seed);
        const job = hardest.find(({ target }) => meetsTarget(hash, target));
        if (job === undefined) continue;
        const outcome = await rig.desk.submit(miner.session, submitOf(miner, job, nonce));
        expect(outcome).toEqual({ accepted: true });
      }
    }
    const credit = rig.sink.records.reduce((sum, { difficulty }) => sum + Number(difficulty), 0);
    // Four sigma of the luck with the hardest of them.
    expect(credit / hashes).toBeLessThan(1.6);
    expect(credit / hashes).toBeGreaterThan(0.6);
    await rig.desk.close();
  });

  it('waits for the next template where a header would be moved too far', async () => {
    const rig = startDesk(OPTIONS, { template: makeTemplate({ target: HARD }) });
    const miner = logIn(rig, 'evil.1');
    for (let i = 1; i <= 40; i++) rig.desk.suggestDifficulty(miner.session, 4 * i);
    const first = miner.jobs[0]!.template.header.timestamp;
    const times = miner.jobs.map(({ template }) => template.header.timestamp - first);
    expect(times).toEqual(Array.from({ length: 16 }, (_, i) => i));
    rig.feed.set(makeTemplate({ target: HARD, height: 77 }));
    expect(miner.job.difficulty).toBe(160n);
    await rig.desk.close();
  });
});

describe('a job that is as hard as its block', () => {
  it.each([107n, 1000n, 1_050_000n, 5_000_000n, 12_000_000n, 20_000_000n, 5_000_000_000n])(
    'of difficulty %s tells a target that every block meets',
    async (difficulty) => {
      const target = difficultyToTarget(difficulty);
      const template = makeTemplate({ target });
      const rig = startDesk({ ...OPTIONS, startDifficulty: 1n << 47n }, { template });
      for (const job of [logIn(rig, 'a.1').job, logIn(rig, 'b.1').job] as readonly Job[]) {
        expect(job.target).toBeGreaterThanOrEqual(job.template.target);
        expect(Number(job.difficulty)).toBeGreaterThan(Number(difficulty) * 0.99 - 2);
        // The template's target is one that compact bits can say.
        expect(Number(job.difficulty)).toBeLessThan(Number(difficulty) * 1.001 + 1);
      }
      await rig.desk.close();
    },
  );
});
