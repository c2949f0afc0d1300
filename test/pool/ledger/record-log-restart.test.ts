/**
 * A log that is opened again without a power cut: what it finds may be in the system's memory alone. The
 * power goes later, when something is built on it.
 */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { createSilentLogger } from '../../../src/util/log.ts';
import { seededRandom } from '../../support/random.ts';
import { CrashingFiles, fileError } from './crashing-files.ts';
import { LogRig, numbered, numbersIn, refusal } from './log-rig.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

const FIRST = '00000001.log';

/** A log that holds 1, and 2 in the system's memory alone: its process was killed before the sync. */
async function killedBeforeSync(directory: string, files: CrashingFiles): Promise<void> {
  const log = await rig.open(directory, files);
  await log.append(numbered(1));
  const synced = files.content(join(directory, FIRST));
  await log.append(numbered(2));
  const written = files.content(join(directory, FIRST));
  await log.close();
  files.overwrite(join(directory, FIRST), synced);
  const file = await files.open(join(directory, FIRST), 'update');
  await file.write(written.subarray(synced.length), synced.length);
}

describe('a log that is opened after a kill', () => {
  it('has on disk what it found before it goes on', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    await killedBeforeSync(directory, files);
    // Full: what is appended goes into another segment, and only that one is synced.
    const log = await rig.open(directory, files, { segmentBytes: 1 });
    await log.append(numbered(3));
    // Nothing that was not synced survives.
    files.crash(() => 0);
    await log.close();
    await (await rig.open(directory, files)).close();
    expect(await numbersIn(directory, files)).toEqual([1, 2, 3]);
  });

  it('has on disk the name of the segment that it goes on in', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const before = await rig.open(directory, files, { segmentBytes: 1 });
    await before.append(numbered(1));
    // A kill between the new name and its sync, that is.
    files.fault = (operation) => (operation === 'syncDirectory' ? fileError('EIO') : undefined);
    await refusal(before.append(numbered(2)));
    await before.close();
    files.fault = () => undefined;
    const log = await rig.open(directory, files);
    await log.append(numbered(3));
    files.crash(() => 0.99);
    await log.close();
    expect(await numbersIn(directory, files)).toEqual([1, 3]);
  });

  it('is not opened where that cannot be had', async () => {
    for (const operation of ['sync', 'syncDirectory'] as const) {
      const directory = rig.directory();
      const files = new CrashingFiles();
      await killedBeforeSync(directory, files);
      files.fault = (each) => (each === operation ? fileError('EIO', 'no sync') : undefined);
      const detail = await refusal(rig.open(directory, files));
      expect(detail, operation).toEqual({ code: 'io', directory, problem: 'EIO: no sync' });
      files.fault = () => undefined;
      await (await rig.open(directory, files)).close();
    }
  });
});

