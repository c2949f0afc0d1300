import { describe, expect, it } from 'vitest';
import { BlockProgressReport, durationText } from '../../src/cli/progress.ts';
import { RecordingLog } from '../support/recording-log.ts';

class Trial {
  now = 0;
  text = '';
  readonly log = new RecordingLog();
  readonly report: BlockProgressReport;

  constructor(isTTY: boolean) {
    const stream = {
      isTTY,
      write: (text: string): boolean => {
        this.text += text;
        return true;
      },
    };
    const { log } = this;
    this.report = new BlockProgressReport('progress', { stream, log, now: () => this.now });
  }

  /** `perSecond` blocks a second, from the block after `from` on, of `total`. */
  run(from: number, to: number, perSecond: number, total: number | undefined): void {
    for (let blocks = from + 1; blocks <= to; blocks++) {
      this.now += 1000 / perSecond;
      const fraction = total === undefined ? undefined : blocks / total;
      this.report.update({ blocks, height: 1000 + blocks, fraction });
    }
  }
}

describe('the progress of blocks', () => {
  it('is logged every 10 s where there is no terminal, with speed and time left', () => {
    const trial = new Trial(false);
    trial.run(0, 1000, 50, 4000);
    expect(trial.text).toBe('');
    expect(
      trial.log.entries.map(({ level, event, fields }) => ({ level, event, ...fields })),
    ).toEqual([
      {
        level: 'info',
        event: 'progress',
        height: 1500,
        blocks: 500,
        blocksPerSecond: 50,
        percent: 12,
        left: '1:10 min',
      },
      {
        level: 'info',
        event: 'progress',
        height: 2000,
        blocks: 1000,
        blocksPerSecond: 50,
        percent: 25,
        left: '1:00 min',
      },
    ]);
  });

  it('forgets how fast it was: skipping what is known says nothing of what comes', () => {
    const trial = new Trial(false);
    trial.run(0, 100_000, 10_000, 101_000);
    trial.run(100_000, 100_600, 20, 101_000);
    const { blocksPerSecond, left } = trial.log.entries.at(-1)!.fields;
    expect(blocksPerSecond).toBeCloseTo(20, 0);
    expect(left).toBe('30 s');
  });

  it('has no share and no end where these are not known', () => {
    const trial = new Trial(false);
    trial.run(0, 500, 50, undefined);
    expect(trial.log.entries[0]?.fields).toEqual({
      height: 1500,
      blocks: 500,
      blocksPerSecond: 50,
      percent: undefined,
      left: undefined,
    });
    expect(trial.log.entries.length).toBe(1);
  });

  it('is a bar on a terminal, which goes when it is cleared', () => {
    const trial = new Trial(true);
    trial.run(0, 100, 10, 200);
    trial.report.clear();
    const drawn = trial.text.split('\r\u001b[2K');
    expect(drawn.at(-1)).toBe('');
    expect(drawn.at(-2)).toBe(
      `${'█'.repeat(15)}${'░'.repeat(15)} 50 %  height 1100, 100 blocks, 10 blocks/s, 10 s left`,
    );
    expect(trial.log.entries).toEqual([]);
  });

  it('is a line without a bar on a terminal where the end is not known', () => {
    const trial = new Trial(true);
    trial.run(0, 1000, 100, undefined);
    expect(trial.text.split('\r\u001b[2K').at(-1)).toMatch(
      /^height \d+, \d+ blocks, 100 blocks\/s$/,
    );
    // At most ten times a second.
    expect(trial.text.split('\r').length - 1).toBeLessThanOrEqual(101);
  });
});

describe('a duration', () => {
  it.each([
    [0, '0 s'],
    [-1, '0 s'],
    [59.4, '59 s'],
    [59.6, '1:00 min'],
    [187, '3:07 min'],
    [3600, '1:00:00 h'],
    [7509, '2:05:09 h'],
    [172_799, '47:59:59 h'],
    [360_000, '4 days'],
  ])('of %d seconds is %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});
