/** A board's hashes are counted by shares that it cannot invent. */
import { describe, expect, it } from 'vitest';
import { Auditor } from '../../drivers/serial/audit.ts';
import { ControlShares } from '../../drivers/serial/control-shares.ts';
import type { Wrong } from '../../drivers/serial/job-ledger.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { seededRandom } from '../support/random.ts';
import {
  ANY,
  codeOf,
  EASY,
  end,
  goodNonces,
  mine,
  never,
  SEED,
  SerialRig,
  workOf,
} from '../support/serial-rig.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

const MINUTE = 60_000;

describe('control shares', () => {
  it('find a board out that claims ten hashes for each', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    rig.board.script.lies.add('progress');
    expect(codeOf(await mine(rig, MINUTE, -1n))).toBe('self-test');
    // No audit went well.
    expect(rig.device.telemetry().hashes).toBe(0);
    await end(rig);
  });

  it('find a board out that makes one of ten hashes and has that one right', async () => {
    const rig = await SerialRig.open();
    rig.board.script.lies.add('skip');
    expect(codeOf(await mine(rig, 8 * MINUTE, -1n))).toBe('self-test');
    const notice = /^wrong: expected about \d+ shares of as many hashes as it claims, got \d$/;
    expect(rig.notices).toEqual([expect.stringMatching(notice)]);
    await end(rig);
  });

  it('let an honest board in peace, and none of them be found', async () => {
    const rig = await SerialRig.open();
    const found: bigint[] = [];
    const work = workOf(1n << 248n);
    const range = { start: 0n, count: 2500 };
    const search = rig.device.search(work, range, never(), (nonce) => found.push(nonce));
    await rig.clock.advance(4 * MINUTE);
    const result = await rig.run(search);
    expect(result.nonces).toEqual(goodNonces(work, 0n, 2500));
    expect(found).toEqual(result.nonces);
    expect(rig.device.telemetry()).toMatchObject({ hashes: 2500, mismatches: 0 });
    // One at once and one a minute, not the shares, of which there are ten times as many.
    expect(rig.rehashes).toBe(5);
    await end(rig);
  });

  it('come from a board of any speed each five seconds or so, from one at its limit with each hash', () => {
    const controls = new ControlShares();
    const chance = (told: bigint): number => Number(told >> 192n) / 2 ** 64;
    expect(chance(controls.told(-1n, 1000, 20))).toBeCloseTo(1 / 100, 6);
    expect(controls.told(-1n, 1000, 0.01)).toBe(ANY);
    expect(controls.told(ANY + 5n, 1000, 20)).toBe(ANY);
    expect(controls.told(EASY, 1000, 20)).toBe(EASY);
    // Named by the end of its job; or nothing is known of the speed.
    expect(controls.told(5n, 1, 20)).toBe(5n);
    expect(controls.told(-1n, 1000, 0)).toBe(0n);
  });

  it.each([
    ['a quarter of them', 0.24, 40],
    ['two thirds of them', 0.66, 400],
  ])('are too few if there are %s', (_name, part, expected) => {
    const controls = new ControlShares();
    let wrong: unknown;
    let hashes = 0;
    while (wrong === undefined && hashes < 100_000) {
      hashes += 100;
      // One in a hundred, less what is missing.
      const shares = Math.floor((hashes * part) / 100) - Math.floor(((hashes - 100) * part) / 100);
      wrong = controls.add(100, shares, ANY / 100n);
    }
    expect(Math.abs(hashes / 100 - expected)).toBeLessThanOrEqual(1);
    expect(wrong).toHaveProperty('actual', `${Math.floor((hashes * part) / 100)}`);
  });

  it('do not come in the numbers that chance allows', () => {
    const controls = new ControlShares();
    const random = seededRandom(11);
    let wrong: Wrong | undefined;
    for (let i = 0; i < 100_000; i++) {
      wrong ??= controls.add(1, random() < 0.1 ? 1 : 0, ANY / 10n);
    }
    expect(wrong).toBeUndefined();
  });

  it('are computed again in every other audit', async () => {
    const clock = new FakeClock();
    const wrongs: Wrong[] = [];
    const right = new Uint8Array(32).fill(1);
    const auditor = new Auditor({
      clock,
      random: seededRandom(5),
      rehash: async () => right,
      makeRows: () => new Uint8Array(256),
      row: async () => new Uint8Array(256),
      onWrong: (wrong) => wrongs.push(wrong),
      hashes: () => 0,
      onGood: () => {},
    });
    const stop = new AbortController();
    const running = auditor.run(stop.signal);
    const table = await standInTable(SEED);
    const headerHash = new Uint8Array(32);
    const invented = { headerHash, digest: new Uint8Array(32) };
    const counts: number[] = [];
    for (let minute = 0; minute < 6; minute++) {
      const last = { headerHash, digest: right };
      const headerHashAt = (): Uint8Array => headerHash;
      const claimed = { count: 5, last, share: invented, headerHashAt, isProbe: false };
      auditor.claim({ epoch: 1, table, ...claimed });
      await clock.advance(MINUTE);
      counts.push(wrongs.length);
    }
    expect(counts).toEqual([0, 1, 1, 2, 2, 3]);
    stop.abort();
    await running;
  });
});