describe('a log with a torn tail, on a full disk', () => {
  /** Of three groups; the last one, of two records, is torn as `tear` says. */
  async function torn(
    files: CrashingFiles,
    tear: (whole: Uint8Array, end: number) => Uint8Array,
  ): Promise<string> {
    const directory = rig.directory();
    const path = join(directory, FIRST);
    const log = await rig.open(directory, files);
    for (const number of [1, 2]) await log.append(numbered(number));
    const end = files.content(path).length;
    await Promise.all([3, 4].map((number) => log.append(numbered(number))));
    await log.close();
    files.overwrite(path, tear(files.content(path), end));
    const full = (at: string): boolean => at.endsWith('.torn');
    files.fault = (operation, at) =>
      full(at) && operation === 'write' ? fileError('ENOSPC', 'disk full') : undefined;
    return directory;
  }

  it('is opened without its tail if that is part of a write that never ended', async () => {
    const recordBytes = 20 + numbered(3).length;
    for (const [what, tear, kept] of [
      ['in its head', (whole, end) => whole.slice(0, end + 7), [1, 2]],
      ['in its payload', (whole, end) => whole.slice(0, end + recordBytes - 1), [1, 2]],
      ['in its second record', (whole) => whole.slice(0, -1), [1, 2, 3]],
      ['with nothing in it', (whole, end) => whole.fill(0, end), [1, 2]],
    ] as readonly [string, (whole: Uint8Array, end: number) => Uint8Array, number[]][]) {
      const files = new CrashingFiles();
      const directory = await torn(files, tear);
      const entries = rig.log.entries.length;
      const log = await rig.open(directory, files);
      expect(rig.log.entries.slice(entries), what).toMatchObject([
        { level: 'warn', event: 'torn tail of the log cut off, and not kept: the disk is full' },
      ]);
      expect(files.paths(), 'no half of a copy').toEqual([join(directory, FIRST)]);
      await log.append(numbered(9));
      files.crash(() => 0);
      await log.close();
      expect(await numbersIn(directory, files), what).toEqual([...kept, 9]);
    }
  });

  it('is not opened if its tail may be more than that, and nothing is cut', async () => {
    for (const [what, tear] of [
      ['damaged within', (whole, end) => whole.with(end + 25, whole[end + 25]! ^ 1)],
      ['not what is expected', (whole, end) => whole.with(end + 8, 99).slice(0, end + 30)],
    ] as readonly [string, (whole: Uint8Array, end: number) => Uint8Array][]) {
      const files = new CrashingFiles();
      const directory = await torn(files, tear);
      const before = files.content(join(directory, FIRST));
      const detail = await refusal(rig.open(directory, files));
      expect(detail, what).toEqual({ code: 'io', directory, problem: 'ENOSPC: disk full' });
      expect(files.content(join(directory, FIRST)), what).toEqual(before);
      files.fault = () => undefined;
      await (await rig.open(directory, files)).close();
      expect(await numbersIn(directory, files), what).toEqual([1, 2]);
    }
  });

  it('is not opened if the disk is not full but broken', async () => {
    const files = new CrashingFiles();
    const directory = await torn(files, (whole) => whole.slice(0, -1));
    files.fault = (_, at) => (at.endsWith('.torn') ? fileError('EIO', 'broken') : undefined);
    const detail = await refusal(rig.open(directory, files));
    expect(detail).toEqual({ code: 'io', directory, problem: 'EIO: broken' });
  });
});

describe('whatever happens between restarts', () => {
  /** Each lost something while opening did not sync, and those after the first eight did not. */
  const SEEDS = [9, 70, 108, 265, 271, 294, 368, 1061, 1, 2, 3, 4];

  it.each(SEEDS)('nothing acknowledged is lost, nothing doubled (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const files = new CrashingFiles();
    const directory = rig.directory();
    const open = (): Promise<RecordLog> =>
      RecordLog.open(
        { directory, kind: 'numbers', network: 'solonet', segmentBytes: 200 },
        { log: createSilentLogger(), meter: createSilentMeter(), files },
      );
    const acknowledged = new Set<number>();
    let number = 0;
    for (let life = 0; life < 4; life++) {
      files.fault = () => undefined;
      const log = await open();
      const rate = random() * 0.4;
      files.fault = (operation) => {
        if (random() >= rate) return undefined;
        return operation === 'write' && random() < 0.5
          ? Math.floor(random() * 30)
          : fileError('EIO');
      };
      const work: Promise<unknown>[] = [];
      let isAlive = true;
      for (let i = 5 + Math.floor(random() * 30); i > 0; i--) {
        const mine = ++number;
        const kept = log.append(numbered(mine)).then(() => isAlive && acknowledged.add(mine));
        work.push(kept.catch(() => {}));
        if (random() < 0.5) await nextTurn();
      }
      for (let i = Math.floor(random() * 40); i > 0; i--) await nextTurn();
      if (random() < 0.8) {
        isAlive = false;
        files.crash(random);
        files.fault = () => fileError('EIO', 'crashed');
      }
      await Promise.all(work);
      await log.close();
      files.fault = () => undefined;
      await (await open()).close();
      const numbers = await numbersIn(directory, files);
      expect(numbers, `life ${life}`).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      const have = new Set(numbers);
      const lost = [...acknowledged].filter((each) => !have.has(each));
      expect(lost, `life ${life}`).toEqual([]);
    }
  });
});
