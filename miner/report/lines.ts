/**
 * The log lines of shares and speeds, worded as people know them from other miners. The counts in
 * brackets are accepted/rejected/stale/hardware errors of the whole miner.
 */
import { type Target, targetToDifficulty } from '../../src/tensority/target.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { clip } from '../../src/util/errors.ts';
import type { LogFields, Logger } from '../../src/util/log.ts';
import type { ShareCounts } from '../counters.ts';
import type { Speeds } from '../hashrate.ts';
import type { MiningJob, Share, SubmitOutcome } from '../job-source.ts';
import { formatDifficulty } from './format.ts';

/** `new job from host:port height 500001 diff 1.05M seed 6aa116ef job 171567` */
export function logNewJob(log: Logger, from: string, job: MiningJob, target: Target): void {
  const { height } = job.header;
  const difficulty = targetToDifficulty(target);
  const seed = bytesToHex(job.seed.subarray(0, 4));
  log.info(
    'new job',
    { from, height, difficulty, seed, job: clip(job.jobId), clean: job.clean },
    `new job from ${from} height ${height} diff ${formatDifficulty(difficulty)} seed ${seed} job ${clip(job.jobId)}`,
  );
}

/** `accepted (1040/1/0/0) diff 1.05M (48 ms)`, and likewise for every other outcome. */
export function logOutcome(
  log: Logger,
  share: Share,
  outcome: SubmitOutcome,
  totals: ShareCounts,
): void {
  const { job, nonce } = share;
  const fields = { ...shareFields(job, nonce, totals), powHash: bytesToHex(share.powHash) };
  const head = `${outcome.status} ${countsAndDifficulty(job, totals)}`;
  switch (outcome.status) {
    case 'accepted': {
      const { ms } = outcome;
      log.info(
        'share accepted',
        { ...fields, ms, block: outcome.block },
        `${head} (${msText(ms)})`,
      );
      if (outcome.block) logBlock(log, share);
      return;
    }
    case 'rejected':
    case 'stale': {
      const { ms, reason, code } = outcome;
      const cause = `"${clip(reason)}"${code === undefined ? '' : ` code ${code}`}`;
      // A stale share is bad luck; a rejected one is somebody's mistake.
      const level = outcome.status === 'stale' ? 'info' : 'warn';
      const event = `share ${outcome.status}`;
      log[level](event, { ...fields, ms, reason, code }, `${head} ${cause} (${msText(ms)})`);
      return;
    }
    case 'unanswered': {
      const { reason } = outcome;
      log.warn('share unanswered', { ...fields, reason }, `${head} "${clip(reason)}"`);
    }
  }
}

/** A nonce that was found for an older tip and not sent. */
export function logDropped(log: Logger, job: MiningJob, nonce: bigint, totals: ShareCounts): void {
  const reason = 'the tip moved on';
  log.info(
    'share stale',
    { ...shareFields(job, nonce, totals), reason },
    `stale ${countsAndDifficulty(job, totals)} "${reason}", not sent`,
  );
}

/** A nonce that the device found and another path did not confirm. */
export function logWrongNonce(
  log: Logger,
  job: MiningJob,
  nonce: bigint,
  totals: ShareCounts,
  reason: string,
): void {
  log.warn(
    'wrong nonce',
    { ...shareFields(job, nonce, totals), reason },
    `wrong nonce ${countsAndDifficulty(job, totals)} nonce ${nonce}: ${reason}`,
  );
}

/** `speed 10s/60s/15m 1847.2 1851.0 1850.6 H/s max 1862.3 H/s` */
export function logSpeed(log: Logger, speeds: Speeds): void {
  const { tenSeconds, minute, quarterHour, max } = speeds;
  const [a, b, c, d] = [tenSeconds, minute, quarterHour, max].map(rateText);
  log.info('speed', { ...speeds }, `speed 10s/60s/15m ${a} ${b} ${c} H/s max ${d} H/s`);
}

function logBlock(log: Logger, share: Share): void {
  const { height } = share.job.header;
  const hash = bytesToHex(share.headerHash);
  log.info('block found', { height, hash }, `block found: height ${height} hash ${hash}`);
}

function shareFields(job: MiningJob, nonce: bigint, totals: ShareCounts): LogFields {
  return {
    job: clip(job.jobId),
    height: job.header.height,
    nonce,
    difficulty: targetToDifficulty(job.target),
    accepted: totals.accepted,
    rejected: totals.rejected,
    stale: totals.stale,
    hardwareErrors: totals.hardwareErrors,
  };
}

function countsAndDifficulty(job: MiningJob, totals: ShareCounts): string {
  const { accepted, rejected, stale, hardwareErrors } = totals;
  const difficulty = formatDifficulty(targetToDifficulty(job.target));
  return `(${accepted}/${rejected}/${stale}/${hardwareErrors}) diff ${difficulty}`;
}

function msText(ms: number): string {
  return `${Math.round(ms)} ms`;
}

/** One decimal, as ever; two where the first would be most of it. */
function rateText(hashesPerSecond: number): string {
  return hashesPerSecond.toFixed(hashesPerSecond < 10 ? 2 : 1);
}
