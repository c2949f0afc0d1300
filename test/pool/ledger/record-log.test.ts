import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readRecords, storedSegments } from '../../../pool/ledger/read-records.ts';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import { ShareLogError } from '../../../pool/ledger/share-log-error.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { CrashingFiles } from './crashing-files.ts';
import { LogRig, numbered, numbersIn, range, refusal } from './log-rig.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

/** One segment in memory of groups of records that count up. Returns where each group ends. */
async function written(
  directory: string,
  files: CrashingFiles,
  groups: readonly number[],
): Promise<{ readonly path: string; readonly ends: readonly number[] }> {
  const log = await rig.open(directory, files);
  const path = join(directory, '00000001.log');
  const ends = [files.content(path).length];
  let number = 0;
  for (const size of groups) {
    await Promise.all(range(1, size).map(() => log.append(numbered(++number))));
    ends.push(files.content(path).length);
  }
  await log.close();
  return { path, ends };
}

describe('a log of records', () => {
  it('keeps what was appended, in order, for its owner alone', async () => {
    const directory = join(rig.directory(), 'made', 'with its parents');
    for (let round = 0; round < 3; round++) {
      const log = await rig.open(directory);
      await Promise.all(range(1, 10).map((i) => log.append(numbered(10 * round + i))));
      await log.close();
      expect(await numbersIn(directory)).toEqual(range(1, 10 * round + 10));
    }
    expect(readdirSync(directory).sort()).toEqual(['00000001.log', 'lock']);
    if (process.platform !== 'win32') {
      expect(statSync(join(directory, '00000001.log')).mode & 0o777).toBe(0o600);
      expect(statSync(directory).mode & 0o077).toBe(0);
    }
  });

  it('writes and syncs whatever waits at once, and acknowledges it only then', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const synced: [number, number][] = [];
    const clock = new FakeClock();
    const log = await RecordLog.open(
      { directory, kind: 'numbers', network: 'solonet' },
      {
        log: rig.log,
        files,
        clock,
        meter: { logSynced: (records, ms) => synced.push([records, ms]), logFailed: () => {} },
      },
    );
    const [writes, syncs] = [files.writes, files.syncs];
    let gate = createDeferred<void>();
    files.beforeSync = () => gate.promise;
    const done: number[] = [];
    const append = (number: number): Promise<unknown> =>
      log.append(numbered(number)).then(() => done.push(number));
    const first = range(1, 5).map(append);
    await settle();
    expect([files.writes - writes, files.syncs - syncs, done]).toEqual([1, 1, []]);
    const second = range(6, 9).map(append);
    await settle();
    expect([files.writes - writes, files.syncs - syncs, done], 'the next group gathers').toEqual([
      1,
      1,
      [],
    ]);
    await clock.advance(7);
    const before = gate;
    gate = createDeferred();
    before.resolve();
    await Promise.all(first);
    expect(done).toEqual(range(1, 5));
    await settle();
    expect([files.writes - writes, files.syncs - syncs, done]).toEqual([2, 2, range(1, 5)]);
    gate.resolve();
    await Promise.all(second);
    expect(done).toEqual(range(1, 9));
    expect(synced).toEqual([
      [5, 7],
      [4, 0],
    ]);
    expect(clock.sleeping, 'no timers').toBe(0);
    await log.close();
  });

  it('goes on in a new segment when one is full, and reads over all of them', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    for (const from of [1, 31]) {
      const log = await rig.open(directory, files, { segmentBytes: 300 });
      for (const number of range(from, from + 29)) await log.append(numbered(number));
      await log.close();
    }
    const segments = await storedSegments(directory, files);
    expect(segments.length).toBeGreaterThan(5);
    expect(await numbersIn(directory, files)).toEqual(range(1, 60));
    // A new name is synced before anything is said to be in it.
    files.crash(() => 0.99);
    expect(await numbersIn(directory, files)).toEqual(range(1, 60));
    const later: number[] = [];
    const options = { kind: 'numbers', fromSegment: 3, toSegment: 4 };
    for await (const { records } of readRecords(directory, options, files)) {
      for (const record of records) later.push(record.sequence);
    }
    expect(later).toEqual(range(later[0]!, later.at(-1)!));
    expect(later[0]).toBeGreaterThan(1);
    expect(later.at(-1)).toBeLessThan(60);
  });

  it('takes payloads longer than what is read at once', async () => {
    const directory = rig.directory();
    const log = await rig.open(directory);
    const payloads = [1, 3_000_000, 20, 1_048_576, 5].map((length, i) =>
      new Uint8Array(length).fill(i + 1),
    );
    for (const payload of payloads) await log.append(payload);
    await log.close();
    const read: Uint8Array[] = [];
    for await (const { records } of readRecords(directory, { kind: 'numbers' })) {
      for (const { payload } of records) read.push(payload);
    }
    expect(read.map((each) => [each.length, each[0], each.at(-1)])).toEqual(
      payloads.map((each) => [each.length, each[0], each.at(-1)]),
    );
    const again = await rig.open(directory);
    await expect(again.append(new Uint8Array(0))).rejects.toThrow('expected 1 to 16777216 bytes');
    await expect(again.append(new Uint8Array((16 << 20) + 1))).rejects.toThrow(RangeError);
    await again.close();
  });

  it('has one writer, and readers beside it', async () => {
    const directory = rig.directory();
    const log = await rig.open(directory);
    expect(await refusal(rig.open(directory))).toEqual({
      code: 'locked',
      directory,
      pid: process.pid,
    });
    await log.append(numbered(1));
    expect(await numbersIn(directory)).toEqual([1]);
    const waiting = log.append(numbered(2));
    await log.close();
    await waiting;
    await log.close();
    const late = refusal(log.append(numbered(3)));
    expect(await late).toEqual({ code: 'not-kept', reason: 'the log is closed' });
    expect(await numbersIn(directory)).toEqual([1, 2]);
  });

  it('is not taken for that of another network or kind, or of a newer program', async () => {
    const directory = rig.directory();
    await (await rig.open(directory)).close();
    const file = join(directory, '00000001.log');
    const expected = 'numbers of mainnet, segment 1';
    const got = 'numbers of solonet, segment 1';
    expect(await refusal(rig.open(directory, undefined, { network: 'mainnet' }))).toEqual({
      code: 'other-log',
      file,
      expected,
      got,
    });
    const other = rig.open(directory, undefined, { kind: 'letters' });
    expect(await refusal(other)).toMatchObject({ code: 'other-log', got });
    const bytes = readFileSync(file);
    bytes[8] = 2;
    writeFileSync(file, bytes);
    expect(await refusal(rig.open(directory))).toEqual({
      code: 'other-log',
      file,
      expected: 'version 1 of the format',
      got: 'version 2',
    });
    expect(await refusal(numbersIn(join(directory, 'nowhere')))).toMatchObject({ code: 'io' });
  });
});

