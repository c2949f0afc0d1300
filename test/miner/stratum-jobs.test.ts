import { describe, expect, it } from 'vitest';
import type { MiningJob } from '../../miner/job-source.ts';
import { JobTracker, nonceSpan } from '../../miner/stratum-jobs.ts';
import { decodeJob, type StratumJob } from '../../src/stratum/job.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import type { JsonValue } from '../../src/util/json.ts';
import { type JobParams, jobParams } from '../support/stratum-server.ts';

function stratumJob(changes: JobParams = {}): StratumJob {
  return decodeJob(jobParams(changes) as JsonValue);
}

function next(tracker: JobTracker, changes: JobParams = {}): MiningJob {
  const job = tracker.next(stratumJob(changes));
  if (job === undefined) throw new Error('expected a job, got a repeat');
  return job;
}

describe('nonceSpan', () => {
  it.each([
    ['btmcpool, server 3, session 1', 0x3000_2000_0000_0000n, 1n << 45n],
    ['btmcpool, server 0, session 0', 0n, 1n << 45n],
    ['btc.com, session 0x01000007', 0x0100_0007_0000_0000n, 1n << 32n],
    ['a session id that is even', 0x0100_0008_0000_0000n, 1n << 32n],
    ['big-endian read little-endian', 0x0700_0001n, 1n << 32n],
  ])('follows the zero bits of the start: %s', (_name, start, width) => {
    expect(nonceSpan(start)).toEqual({ start, end: start + width });
  });

  it('never reaches bit 63', () => {
    const limit = 1n << 63n;
    expect(nonceSpan(limit - 1n)).toEqual({ start: limit - 1n, end: limit });
    expect(nonceSpan(limit - (1n << 45n))).toEqual({ start: limit - (1n << 45n), end: limit });
    expect(nonceSpan(0x9000_2000_0000_0000n)).toEqual({
      start: 0x1000_2000_0000_0000n,
      end: 0x1000_4000_0000_0000n,
    });
  });
});

describe('JobTracker', () => {
  it('hands out a job with header, range and target', () => {
    const job = next(new JobTracker());
    expect(job).toMatchObject({
      jobId: '1',
      header: { version: 1, height: 2036, nonce: 3n << 60n },
      nonceStart: 3n << 60n,
      nonceEnd: (3n << 60n) + (1n << 45n),
      clean: true,
    });
    expect(job.target).toBe(1n << 254n);
    expect(job.sameWorkAs).toBeUndefined();
  });

  it('takes the network target where that is the easier one', () => {
    const bits = bitsToTarget(stratumJob().bits);
    expect(next(new JobTracker(), { target: '01000000' }).target).toBe(bits);
    expect(bits > 1n << 224n).toBe(true);
    // The sign bit makes a target below zero, which no hash meets: the share target stands.
    const negative = next(new JobTracker(), { bits: '00000000000080ff', target: '01000000' });
    expect(negative.target).toBe(1n << 224n);
  });

  it('ignores an exact repeat', () => {
    const tracker = new JobTracker();
    next(tracker);
    expect(tracker.next(stratumJob())).toBeUndefined();
    expect(tracker.next(stratumJob())).toBeUndefined();
  });

  it('tells of the same work under another id or target, which is not clean', () => {
    const tracker = new JobTracker();
    next(tracker);
    const renamed = next(tracker, { job_id: '2' });
    expect(renamed).toMatchObject({ jobId: '2', sameWorkAs: '1', clean: false });
    const harder = next(tracker, { job_id: '2', target: '00000020' });
    expect(harder).toMatchObject({ jobId: '2', sameWorkAs: '2', clean: false, target: 1n << 253n });
  });

  it.each([
    ['another parent', { previous_block_hash: '11'.repeat(32) }, true],
    ['another height', { height: 'f507000000000000' }, true],
    ['another seed', { seed: '22'.repeat(32) }, true],
    ['the word of the pool', { clean: true, timestamp: '50ef006b00000000' }, true],
    ['another timestamp', { timestamp: '50ef006b00000000' }, false],
    ['other transactions', { transactions_merkle_root: '33'.repeat(32) }, false],
    ['another start nonce', { nonce: '0000000000200030' }, false],
  ])('%s: new work, clean or not', (_name, changes, clean) => {
    const tracker = new JobTracker();
    next(tracker);
    const job = next(tracker, { job_id: '2', ...changes });
    expect(job.clean).toBe(clean);
    expect(job.sameWorkAs).toBeUndefined();
  });

  it('starts clean on every connection, and goes on where the work and range are the same', () => {
    const tracker = new JobTracker();
    next(tracker);
    tracker.startConnection();
    expect(next(tracker, { job_id: '7' })).toMatchObject({ clean: false, sameWorkAs: '1' });
    tracker.startConnection();
    const other = next(tracker, { job_id: '7', nonce: '0000000000400030' });
    expect(other).toMatchObject({ clean: true });
    expect(other.sameWorkAs).toBeUndefined();
  });

  it('knows under which id a share can be sent', () => {
    const tracker = new JobTracker();
    const first = next(tracker);
    const second = next(tracker, { job_id: '2', timestamp: '50ef006b00000000' });
    expect(tracker.idFor(first)).toBe('1');
    expect(tracker.idFor({ ...second })).toBe('2');
    const reused = next(tracker, { job_id: '1', timestamp: '51ef006b00000000' });
    expect(tracker.idFor(first), 'its id names other work now').toBeUndefined();
    expect(tracker.idFor(reused)).toBe('1');
  });

  it('knows no job of an older connection, unless the new one gave the same work', () => {
    const tracker = new JobTracker();
    const old = next(tracker);
    tracker.startConnection();
    expect(tracker.idFor(old), 'no job yet').toBeUndefined();
    next(tracker, { job_id: '5' });
    expect(tracker.idFor(old), 'the same work').toBe('5');
    next(tracker, { job_id: '6', timestamp: '50ef006b00000000' });
    expect(tracker.idFor(old), 'the same work, not the last').toBe('5');
    tracker.startConnection();
    next(tracker, { job_id: '1', timestamp: '50ef006b00000000' });
    expect(tracker.idFor(old), 'other work under the same id').toBeUndefined();
  });

  it('forgets the oldest of many jobs', () => {
    const tracker = new JobTracker();
    const jobs = Array.from({ length: 65 }, (_, i) =>
      next(tracker, {
        job_id: String(i),
        timestamp: `${i.toString(16).padStart(2, '0')}ef006b00000000`,
      }),
    );
    expect(jobs.slice(0, 3).map((job) => tracker.idFor(job))).toEqual([undefined, '1', '2']);
    expect(tracker.idFor(jobs[64]!)).toBe('64');
  });
});
