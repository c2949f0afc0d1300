import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { storedSegments } from '../../../pool/ledger/read-records.ts';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import { ShareLogError } from '../../../pool/ledger/share-log-error.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { CrashingFiles, fileError, type Operation } from './crashing-files.ts';
import { LogRig, numbered, numbersIn, range, refusal } from './log-rig.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

describe('a log that cannot be written to', () => {
  /** Fails the next such operation. */
  const failOnce = (files: CrashingFiles, operation: Operation, error: Error): void => {
    files.fault = (each) => {
      if (each !== operation) return undefined;
      files.fault = () => undefined;
      return error;
    };
  };

  it('refuses the whole group, says so once, and goes on as soon as it can', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await rig.open(directory, files);
    await log.append(numbered(1));
    const size = files.content(join(directory, '00000001.log')).length;
    const entries = rig.log.entries.length;
    let taken = 0;
    // The first write takes 30 bytes, the next 10, the third finds the disk full.
    files.fault = (operation) => {
      if (operation !== 'write') return undefined;
      return [30, 10, fileError('ENOSPC', 'no space left on device, write')][taken++ % 3];
    };
    for (let round = 0; round < 2; round++) {
      const group = await Promise.all([2, 3].map((i) => refusal(log.append(numbered(i)))));
      const reason = 'ENOSPC: no space left on device, write';
      expect(group).toEqual([
        { code: 'not-kept', reason },
        { code: 'not-kept', reason },
      ]);
      expect(log.failing).toBe(reason);
      expect(files.content(join(directory, '00000001.log')).length).toBe(size);
    }
    files.fault = (operation) => (operation === 'write' ? 3 : undefined);
    await Promise.all([4, 5].map((i) => log.append(numbered(i))));
    expect(log.failing).toBeUndefined();
    expect(rig.log.entries.slice(entries).map(({ level, event }) => [level, event])).toEqual([
      ['error', 'log not writable'],
      ['info', 'log writable again'],
    ]);
    expect(await storedSegments(directory, files)).toEqual([1]);
    await log.close();
    expect(await numbersIn(directory, files)).toEqual([1, 4, 5]);
  });

  it('writes no more to a file whose sync has failed', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await rig.open(directory, files);
    await log.append(numbered(1));
    let refused: Uint8Array = new Uint8Array();
    files.beforeSync = async () => {
      refused = files.content(join(directory, '00000001.log'));
      files.beforeSync = async () => {};
    };
    failOnce(files, 'sync', fileError('EIO', 'i/o error, fdatasync'));
    const detail = await refusal(log.append(numbered(2)));
    expect(detail).toEqual({ code: 'not-kept', reason: 'EIO: i/o error, fdatasync' });
    expect(await storedSegments(directory, files)).toEqual([1, 2]);
    await log.append(numbered(3));
    await log.close();
    expect(await numbersIn(directory, files)).toEqual([1, 3]);
    // The file that was given up may get back what was cut off: it is not counted.
    const first = join(directory, '00000001.log');
    expect(refused.length).toBeGreaterThan(files.content(first).length);
    files.overwrite(first, refused);
    await (await rig.open(directory, files)).close();
    expect(await numbersIn(directory, files)).toEqual([1, 3]);
  });

  it('has put right what it refused by the time it says so', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const directory = rig.directory();
      const files = new CrashingFiles();
      const log = await rig.open(directory, files);
      await log.append(numbered(1));
      let writes = 0;
      files.fault = (operation) => {
        if (operation !== 'write') return undefined;
        // All of one record, and no more than that.
        return writes++ === 0 ? 20 + numbered(2).length : fileError('ENOSPC');
      };
      const work = [2, 3].map((i) => refusal(log.append(numbered(i))));
      await Promise.all(work);
      files.crash(seededRandom(seed));
      await log.close();
      files.fault = () => undefined;
      expect(await numbersIn(directory, files), `${seed}`).toEqual([1]);
    }
  });

  it('tries again to put right what it could not, before it writes', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await rig.open(directory, files);
    await log.append(numbered(1));
    const broken: ReadonlySet<Operation> = new Set(['write', 'truncate', 'open']);
    let isFirst = true;
    files.fault = (operation) => {
      if (!broken.has(operation)) return undefined;
      if (operation === 'write' && isFirst) {
        isFirst = false;
        return 10;
      }
      return fileError('EIO');
    };
    await refusal(log.append(numbered(2)));
    await refusal(log.append(numbered(3)));
    files.fault = () => undefined;
    await log.append(numbered(4));
    await log.close();
    expect(await numbersIn(directory, files)).toEqual([1, 4]);
  });

  it('does without a new segment that cannot be made, and makes it later', async () => {
    for (const operation of ['open', 'write', 'sync', 'rename', 'syncDirectory'] as const) {
      const directory = rig.directory();
      const files = new CrashingFiles();
      const log = await rig.open(directory, files, { segmentBytes: 1 });
      await log.append(numbered(1));
      failOnce(files, operation, fileError('ENOSPC'));
      expect(await refusal(log.append(numbered(2))), operation).toMatchObject({ code: 'not-kept' });
      await log.append(numbered(3));
      await log.close();
      expect(await numbersIn(directory, files), operation).toContain(3);
      await (await rig.open(directory, files)).close();
    }
  });
});

describe('whatever happens to a log', () => {
  it.each(range(1, 16))('nothing acknowledged is lost, nothing doubled (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const files = new CrashingFiles();
    const directory = rig.directory();
    const quiet = new RecordingLog();
    const acknowledged = new Set<number>();
    let number = 0;
    for (let life = 0; life < 12; life++) {
      files.fault = () => undefined;
      const log = await RecordLog.open(
        { directory, kind: 'numbers', network: 'solonet', segmentBytes: 400 },
        { log: quiet, files, meter: { logSynced: () => {}, logFailed: () => {} } },
      );
      const faults = random() < 0.5 ? 0 : 0.1;
      files.fault = (operation) => {
        if (operation === 'write' && random() < 0.2) return 1 + Math.floor(random() * 60);
        return random() < faults ? fileError(random() < 0.5 ? 'EIO' : 'ENOSPC') : undefined;
      };
      const work: Promise<void>[] = [];
      for (let i = 0; i < 15; i++) {
        for (let burst = Math.floor(random() * 5); burst > 0; burst--) {
          const mine = ++number;
          const kept = log.append(numbered(mine)).then(() => acknowledged.add(mine));
          work.push(kept.then(() => {}, expectNotKept));
        }
        if (random() < 0.5) await Promise.resolve();
        if (random() < 0.2) await settle();
      }
      for (let i = Math.floor(random() * 20); i > 0; i--) await Promise.resolve();
      if (random() < 0.8) {
        files.crash(random);
        // Nothing of this process reaches the disk any more.
        files.fault = () => fileError('EIO', 'crashed');
      }
      await Promise.all(work);
      await log.close();
      files.fault = () => undefined;
      const numbers = await numbersIn(directory, files);
      expect(numbers, `life ${life}`).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      const have = new Set(numbers);
      expect(
        [...acknowledged].filter((each) => !have.has(each)),
        `life ${life}`,
      ).toEqual([]);
      for (const each of numbers) expect(each).toBeLessThanOrEqual(number);
    }
    expect(acknowledged.size).toBeGreaterThan(20);
  });
});

function expectNotKept(error: unknown): void {
  if (!(error instanceof ShareLogError) || error.detail.code !== 'not-kept') throw error;
}