describe('after a crash, a log', () => {
  it('that was cut anywhere has every record before the cut, and goes on there', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const { path, ends } = await written(directory, files, [1, 2, 1]);
    const whole = files.content(path);
    // Where each record ends, by its number.
    const recordEnds: number[] = [];
    for await (const { records } of readRecords(directory, { kind: 'numbers' }, files)) {
      for (const { offset, payload } of records) recordEnds.push(offset + 20 + payload.length);
    }
    expect(recordEnds).toEqual(expect.arrayContaining(ends.slice(1)));
    for (let size = ends[0]!; size <= whole.length; size++) {
      files.overwrite(path, whole.subarray(0, size));
      const kept = recordEnds.filter((end) => end <= size).length;
      expect(await numbersIn(directory, files), `a reader, ${size}`).toEqual(range(1, kept));
      const entries = rig.log.entries.length;
      const log = await rig.open(directory, files);
      const offset = kept === 0 ? ends[0]! : recordEnds[kept - 1]!;
      expect(files.content(path), `${size}`).toEqual(whole.slice(0, offset));
      await log.append(numbered(100));
      await log.close();
      expect(await numbersIn(directory, files), `cut at ${size}`).toEqual([...range(1, kept), 100]);
      const torn = join(directory, `00000001-${offset}.torn`);
      if (offset === size) {
        expect(rig.log.entries.length, `${size}`).toBe(entries);
      } else {
        const { event, fields } = rig.log.entries.at(-1)!;
        expect([event, fields['bytes'], fields['offset']]).toEqual([
          'torn tail of the log cut off',
          size - offset,
          offset,
        ]);
        expect(files.content(torn)).toEqual(whole.slice(offset, size));
      }
    }
  });

  it('with any byte changed gives no wrong record, and says where the damage is', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const { path, ends } = await written(directory, files, [1, 1, 2]);
    const whole = files.content(path);
    const random = seededRandom(7);
    for (let at = 0; at < whole.length; at++) {
      const changed = whole.slice();
      changed[at]! ^= 1 + Math.floor(random() * 255);
      files.overwrite(path, changed);
      if (at < ends[2]!) {
        // A later group is whole: what was changed had been acknowledged.
        for (const work of [numbersIn(directory, files), rig.open(directory, files)]) {
          const detail = await refusal(work);
          expect(['damaged', 'other-log'], `${at}`).toContain(detail.code);
          expect(detail, `${at}`).toMatchObject({ file: path });
          if (detail.code !== 'damaged') continue;
          expect(detail.offset, `${at}`).toBeLessThanOrEqual(at);
          expect(at - detail.offset, `${at}`).toBeLessThan(70);
        }
        expect(files.content(path), 'nothing was cut off').toEqual(changed);
        continue;
      }
      const log = await rig.open(directory, files);
      await log.close();
      const numbers = await numbersIn(directory, files);
      expect([range(1, 2), range(1, 3)], `${at}`).toContainEqual(numbers);
    }
  });

  it('takes no record that stands in the place of another', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const { path, ends } = await written(directory, files, [1, 1, 1]);
    const whole = files.content(path);
    const [head, first, second] = [0, 1, 2].map((i) => ends[i]!);
    files.overwrite(path, Buffer.concat([whole, whole.subarray(head, first)]));
    await (await rig.open(directory, files)).close();
    expect(await numbersIn(directory, files), 'the first again at the end').toEqual([1, 2, 3]);
    const without = [whole.subarray(0, first), whole.subarray(second)];
    files.overwrite(path, Buffer.concat(without));
    for (const work of [numbersIn(directory, files), rig.open(directory, files)]) {
      const detail = await refusal(work);
      expect(detail, 'the second cut out').toMatchObject({ code: 'damaged', offset: first });
    }
  });

  it('is not opened if a segment is missing, short or of another place', async () => {
    const directory = rig.directory();
    const make = async (): Promise<CrashingFiles> => {
      const files = new CrashingFiles();
      const log = await rig.open(directory, files, { segmentBytes: 200 });
      for (const number of range(1, 30)) await log.append(numbered(number));
      await log.close();
      return files;
    };
    const [second, third] = [2, 3].map((i) => join(directory, `0000000${i}.log`));
    const missing = await make();
    await missing.remove(second!);
    const detail = await refusal(rig.open(directory, missing));
    expect(detail).toMatchObject({ code: 'damaged', file: second, offset: 0 });
    expect(new ShareLogError(detail).message).toContain('missing, though 00000003.log is there');
    const short = await make();
    short.overwrite(second!, short.content(second!).slice(0, -1));
    for (const work of [rig.open(directory, short), numbersIn(directory, short)]) {
      expect(await refusal(work)).toMatchObject({ code: 'damaged', file: second });
    }
    const swapped = await make();
    swapped.overwrite(third!, swapped.content(second!));
    expect(await refusal(rig.open(directory, swapped))).toMatchObject({ code: 'other-log' });
    const older = await make();
    await older.remove(join(directory, '00000001.log'));
    await (await rig.open(directory, older)).close();
  });
});
