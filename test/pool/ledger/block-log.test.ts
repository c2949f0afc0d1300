import { afterAll, describe, expect, it } from 'vitest';
import { BlockLog } from '../../../pool/ledger/block-log.ts';
import type { BlockEvent } from '../../../pool/ledger/records.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { seededRandom } from '../../support/random.ts';
import { CrashingFiles, fileError } from './crashing-files.ts';
import { LogRig, refusal } from './log-rig.ts';
import { randomBlockEvent } from './sample-records.ts';

const rig = new LogRig();
afterAll(() => rig.remove());

describe('the log of blocks', () => {
  it('gives every event back when it is opened, in order', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const parts = { log: rig.log, meter: createSilentMeter(), files };
    const options = { directory, network: 'solonet' };
    const random = seededRandom(5);
    const written: BlockEvent[] = [];
    for (let life = 0; life < 3; life++) {
      const { log, events } = await BlockLog.open(options, parts);
      expect(events).toEqual(written);
      for (let i = 0; i < 10; i++) {
        const event = randomBlockEvent(random);
        await log.append(event);
        written.push(event);
      }
      files.fault = () => fileError('ENOSPC', 'disk full');
      expect(await refusal(log.append(randomBlockEvent(random)))).toMatchObject({
        code: 'not-kept',
      });
      expect(log.failing).toBe('ENOSPC: disk full');
      files.fault = () => undefined;
      await log.close();
    }
    const other = BlockLog.open({ ...options, network: 'mainnet' }, parts);
    expect(await refusal(other)).toMatchObject({ code: 'other-log' });
  });

  it('gives whole blocks only where they may yet be handed in', async () => {
    const directory = rig.directory();
    const files = new CrashingFiles();
    const now = 1_800_000_000_000;
    const parts = { log: rig.log, meter: createSilentMeter(), files, now: () => now };
    const options = { directory, network: 'solonet' };
    const { log } = await BlockLog.open(options, parts);
    const FRESH = now - 3_600_000;
    const OLD = now - 7 * 3_600_000;
    const cases = [
      [FRESH, [], true],
      [FRESH, ['refused'], true],
      [FRESH, ['accepted'], true],
      [FRESH, ['accepted', 'orphaned'], true],
      [FRESH, ['refused', 'lost'], false],
      [FRESH, ['accepted', 'matured'], false],
      [OLD, [], true],
      [OLD, ['refused'], true],
      [OLD, ['refused', 'accepted'], false],
      [OLD, ['accepted'], false],
    ] as const;
    const rawBlock = new Uint8Array(1000).fill(1);
    const written: BlockEvent[] = [];
    for (const [i, [timeMs, later]] of cases.entries()) {
      const hash = new Uint8Array(32).fill(i);
      const header = Uint8Array.of(1);
      const found = { hash, timeMs, height: 1, header, rawBlock, node: 'a', account: 'b' };
      written.push({ event: 'found', worker: 'c', ...found });
      for (const event of later) written.push({ event, hash, timeMs, detail: 'a: no' });
    }
    // Those of different blocks stand between each other.
    written.sort((a, b) => Number(a.event !== 'found') - Number(b.event !== 'found'));
    for (const event of written) await log.append(event);
    await log.close();
    const { log: again, events } = await BlockLog.open(options, parts);
    await again.close();
    for (const [i, [, later, isKept]] of cases.entries()) {
      const event = events[i];
      const bytes = event?.event === 'found' ? event.rawBlock.length : undefined;
      expect(bytes, `${i} ${later.join()}`).toBe(isKept ? 1000 : 0);
    }
    const others = (of: readonly BlockEvent[]): unknown[] =>
      of.map((event) => (event.event === 'found' ? { ...event, rawBlock: [] } : event));
    expect(others(events), 'all else is as it was').toEqual(others(written));
  });
});
