import { describe, expect, it } from 'vitest';
import { createCounts, type ShareCounts } from '../../../miner/counters.ts';
import type { Speeds } from '../../../miner/hashrate.ts';
import type { Share, SubmitOutcome } from '../../../miner/job-source.ts';
import { logDropped, logOutcome, logSpeed, logWrongNonce } from '../../../miner/report/lines.ts';
import { difficultyToTarget } from '../../../src/tensority/target.ts';
import { createLogger } from '../../../src/util/log.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { makeJob } from '../../support/rig.ts';

const TOTALS: ShareCounts = { ...createCounts(), accepted: 1040, rejected: 1 };
const SHARE: Share = {
  job: makeJob({ jobId: '171567', height: 77, target: difficultyToTarget(1_050_000n) }),
  nonce: 0x7fff_ffff_ffff_ffffn,
  headerHash: new Uint8Array(32).fill(0xab),
  powHash: new Uint8Array(32).fill(1),
};

function textOf(outcome: SubmitOutcome): string[] {
  const log = new RecordingLog('gpu0');
  logOutcome(log, SHARE, outcome, TOTALS);
  return log.entries.map((entry) => `${entry.level} ${entry.tag} ${entry.text}`);
}

describe('share lines', () => {
  it('read as in other miners', () => {
    expect(textOf({ status: 'accepted', ms: 48.2, block: false })).toEqual([
      'info gpu0 accepted (1040/1/0/0) diff 1.05M (48 ms)',
    ]);
    const reason = 'Low difficulty share';
    expect(textOf({ status: 'rejected', ms: 48, reason, code: 23 })).toEqual([
      'warn gpu0 rejected (1040/1/0/0) diff 1.05M "Low difficulty share" code 23 (48 ms)',
    ]);
    expect(textOf({ status: 'rejected', ms: 48, reason })).toEqual([
      'warn gpu0 rejected (1040/1/0/0) diff 1.05M "Low difficulty share" (48 ms)',
    ]);
    expect(textOf({ status: 'stale', ms: 48, reason: 'Block expired', code: -1 })).toEqual([
      'info gpu0 stale (1040/1/0/0) diff 1.05M "Block expired" code -1 (48 ms)',
    ]);
    expect(textOf({ status: 'unanswered', reason: 'connection reset' })).toEqual([
      'warn gpu0 unanswered (1040/1/0/0) diff 1.05M "connection reset"',
    ]);
  });

  it('name a block and its hash', () => {
    expect(textOf({ status: 'accepted', ms: 48, block: true })).toEqual([
      'info gpu0 accepted (1040/1/0/0) diff 1.05M (48 ms)',
      `info gpu0 block found: height 77 hash ${'ab'.repeat(32)}`,
    ]);
  });

  it('keep a hostile reason on its line', () => {
    const [line] = textOf({ status: 'rejected', ms: 1, reason: `a\nb${'c'.repeat(500)}` });
    expect(line).not.toContain('\n');
    expect(line!.length).toBeLessThan(200);
  });

  it('tell of shares that were not sent', () => {
    const log = new RecordingLog('gpu0');
    logDropped(log, SHARE.job, 5n, TOTALS);
    logWrongNonce(log, SHARE.job, 5n, TOTALS, 'its hash does not meet the target');
    expect(log.entries.map((entry) => `${entry.level} ${entry.text}`)).toEqual([
      'info stale (1040/1/0/0) diff 1.05M "the tip moved on", not sent',
      'warn wrong nonce (1040/1/0/0) diff 1.05M nonce 5: its hash does not meet the target',
    ]);
  });

  it('are whole objects in the JSON form', () => {
    const lines: string[] = [];
    const now = (): Date => new Date(0);
    const write = (line: string): number => lines.push(line);
    const log = createLogger({ level: 'info', format: 'json', color: false, now, write }, 'gpu0');
    logOutcome(log, SHARE, { status: 'accepted', ms: 48, block: false }, TOTALS);
    expect(lines[0]).toContain('"nonce":9223372036854775807');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      tag: 'gpu0',
      event: 'share accepted',
      job: '171567',
      height: 77,
      accepted: 1040,
      rejected: 1,
      stale: 0,
      hardwareErrors: 0,
      ms: 48,
      powHash: '01'.repeat(32),
    });
  });
});

describe('speed line', () => {
  function line(speeds: Speeds): string | undefined {
    const log = new RecordingLog();
    logSpeed(log, speeds);
    return log.entries[0]?.text;
  }

  it('has the three windows and the maximum', () => {
    const speeds = { tenSeconds: 1847.21, minute: 1851, quarterHour: 1850.55, max: 1862.3 };
    expect(line(speeds)).toBe('speed 10s/60s/15m 1847.2 1851.0 1850.5 H/s max 1862.3 H/s');
  });

  it('shows two decimals of what is slow', () => {
    const speeds = { tenSeconds: 0.871, minute: 0.9, quarterHour: 9.999, max: 10 };
    expect(line(speeds)).toBe('speed 10s/60s/15m 0.87 0.90 10.00 H/s max 10.0 H/s');
  });
});
