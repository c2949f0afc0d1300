import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readRecords } from '../../../pool/ledger/read-records.ts';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import { decodeShare } from '../../../pool/ledger/share-codec.ts';
import { ShareLog, type ShareLogOptions } from '../../../pool/ledger/share-log.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { CrashingFiles, fileError } from './crashing-files.ts';
import { LogRig, range, refusal } from './log-rig.ts';
import { sampleShare } from './sample-records.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

const clock = new FakeClock();
/** When the first of the sample shares was sent. */
const START = sampleShare(0).timeMs;

/** `now`: what the wall clock says, a moment after the samples unless it is given. */
function open(
  directory: string,
  files: CrashingFiles,
  options: Partial<ShareLogOptions> = {},
  now = START + 1000,
): Promise<ShareLog> {
  return ShareLog.open(
    { directory, network: 'solonet', ...options },
    { log: rig.log, meter: createSilentMeter(), files, clock, now: () => now },
  );
}

/** Which of the samples up to this one it remembers. */
function knownTo(last: number, log: ShareLog): number[] {
  return range(1, last).filter((number) => log.has(sampleShare(number).id));
}

async function sharesIn(directory: string, files: CrashingFiles): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { records } of readRecords(directory, { kind: 'shares' }, files)) {
    for (const { payload } of records) {
      const share = decodeShare(payload);
      const number = share.timeMs - sampleShare(0).timeMs;
      expect(share).toEqual(sampleShare(number, { height: share.height }));
      numbers.push(number);
    }
  }
  return numbers;
}

