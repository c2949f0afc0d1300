import { describe, expect, it } from 'vitest';
import { PortError } from '../../firmware-bridge/errors.ts';
import { FAULT, FAULTS, SHARE } from '../../firmware-bridge/events.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { STATUS_ANSWER } from '../../firmware-bridge/messages.ts';
import { Monitor } from '../../src/cli/bridge-monitor.ts';
import {
  eventRecord,
  logRecord,
  type MonitorRecord,
  RateMeter,
  recordLines,
  statusRecord,
} from '../../src/cli/bridge-records.ts';
import { statusOf } from '../support/board-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Outcome, outcomeOf } from '../support/outcome.ts';
import { ScriptedBoard } from '../support/scripted-board.ts';

class Rig {
  readonly clock = new FakeClock();
  readonly boards: ScriptedBoard[] = [];
  readonly records: MonitorRecord[] = [];
  readonly problems: string[] = [];
  readonly stop = new AbortController();
  status = {};
  open: () => Promise<Link> = async () => this.plug();

  plug({ isSilent = false } = {}): Link {
    const board = new ScriptedBoard();
    if (!isSilent) this.talk(board);
    this.boards.push(board);
    return new Link(board.port, { clock: this.clock });
  }

  talk(board: ScriptedBoard): void {
    board.onHello();
    board.on('STATUS', () =>
      STATUS_ANSWER.encode({ ...STATUS_ANSWER.decode(statusOf('IDLE')), ...this.status }),
    );
  }

  watch(link: Link = this.plug(), intervalMs = 1000): Outcome<never> {
    const monitor = new Monitor({
      intervalMs,
      open: () => this.open(),
      onRecord: (record) => this.records.push(record),
      onProblem: (problem) => this.problems.push(problem),
      signal: this.stop.signal,
      clock: this.clock,
    });
    return outcomeOf(monitor.watch(link));
  }

  kinds(kind: MonitorRecord['kind']): number {
    return this.records.filter((record) => record.kind === kind).length;
  }
}

describe('the monitor', () => {
  it('asks once in an interval, and ends with its signal', async () => {
    const rig = new Rig();
    const outcome = rig.watch();
    await rig.clock.advance(3500);
    expect(rig.kinds('board')).toBe(1);
    expect(rig.kinds('status')).toBe(4);
    const reason = new Error('enough');
    rig.stop.abort(reason);
    await rig.clock.advance(0);
    expect(outcome.error).toBe(reason);
    expect(rig.clock.sleeping).toBe(0);
  });

  it('ends at once where no board has ever answered', async () => {
    const rig = new Rig();
    const outcome = rig.watch(rig.plug({ isSilent: true }));
    await rig.clock.advance(2000);
    expect(outcome.error).toMatchObject({ detail: { code: 'silent', request: 'HELLO' } });
  });

  it('waits for a board that is plugged in again and does not answer yet', async () => {
    const rig = new Rig();
    rig.open = async () => rig.plug({ isSilent: true });
    const outcome = rig.watch();
    await rig.clock.advance(100);
    rig.boards[0]?.unplug();
    await rig.clock.advance(10_000);
    expect(outcome).toEqual({});
    expect(rig.boards).toHaveLength(2);
    expect(rig.problems).toEqual(['memory: gone: unplugged', 'no answer to HELLO after 3 tries']);
    rig.talk(rig.boards[1]!);
    await rig.clock.advance(3000);
    expect(rig.kinds('board')).toBe(2);
    rig.stop.abort();
  });

  it('waits for a board that falls silent, and greets it anew', async () => {
    const rig = new Rig();
    const outcome = rig.watch();
    await rig.clock.advance(100);
    const board = rig.boards[0]!;
    board.on('STATUS', () => undefined);
    board.on('HELLO', () => undefined);
    await rig.clock.advance(20_000);
    expect(outcome).toEqual({});
    expect(rig.problems).toEqual([
      'no answer to STATUS after 3 tries',
      'no answer to HELLO after 3 tries',
    ]);
    rig.talk(board);
    await rig.clock.advance(3000);
    expect(rig.kinds('board')).toBe(2);
    expect(rig.boards).toHaveLength(1);
    rig.stop.abort();
  });

  it('notices a port that goes at once, however long its interval is', async () => {
    const rig = new Rig();
    rig.watch(rig.plug(), 1_000_000);
    await rig.clock.advance(100);
    rig.boards[0]?.unplug();
    await rig.clock.advance(0);
    expect(rig.problems).toEqual(['memory: gone: unplugged']);
    rig.stop.abort();
  });

  it('says once for each reason why a port cannot be opened, and ends with what is no such reason', async () => {
    const rig = new Rig();
    const gone = new PortError({ code: 'no-such-port', port: 'memory' });
    const busy = new PortError({ code: 'in-use', port: 'memory' });
    const reasons: Error[] = [gone, gone, gone, busy, busy, new TypeError('a mistake of ours')];
    rig.open = async () => {
      throw reasons.shift() ?? gone;
    };
    const outcome = rig.watch();
    await rig.clock.advance(100);
    rig.boards[0]?.unplug();
    await rig.clock.advance(10_000);
    expect(rig.problems).toEqual(['memory: gone: unplugged', gone.message, busy.message]);
    expect(outcome.error).toBeInstanceOf(TypeError);
  });

  it('tells no rate across a restart', async () => {
    const rig = new Rig();
    rig.status = { hashes: 100, uptimeS: 50 };
    rig.watch();
    await rig.clock.advance(500);
    rig.status = { hashes: 102, uptimeS: 51 };
    await rig.clock.advance(1000);
    rig.boards[0]?.event('FAULT', FAULT.encode({ fault: FAULTS.STARTED, temperature: 0, info: 0 }));
    rig.status = { hashes: 5000, uptimeS: 60 };
    await rig.clock.advance(1000);
    const rates = rig.records.flatMap((each) =>
      each.kind === 'status' ? [each.hashesPerSecond] : [],
    );
    expect(rates).toEqual([null, 2, null]);
    rig.stop.abort();
  });
});

