import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DUMMY_BLOCK_NONCE, DUMMY_HEADER, DummySource } from '../../miner/dummy-source.ts';
import type { MiningJob, Share } from '../../miner/job-source.ts';
import { encodeHeader, headerHash } from '../../src/chain/header.ts';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import { difficultyToTarget } from '../../src/tensority/target.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { u256ToBytes } from '../../src/util/u256.ts';

/** The one job a dummy gives, and its run, which ends with the signal. */
async function jobOf(source: DummySource): Promise<MiningJob> {
  const jobs: MiningJob[] = [];
  const stop = new AbortController();
  const running = source.run({ job: (job) => jobs.push(job), idle: () => {} }, stop.signal);
  stop.abort();
  await running;
  expect(jobs.length).toBe(1);
  return jobs[0]!;
}

function shareOf(job: MiningJob, nonce: bigint, pow: bigint): Share {
  return {
    job,
    nonce,
    headerHash: headerHash({ ...job.header, nonce }),
    powHash: u256ToBytes(pow),
  };
}

describe('DummySource', () => {
  it('hands out mainnet block 123', async () => {
    const file = JSON.parse(
      readFileSync(new URL('../vectors/block_headers.json', import.meta.url), 'utf8'),
    ) as { readonly mainnet: readonly { readonly header_hex: string; readonly seed: string }[] };
    const block = file.mainnet[0]!;
    expect(bytesToHex(encodeHeader(DUMMY_HEADER))).toBe(block.header_hex);
    const job = await jobOf(new DummySource());
    expect(job).toMatchObject({ header: DUMMY_HEADER, target: 1n << 249n, clean: true });
    expect(bytesToHex(job.seed)).toBe(block.seed);
    expect(job.seed).toBe(INITIAL_SEED);
    expect(job.nonceStart).toBeLessThan(1n << 62n);
    expect(job.nonceEnd).toBe(1n << 63n);
  });

  it('starts at a random nonce, or where it is told', async () => {
    const random = [await jobOf(new DummySource()), await jobOf(new DummySource())];
    expect(random[0]?.nonceStart).not.toBe(random[1]?.nonceStart);
    const told = await jobOf(new DummySource({ nonceStart: 5n, difficulty: 1000n }));
    expect([told.nonceStart, told.target]).toEqual([5n, difficultyToTarget(1000n)]);
    expect(() => new DummySource({ nonceStart: 1n << 63n })).toThrow('"nonceStart" expected');
    expect(() => new DummySource({ difficulty: 0n })).toThrow(RangeError);
  });

  it('gives no job once stopped', async () => {
    const jobs: MiningJob[] = [];
    const sink = { job: (job: MiningJob) => jobs.push(job), idle: () => {} };
    await new DummySource().run(sink, AbortSignal.abort());
    expect(jobs).toEqual([]);
  });

  it('accepts a share at its target, and knows a block', async () => {
    const source = new DummySource({ nonceStart: 0n });
    const job = await jobOf(source);
    expect(await source.submit(shareOf(job, 9n, job.target))).toEqual({
      status: 'accepted',
      ms: 0,
      block: false,
    });
    expect(await source.submit(shareOf(job, DUMMY_BLOCK_NONCE, 1n))).toMatchObject({ block: true });
  });

  it('rejects what a pool would reject', async () => {
    const source = new DummySource({ nonceStart: 100n });
    const job = await jobOf(source);
    const good = shareOf(job, 100n, 1n);
    expect(await source.submit(shareOf(job, 100n, job.target + 1n))).toMatchObject({
      status: 'rejected',
      code: 23,
    });
    expect(await source.submit(shareOf(job, 99n, 1n))).toMatchObject({ code: 32 });
    expect(await source.submit(shareOf(job, 1n << 63n, 1n))).toMatchObject({ code: 32 });
    expect(await source.submit({ ...good, nonce: 101n })).toMatchObject({
      status: 'rejected',
      reason: 'the header hash is not that of nonce 101',
    });
    expect(await source.submit({ ...good, job: { ...job, jobId: 'other' } })).toMatchObject({
      code: 21,
    });
    expect(await source.submit(good)).toMatchObject({ status: 'accepted' });
  });
});
