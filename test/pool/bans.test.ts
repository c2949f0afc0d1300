import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { BanList, workerBanKey } from '../../pool/bans.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'pool-bans-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MINUTE_MS = 60_000;

class Rig {
  readonly path: string = join(mkdtempSync(join(folder, 'b')), 'bans.json');
  readonly clock: FakeClock = new FakeClock();
  readonly log: RecordingLog = new RecordingLog('pool');
  nowMs = 1_790_000_000_000;

  open(maxBans?: number): Promise<BanList> {
    const { path, clock, log } = this;
    const options = maxBans === undefined ? { path } : { path, maxBans };
    return BanList.open(options, { clock, log, now: () => this.nowMs });
  }

  written(): string {
    return existsSync(this.path) ? readFileSync(this.path, 'utf8') : '';
  }

  /** Lets time pass, and the disk do what it was told to. */
  async advance(ms: number, until: () => boolean): Promise<void> {
    await this.clock.advance(ms);
    for (let i = 0; i < 500 && !until(); i++) await sleep(1);
    expect(until()).toBe(true);
  }
}

describe('bans', () => {
  it('hold for a worker at an address, or for all of the address, and end', async () => {
    const rig = new Rig();
    const bans = await rig.open();
    const worker = workerBanKey('192.0.2.1', 'account.rig');
    bans.ban(worker, 10 * MINUTE_MS, 'invalid shares');
    expect(bans.isBanned(worker)).toBe(true);
    for (const key of ['192.0.2.1', '192.0.2.1|account.other', '192.0.2.2|account.rig']) {
      expect(bans.isBanned(key), key).toBe(false);
    }
    const untilMs = rig.nowMs + 10 * MINUTE_MS;
    expect(bans.list()).toEqual([{ key: worker, untilMs, reason: 'invalid shares' }]);
    bans.ban(worker, MINUTE_MS, 'a shorter one changes nothing');
    rig.nowMs = untilMs - 1;
    expect(bans.isBanned(worker)).toBe(true);
    rig.nowMs = untilMs;
    expect(bans.list()).toEqual([]);
    expect(bans.isBanned(worker)).toBe(false);
    await bans.close();
  });

  it('are on disk within a second, many in one file, and survive a restart', async () => {
    const rig = new Rig();
    const bans = await rig.open();
    expect(rig.clock.sleeping).toBe(0);
    for (let i = 0; i < 20; i++) bans.ban(`192.0.2.${i}`, MINUTE_MS * (i + 1), 'protocol abuse');
    expect(rig.written()).toBe('');
    await rig.advance(1_000, () => rig.written().includes('192.0.2.19'));
    // The process is killed: nothing is closed.
    rig.nowMs += 5 * MINUTE_MS;
    const again = await rig.open();
    expect(again.list().map(({ key }) => key)).toEqual(
      Array.from({ length: 15 }, (_, i) => `192.0.2.${i + 5}`),
    );
    again.ban('198.51.100.1', MINUTE_MS, 'protocol abuse');
    await again.close();
    expect(rig.written(), 'on close at once').toContain('198.51.100.1');
    expect(rig.written(), 'without those that have ended').not.toContain('"192.0.2.1"');
    await again.close();
    await bans.close();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('of a file that is broken are set aside, with a log line', async () => {
    for (const text of [
      '',
      '{"version":1,"bans":[',
      '[]',
      '{"version":2,"bans":[]}',
      '{"version":1}',
      '{"version":1,"bans":[3]}',
      '{"version":1,"bans":[{"key":"a","untilMs":"1","reason":""}]}',
      '{"version":1,"bans":[{"untilMs":1,"reason":""}]}',
    ]) {
      const rig = new Rig();
      writeFileSync(rig.path, text);
      const bans = await rig.open();
      expect(bans.list(), text).toEqual([]);
      const entries = rig.log.entries.map(({ level, event }) => [level, event]);
      expect(entries, text).toEqual([['warn', 'bans not readable, set aside']]);
      expect(readFileSync(`${rig.path}.broken`, 'utf8')).toBe(text);
      bans.ban('192.0.2.1', MINUTE_MS, 'again');
      await bans.close();
      expect((await rig.open()).isBanned('192.0.2.1')).toBe(true);
    }
  });

  it('are bounded: those that end soonest make room', async () => {
    const rig = new Rig();
    const bans = await rig.open(3);
    for (const minutes of [5, 1, 4, 3]) bans.ban(`for ${minutes}`, minutes * MINUTE_MS, 'x');
    const keys = (list: BanList): string[] =>
      list
        .list()
        .map(({ key }) => key)
        .sort();
    expect(keys(bans)).toEqual(['for 3', 'for 4', 'for 5']);
    bans.ban('for 4', 9 * MINUTE_MS, 'one that is there needs no room');
    expect(keys(bans)).toEqual(['for 3', 'for 4', 'for 5']);
    rig.nowMs += 3 * MINUTE_MS;
    bans.ban('for 6', 6 * MINUTE_MS, 'x');
    expect(keys(bans), 'the ended one went').toEqual(['for 4', 'for 5', 'for 6']);
    await bans.close();
    expect(keys(await rig.open(2)), 'also those of the file').toEqual(['for 4', 'for 6']);
  });

  it('of names of any length take little room, and are not mixed up', async () => {
    const rig = new Rig();
    const bans = await rig.open();
    const long = 'a'.repeat(10_000);
    bans.ban(workerBanKey('192.0.2.1', long), MINUTE_MS, long);
    expect(bans.isBanned(workerBanKey('192.0.2.1', long))).toBe(true);
    expect(bans.isBanned(workerBanKey('192.0.2.1', `${long}b`))).toBe(false);
    await bans.close();
    expect(rig.written().length).toBeLessThan(700);
    const again = await rig.open();
    expect(again.isBanned(workerBanKey('192.0.2.1', long))).toBe(true);
  });

  it('that cannot be written hold all the same, and are written when they can be', async () => {
    const rig = new Rig();
    const bans = await rig.open();
    // The file cannot take the place of a directory.
    mkdirSync(join(rig.path, 'x'), { recursive: true });
    bans.ban('192.0.2.1', MINUTE_MS, 'x');
    await rig.advance(1_000, () => rig.log.entries.length === 1);
    expect(rig.log.of('bans not written')).toHaveLength(1);
    expect(bans.isBanned('192.0.2.1')).toBe(true);
    await rig.advance(0, () => rig.clock.sleeping === 1);
    rmSync(rig.path, { recursive: true });
    await rig.advance(10_000, () => rig.written().includes('192.0.2.1'));
    await bans.close();
    expect(rig.log.of('bans written again')).toHaveLength(1);
  });
});