describe('the rate', () => {
  it('is measured from one change to the next', () => {
    const rate = new RateMeter();
    expect(rate.rate({ hashes: 10, uptimeS: 1 }, 1000)).toBeUndefined();
    expect(rate.rate({ hashes: 10, uptimeS: 2 }, 2000)).toBeUndefined();
    expect(rate.rate({ hashes: 12, uptimeS: 5 }, 5000)).toBe(0.5);
  });

  it('is that of a count that goes over its end', () => {
    const rate = new RateMeter();
    rate.rate({ hashes: 0xffff_ffff, uptimeS: 1 }, 1000);
    expect(rate.rate({ hashes: 1, uptimeS: 2 }, 2000)).toBe(2);
  });

  it('is not made from counts of before and after a restart', () => {
    const rate = new RateMeter();
    rate.rate({ hashes: 1002, uptimeS: 100 }, 1000);
    expect(rate.rate({ hashes: 0, uptimeS: 0 }, 2000)).toBeUndefined();
    expect(rate.rate({ hashes: 3, uptimeS: 1 }, 3000)).toBe(3);
    expect(rate.rate({ hashes: 1, uptimeS: 1 }, 4000)).toBeUndefined();
  });
});

describe('records', () => {
  it('hold the fields of an event, bytes as hex and numbers exactly', () => {
    const digest = new Uint8Array(32).fill(0xab);
    const share = { epoch: 7, jobId: 3, index: 0, nonce: 2n ** 63n + 1n, digest };
    const event = { event: 'SHARE', ...SHARE.decode(SHARE.encode(share)) } as const;
    const record = eventRecord(event);
    expect(record).toEqual({
      kind: 'event',
      event: 'SHARE',
      epoch: 7,
      jobId: 3,
      index: 0,
      nonce: 2n ** 63n + 1n,
      digest: 'ab'.repeat(32),
    });
    expect(recordLines(record, '12:00:00')).toEqual([
      `12:00:00  event  SHARE job 3, nonce 9223372036854775809, hash ${'ab'.repeat(32)}`,
    ]);
  });

  it('show no percents beyond 100, and no codes of a terminal', () => {
    const status = { ...STATUS_ANSWER.decode(statusOf('HASHING', 1)), product: 65_535 };
    const { state: _, temperature: __, jobId, nextNonce, product, shares, ...rest } = status;
    const job = { jobId, nextNonce, product, shares };
    const record = statusRecord({ ...rest, state: 'HASHING', job }, undefined);
    expect(recordLines(record, 't')[0]).toContain('hashing 100 %,');
    expect(recordLines(logRecord('a\u001b[31m\u202eb\u009bc'), 't')).toEqual([
      't  log    a [31m b c',
    ]);
  });
});