describe('the log of shares', () => {
  it('writes each id once, also after a restart', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await open(directory, files);
    for (const number of range(1, 5)) {
      expect(log.has(sampleShare(number).id)).toBe(false);
      expect(await log.append(sampleShare(number))).toBe('written');
      expect(log.has(sampleShare(number).id)).toBe(true);
    }
    expect(await log.append(sampleShare(3, { worker: 'another' }))).toBe('known');
    await log.close();
    const again = await open(directory, files);
    expect(again.knownIds).toBe(5);
    expect(await again.append(sampleShare(5))).toBe('known');
    expect(await again.append(sampleShare(6))).toBe('written');
    await again.close();
    expect(await sharesIn(directory, files)).toEqual(range(1, 6));
  });

  it('lets the second of two equal shares wait for the first', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await open(directory, files);
    const gate = createDeferred<void>();
    files.beforeSync = () => gate.promise;
    const outcomes: string[] = [];
    const both = [1, 2].map(async () => outcomes.push(await log.append(sampleShare(1))));
    await settle();
    expect(outcomes).toEqual([]);
    expect(log.has(sampleShare(1).id), 'not on disk yet').toBe(false);
    gate.resolve();
    await Promise.all(both);
    expect(outcomes.sort()).toEqual(['known', 'written']);
    await log.close();
    expect(await sharesIn(directory, files)).toEqual([1]);
  });

  it('refuses both if it cannot write, and takes the share when it can', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await open(directory, files);
    files.fault = (operation) => (operation === 'write' ? fileError('ENOSPC') : undefined);
    const both = await Promise.all([1, 2].map(() => refusal(log.append(sampleShare(1)))));
    expect(both.map(({ code }) => code)).toEqual(['not-kept', 'not-kept']);
    expect(log.failing).toContain('ENOSPC');
    files.fault = () => undefined;
    await expect(log.append(sampleShare(2, { height: 1.5 }))).rejects.toThrow(RangeError);
    expect(await log.append(sampleShare(1))).toBe('written');
    expect(await log.append(sampleShare(2))).toBe('written');
    expect(log.failing).toBeUndefined();
    await log.close();
    expect(await sharesIn(directory, files)).toEqual([1, 2]);
  });

  it('remembers every share of the last 15 minutes, and so does the next process', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const options = { segmentBytes: 600 };
    const log = await open(directory, files, options);
    // Of many more heights than are remembered for themselves.
    for (const number of range(1, 60)) {
      expect(await log.append(sampleShare(number, { height: number }))).toBe('written');
      expect(await log.append(sampleShare(1)), `${number}`).toBe('known');
    }
    await log.close();
    expect(files.paths().length).toBeGreaterThan(8);
    const soon = await open(directory, files, options, START + 899_000);
    expect(knownTo(60, soon)).toEqual(range(1, 60));
    expect(soon.knownIds).toBe(60);
    await soon.close();
    const later = await open(directory, files, options, START + 902_000);
    // No more segments are read than have the last eight heights.
    expect(later.knownIds).toBeLessThan(20);
    expect(knownTo(60, later)).toEqual(expect.arrayContaining(range(53, 60)));
    await later.close();
    // Set back: what the future says is not older than the rest.
    const before = await open(directory, files, options, START - 1e9);
    expect(knownTo(60, before)).toEqual(range(1, 60));
    await before.close();
  });

  it('remembers the heights last seen, whenever that was, and so does the next process', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    // Also back, as in a reorganisation: lower ones may be the newer ones.
    const heights = [100, 101, 102, 103, 104, 90, 91, 104, 92, 93];
    const options = { maxHeights: 4, segmentBytes: 600 };
    const log = await open(directory, files, options);
    for (const [i, height] of heights.entries()) {
      for (const j of range(1, 5)) await log.append(sampleShare(10 * i + j, { height }));
      await clock.advance(3_600_000);
    }
    const latest = [61, 71, 81, 91].flatMap((from) => range(from, from + 4));
    expect(knownTo(99, log)).toEqual(expect.arrayContaining(latest));
    await log.close();
    expect(files.paths().length).toBeGreaterThan(8);
    const again = await open(directory, files, options, START + 1e9);
    expect(knownTo(99, again)).toEqual(expect.arrayContaining(latest));
    await again.close();
  });

  it('forgets the oldest where there are too many, and says so', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const log = await open(directory, files, { maxIds: 48 });
    const entries = rig.log.entries.length;
    for (const number of range(1, 48)) await log.append(sampleShare(number));
    expect([log.knownIds, log.forgottenIds]).toEqual([48, 0]);
    await log.append(sampleShare(49));
    expect([log.knownIds, log.forgottenIds]).toEqual([43, 6]);
    expect(knownTo(49, log)).toEqual(range(7, 49));
    expect(rig.log.entries.slice(entries)).toMatchObject([
      { level: 'warn', event: 'shares forgotten too early', fields: { ids: 6, maxIds: 48 } },
    ]);
    for (const number of range(50, 120)) await log.append(sampleShare(number));
    await log.close();
    const again = await open(directory, files, { maxIds: 48 });
    for (const each of [log, again]) {
      expect(each.knownIds).toBeLessThanOrEqual(48);
      expect(knownTo(120, each)).toEqual(range(121 - each.knownIds, 120));
    }
    await again.close();
  });

  it('says where a record is that is whole and no share', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const parts = { log: rig.log, meter: createSilentMeter(), files };
    const records = await RecordLog.open({ directory, kind: 'shares', network: 'solonet' }, parts);
    await records.append(Uint8Array.of(9));
    await records.close();
    for (let round = 0; round < 2; round++) {
      expect(await refusal(open(directory, files)), 'and leaves no lock behind').toMatchObject({
        code: 'damaged',
        file: join(directory, '00000001.log'),
        problem: 'share.version: expected 1 at byte 0, got 9',
      });
    }
  });

  it.each(range(1, 8))('loses and doubles nothing, whatever happens (seed %i)', async (seed) => {
    const random = seededRandom(100 + seed);
    const directory = rig.directory();
    const files = new CrashingFiles();
    const acknowledged = new Set<number>();
    for (let life = 0; life < 8; life++) {
      files.fault = () => undefined;
      const log = await open(directory, files, { segmentBytes: 2000 });
      files.fault = () => (random() < 0.05 ? fileError('EIO') : undefined);
      const work: Promise<unknown>[] = [];
      for (let i = 0; i < 25; i++) {
        // Many are sent more than once: by a miner that got no answer, or by one that cheats.
        const number = 20 * life + Math.floor(random() * 40);
        const kept = log.append(sampleShare(number)).then(() => acknowledged.add(number));
        work.push(kept.catch(() => {}));
        if (random() < 0.2) await settle();
      }
      for (let i = Math.floor(random() * 20); i > 0; i--) await Promise.resolve();
      if (random() < 0.8) {
        files.crash(random);
        files.fault = () => fileError('EIO', 'crashed');
      }
      await Promise.all(work);
      await log.close();
      files.fault = () => undefined;
      const numbers = await sharesIn(directory, files);
      expect(numbers.length, 'each once').toBe(new Set(numbers).size);
      const have = new Set(numbers);
      expect([...acknowledged].filter((number) => !have.has(number))).toEqual([]);
    }
    expect(acknowledged.size).toBeGreaterThan(20);
  });
});
