/** Rows that a test asks a board for: what it refuses, and for how long they are waited for. */
import { describe, expect, it } from 'vitest';
import { end, SEED, SerialRig } from '../support/serial-rig.ts';
import { standInRows } from '../support/simulated-rig.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

describe('rows of a SerialDevice', () => {
  const ROW = new Uint8Array(32).fill(9);

  it('come in pieces that fit a frame, and are the whole', async () => {
    const rig = await SerialRig.open();
    const headerHash = new Uint8Array(32).fill(9);
    const rows = await rig.run(rig.device.rows(SEED, headerHash, 250, 6));
    expect(rows).toHaveLength(6 * 256);
    for (const [i, row] of [250, 255].entries()) {
      const one = await rig.run(rig.device.rows(SEED, headerHash, row, 1));
      expect(one, `row ${row}`).toEqual(rows.subarray(i * 5 * 256, i * 5 * 256 + 256));
    }
    await expect(rig.device.rows(SEED, headerHash, 255, 2)).rejects.toBeInstanceOf(RangeError);
    await end(rig);
  });

  it.each(['HOT', 'BUSY', 'NO_SEED', 'WRONG_EPOCH', 'FAULT'] as const)(
    'come from a board that refuses them with %s at first',
    async (nak) => {
      const rig = await SerialRig.open();
      rig.board.script.refusals.set('ROWS', { nak, detail: 0, times: 3 });
      const rows = await rig.run(rig.device.rows(SEED, ROW, 3, 2), 20_000);
      expect(rows).toEqual(standInRows(ROW, await standInTable(SEED), 3, 2));
      await end(rig);
    },
  );

  it.each([
    ['RANGE', 0],
    ['BUSY', 30_000],
    ['NO_SEED', 5000],
  ] as const)('do not come from one that only says %s, which is told', async (nak, mostMs) => {
    const rig = await SerialRig.open();
    rig.board.script.refusals.set('ROWS', { nak, detail: 0, times: 1e9 });
    const before = rig.clock.now();
    const rows = rig.device.rows(SEED, ROW, 3, 2);
    await expect(rig.run(rows)).rejects.toThrow(`device lost: the board refused ROWS: ${nak}`);
    expect(rig.clock.now() - before).toBeLessThanOrEqual(mostMs + 100);
    await end(rig);
  });

  it('wait for a hot board until they are not wanted any more', async () => {
    const rig = await SerialRig.open();
    rig.board.script.refusals.set('ROWS', { nak: 'HOT', detail: 900, times: 1e9 });
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const rows = rig.device.rows(SEED, ROW, 3, 2, abort.signal);
    rows.catch(() => undefined);
    await rig.clock.advance(150_000);
    expect(rig.notices).toEqual([
      'the board refuses work as too hot, for 1 min now',
      'the board refuses work as too hot, for 2 min now',
    ]);
    abort.abort(reason);
    await expect(rig.run(rows)).rejects.toBe(reason);
    await end(rig);
  });
});
