import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import type { ShareRecord } from '../../../pool/ledger/records.ts';
import { encodeShare } from '../../../pool/ledger/share-codec.ts';
import { summariseShares } from '../../../pool/ledger/summary.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { CrashingFiles } from './crashing-files.ts';
import { LogRig, range, refusal } from './log-rig.ts';
import { sampleShare } from './sample-records.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

/** A log that holds these, whether or not one occurs twice: no `ShareLog` would write that. */
async function logOf(
  directory: string,
  shares: readonly ShareRecord[],
  files: CrashingFiles,
): Promise<void> {
  const log = await RecordLog.open(
    { directory, kind: 'shares', network: 'solonet', segmentBytes: 3000 },
    { log: rig.log, meter: createSilentMeter(), files },
  );
  await Promise.all(shares.slice(0, 3).map((share) => log.append(encodeShare(share))));
  for (const share of shares.slice(3)) await log.append(encodeShare(share));
  await log.close();
}

describe('the sum of a share log', () => {
  it('is exact, by account and worker', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const huge = 2n ** 200n;
    await logOf(
      directory,
      [
        sampleShare(5, { account: 'b', worker: 'x', difficulty: huge, timeMs: 50 }),
        sampleShare(1, { account: 'b', worker: 'a', difficulty: 1n, timeMs: 40, isLate: true }),
        sampleShare(2, { account: 'b', worker: 'x', difficulty: 1n, timeMs: 10, isBlock: true }),
        sampleShare(3, { account: 'a', worker: 'x', timeMs: 60, isVerified: false }),
      ],
      files,
    );
    const summary = await summariseShares(directory, { network: 'solonet' }, files);
    const none = { late: 0, unverified: 0, blocks: 0 };
    const [ax, ba, bx] = [
      { account: 'a', worker: 'x', shares: 1, difficulty: 1024n, firstMs: 60, lastMs: 60 },
      { account: 'b', worker: 'a', shares: 1, difficulty: 1n, firstMs: 40, lastMs: 40 },
      { account: 'b', worker: 'x', shares: 2, difficulty: huge + 1n, firstMs: 10, lastMs: 50 },
    ];
    expect(summary).toEqual({
      total: {
        shares: 4,
        difficulty: huge + 1026n,
        late: 1,
        unverified: 1,
        blocks: 1,
        firstMs: 10,
        lastMs: 60,
      },
      workers: [
        { ...none, ...ax, unverified: 1 },
        { ...none, ...ba, late: 1 },
        { ...none, ...bx, blocks: 1 },
      ],
      records: 4,
      duplicates: 0,
    });
    const some = await summariseShares(directory, { from: 40, until: 60 }, files);
    expect(some.workers.map(({ account, worker }) => account + worker)).toEqual(['ba', 'bx']);
    expect([some.total.shares, some.records]).toEqual([2, 4]);
  });

  it('of nothing is nothing', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    await logOf(directory, [], files);
    const { total, records } = await summariseShares(directory, {}, files);
    expect([total.shares, total.firstMs, records]).toEqual([0, undefined, 0]);
    const nowhere = summariseShares(join(directory, 'nowhere'));
    expect(await refusal(nowhere)).toMatchObject({ code: 'io' });
  });

  it('finds every id that occurs twice, however few it may hold at once', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const shares = range(1, 300).map((number) => sampleShare(number));
    const twice = [7, 7, 290, 150].map((number) => sampleShare(number, { worker: 'again' }));
    await logOf(directory, [...shares, ...twice], files);
    for (const maxIdsHeld of [1_000, 304, 303, 100, 17]) {
      const { duplicates, firstDuplicate, records } = await summariseShares(
        directory,
        { maxIdsHeld },
        files,
      );
      expect([records, duplicates], `${maxIdsHeld}`).toEqual([304, 4]);
      const ids = twice.map(({ id }) => bytesToHex(id));
      expect(ids, `${maxIdsHeld}`).toContain(firstDuplicate);
    }
  });

  it('is not made of a log that is damaged anywhere', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    await logOf(
      directory,
      range(1, 80).map((number) => sampleShare(number)),
      files,
    );
    const paths = files.paths();
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths.slice(0, -1)) {
      const content = files.content(path);
      const changed = content.slice();
      const at = changed.length - 10;
      changed[at]! ^= 1;
      files.overwrite(path, changed);
      const detail = await refusal(summariseShares(directory, {}, files));
      expect(detail).toMatchObject({ code: 'damaged', file: path });
      files.overwrite(path, content);
    }
  });
});
