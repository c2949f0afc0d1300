import { describe, expect, it } from 'vitest';
import { JobLedger } from '../../drivers/serial/job-ledger.ts';
import { DONE_REASONS, type ProgressEvent, type ShareEvent } from '../../firmware-bridge/events.ts';
import { u256ToBytes } from '../../src/util/u256.ts';

const LOW = new Uint8Array(32);
const HIGH = new Uint8Array(32).fill(0xff);
const TARGET = 1n << 200n;
const START = (1n << 64n) - 4n;

function ledger(count = 4, found: bigint[] = []): JobLedger {
  const job = { start: START, count, target: TARGET, told: TARGET };
  return new JobLedger(job, (nonce) => found.push(nonce));
}

function share(index: number, offset: number, digest: Uint8Array = LOW): ShareEvent {
  return { epoch: 1, jobId: 1, index, nonce: START + BigInt(offset), digest };
}

function progress(
  hashes: number,
  shares: number,
  more: Partial<ProgressEvent> = {},
): ProgressEvent {
  const nextNonce = BigInt.asUintN(64, START + BigInt(hashes));
  const reason = DONE_REASONS.RUNNING;
  return { epoch: 1, jobId: 1, shares, nextNonce, hashes, reason, digest: HIGH, ...more };
}

describe('JobLedger', () => {
  it('agrees with a board up to the last nonce there is', () => {
    const found: bigint[] = [];
    const job = ledger(4, found);
    expect(job.share(share(0, 1))).toBeUndefined();
    expect(job.progress(progress(3, 1))).toBeUndefined();
    expect(job.agreed).toBe(3);
    expect(job.isComplete).toBe(false);
    const done = { reason: DONE_REASONS.COMPLETE };
    expect(job.progress(progress(4, 1, done))).toBeUndefined();
    expect(job.isComplete).toBe(true);
    expect(job.end).toBe(DONE_REASONS.COMPLETE);
    expect(job.claim).toEqual({ nonce: START + 3n, digest: HIGH });
    expect(found).toEqual([START + 1n]);
  });

  it('sees by the number of shares that one was lost, and stays where it last knew all', () => {
    const found: bigint[] = [];
    const job = ledger(4, found);
    job.share(share(0, 0));
    job.progress(progress(1, 1, { digest: LOW }));
    job.share(share(2, 2));
    expect(job.progress(progress(3, 3))).toBeUndefined();
    expect(job.hasGap).toBe(true);
    expect(job.agreed).toBe(1);
    // What did arrive was told all the same.
    expect(found).toEqual([START, START + 2n]);
  });

  it('takes what comes twice or late for what it is', () => {
    const found: bigint[] = [];
    const job = ledger(4, found);
    job.share(share(0, 0));
    expect(job.share(share(0, 0))).toBeUndefined();
    job.progress(progress(3, 1));
    expect(job.progress(progress(2, 1))).toBeUndefined();
    expect(job.agreed).toBe(3);
    expect(found).toEqual([START]);
  });

  it.each([
    ['a share of another range', (job: JobLedger) => job.share(share(0, 4)), 'a nonce of'],
    ['a share above the target', (job: JobLedger) => job.share(share(0, 1, HIGH)), 'meets'],
    [
      'two shares of one number',
      (job: JobLedger) => {
        job.share(share(0, 1));
        return job.share(share(0, 2));
      },
      'one share 0',
    ],
    [
      'two shares of one nonce',
      (job: JobLedger) => {
        job.share(share(0, 1));
        return job.share(share(1, 1));
      },
      'one share of a nonce',
    ],
    ['more hashes than nonces', (job: JobLedger) => job.progress(progress(5, 0)), 'at most 4'],
    [
      'other numbers of hashes and nonces',
      (job: JobLedger) => job.progress(progress(2, 0, { hashes: 3 })),
      'as many hashes as nonces',
    ],
    [
      'an end before the end',
      (job: JobLedger) => job.progress(progress(2, 0, { reason: DONE_REASONS.COMPLETE })),
      'a job of 4 nonces',
    ],
    [
      'a hash that should have been a share',
      (job: JobLedger) => job.progress(progress(2, 0, { digest: LOW })),
      'a share for a hash',
    ],
    [
      'another hash than the share of the same nonce',
      (job: JobLedger) => {
        job.share(share(0, 1));
        return job.progress(progress(2, 1));
      },
      "the share's hash",
    ],
  ])('names %s as wrong', (_name, tell, expected) => {
    expect(tell(ledger())?.expected).toContain(expected);
  });

  it('counts a wrong share as known, so that it is not asked for again', () => {
    const found: bigint[] = [];
    const job = ledger(4, found);
    expect(job.share(share(0, 1, HIGH))).toBeDefined();
    job.progress(progress(3, 1));
    expect(job.agreed).toBe(3);
    expect(found).toEqual([]);
  });

  it('finds no control shares, and counts those of the nonces that are agreed', () => {
    const found: bigint[] = [];
    const between = u256ToBytes(1n << 210n);
    const range = { start: START, count: 4, target: TARGET, told: 1n << 220n };
    const job = new JobLedger(range, (nonce) => found.push(nonce));
    expect(job.share(share(0, 0, between))).toBeUndefined();
    expect(job.share(share(1, 1))).toBeUndefined();
    expect(job.share(share(2, 3, between))).toBeUndefined();
    expect([job.sharesAgreed, job.lastShare]).toEqual([0, undefined]);
    expect(job.progress(progress(2, 2, { digest: LOW }))).toBeUndefined();
    expect([job.sharesAgreed, job.lastShare]).toEqual([2, { nonce: START + 1n, digest: LOW }]);
    expect(job.progress(progress(4, 3, { digest: between }))).toBeUndefined();
    expect([job.sharesAgreed, job.lastShare?.nonce]).toEqual([3, START + 3n]);
    expect(found).toEqual([START + 1n]);
  });

  it('misses a control share as it does a real one', () => {
    const job = new JobLedger({ start: START, count: 4, target: -1n, told: 1n << 220n }, () => {});
    const wrong = job.progress(progress(1, 0, { digest: u256ToBytes(1n << 210n) }));
    expect(wrong?.expected).toBe('a share for a hash that meets the target');
  });

  it('knows no shares of a single hash', () => {
    const job = new JobLedger({ start: 0n, count: 1, target: undefined, told: 0n }, () => {});
    const end = progress(1, 1, { nextNonce: 1n, reason: DONE_REASONS.COMPLETE, digest: LOW });
    expect(job.progress(end)).toBeUndefined();
    expect(job.isComplete).toBe(true);
    expect(job.claim?.digest).toBe(LOW);
  });
});
