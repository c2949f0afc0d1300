/** What a board is believed, and what not: audits, lies, lost messages, quarantine. */
import { describe, expect, it } from 'vitest';
import type { SearchResult } from '../../drivers/driver.ts';
import { EVENTS } from '../../firmware-bridge/events.ts';
import type { SimulatedLie } from '../../firmware-bridge/sim/script.ts';
import {
  ANY,
  codeOf,
  EASY,
  end,
  goodNonces,
  losingPort,
  mine,
  never,
  SEED,
  SerialRig,
  workOf,
} from '../support/serial-rig.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

const MINUTE = 60_000;

describe('audits of a board', () => {
  it('check the first hash that it claims, and each minute one more and a row', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 2000;
    await mine(rig, 3000);
    expect(rig.rehashes).toBe(1);
    await mine(rig, 3 * MINUTE);
    expect(rig.rehashes).toBe(4);
    expect(rig.rowsMade).toBe(3);
    expect(rig.device.telemetry().mismatches).toBe(0);
    expect(rig.notices).toEqual([]);
    await end(rig);
  });

  it('need nothing of a board that does nothing', async () => {
    const rig = await SerialRig.open();
    await rig.clock.advance(10 * MINUTE);
    expect(rig.rehashes).toBe(0);
    expect(rig.rowsMade).toBe(0);
    await end(rig);
  });

  it('let a job go on while its row is computed', async () => {
    const rig = await SerialRig.open();
    Object.assign(rig.board.script, { msPerHash: 20_000, msPerRow: 1500 });
    const result = (await mine(rig, 2 * MINUTE)) as SearchResult;
    // Two rows cost three seconds, and no hash is begun anew.
    expect(result.scanned).toBe(5);
    expect(rig.rowsMade).toBe(1);
    expect(rig.device.telemetry().mismatches).toBe(0);
    await end(rig);
  });

  it.each([
    ['rows', /expected \d+ at 0 of row \d+, got \d+/],
    ['digests', /expected [0-9a-f]{64}, got [0-9a-f]{64}/],
  ] as const)('find a board out that lies about its %s', async (lie, text) => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    await mine(rig, 3000, -1n);
    rig.board.script.lies.add(lie as SimulatedLie);
    const end_ = await mine(rig, 3 * MINUTE + 1000, -1n);
    expect(codeOf(end_)).toBe('self-test');
    expect((end_ as Error).message).toMatch(text);
    expect(rig.notices.filter((notice) => text.test(notice))).toHaveLength(3);
    const { mismatches, hashes } = rig.device.telemetry();
    expect(mismatches).toBe(3);
    // No audit went well.
    expect(hashes).toBe(0);
    for (const call of [
      rig.device.search(workOf(ANY), { start: 0n, count: 1 }, never()),
      rig.device.hash(SEED, new Uint8Array(32), new Uint8Array(32)),
      rig.device.loadSeed(SEED, await standInTable(SEED)),
    ]) {
      await expect(call).rejects.toMatchObject({ detail: { code: 'self-test' } });
    }
    await end(rig);
    expect(await rig.device.lost).toBeUndefined();
  });

  it('have one look at a board whose first hash is wrong', async () => {
    const rig = await SerialRig.open();
    rig.board.script.lies.add('digests');
    expect(codeOf(await mine(rig, 1000, -1n))).toBe('self-test');
    expect(rig.device.telemetry()).toMatchObject({ hashes: 0, mismatches: 1 });
    await end(rig);
  });

  it('do the same for the first hash that was asked for alone', async () => {
    const rig = await SerialRig.open();
    rig.board.script.lies.add('digests');
    const first = rig.device.hash(SEED, new Uint8Array(32), new Uint8Array(32));
    // Its check may be faster than the end of its job.
    await rig.run(first.catch(() => undefined));
    await rig.clock.advance(0);
    const again = rig.device.hash(SEED, new Uint8Array(32), new Uint8Array(32));
    await expect(again).rejects.toMatchObject({ detail: { code: 'self-test' } });
    await end(rig);
  });

  it('check hashes at once until the host could check one', async () => {
    const rig = await SerialRig.open();
    rig.rehashError = new Error('out of memory');
    rig.board.script.msPerHash = 1000;
    await mine(rig, 4500, -1n);
    expect(rig.rehashes).toBe(4);
    rig.rehashError = undefined;
    rig.board.script.lies.add('digests');
    expect(codeOf(await mine(rig, 2000, -1n))).toBe('self-test');
    expect(rig.device.telemetry().mismatches).toBe(1);
    await end(rig);
  });

  it('count the hashes before the last audit that went well', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    await mine(rig, MINUTE + 500, -1n);
    // Another audit has nothing left but the last of them.
    await rig.clock.advance(MINUTE);
    const { hashes } = rig.device.telemetry();
    rig.board.script.lies.add('digests');
    expect(codeOf(await mine(rig, 4 * MINUTE, -1n))).toBe('self-test');
    expect(hashes).toBeGreaterThanOrEqual(59);
    expect(rig.device.telemetry().hashes).toBe(hashes);
    await end(rig);
  });

  it('forgive two mistakes in ten minutes', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 5000;
    for (let i = 0; i < 4; i++) {
      rig.board.script.lies.add('rows');
      await mine(rig, MINUTE, -1n);
      rig.board.script.lies.clear();
      await mine(rig, 5 * MINUTE, -1n);
    }
    expect(rig.device.telemetry().mismatches).toBe(4);
    const result = (await mine(rig, MINUTE, -1n)) as SearchResult;
    expect(result.aborted).toBe(true);
    await end(rig);
  });

  it.each(['BUSY', 'RANGE', 'FAULT'] as const)(
    'find a board out that refuses its rows with %s',
    async (nak) => {
      const rig = await SerialRig.open();
      rig.board.script.msPerHash = 1000;
      rig.board.script.refusals.set('ROWS', { nak, detail: 0, times: 1e9 });
      expect(codeOf(await mine(rig, 10 * MINUTE, -1n))).toBe('self-test');
      expect(rig.notices.at(-1)).toContain(`wrong: expected a row to audit, got`);
      await end(rig);
    },
  );

  it('find a board out whose rows never come', async () => {
    const rig = await SerialRig.open({
      wrap: (port) => losingPort(port, (type) => type === EVENTS.ROWDATA),
    });
    rig.board.script.msPerHash = 1000;
    expect(codeOf(await mine(rig, 11 * MINUTE, -1n))).toBe('self-test');
    await end(rig);
  });

  it.each(['HOT', 'WRONG_EPOCH', 'NO_SEED'] as const)(
    'do without the rows that a board refuses with %s',
    async (nak) => {
      const rig = await SerialRig.open();
      rig.board.script.msPerHash = 1000;
      rig.board.script.refusals.set('ROWS', { nak, detail: 0, times: 1e9 });
      const result = (await mine(rig, 10 * MINUTE, -1n)) as SearchResult;
      expect(result.aborted).toBe(true);
      expect(rig.device.telemetry().mismatches).toBe(0);
      expect(rig.rehashes).toBeGreaterThanOrEqual(10);
      await end(rig);
    },
  );

  it('do without the rows of an older seed', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    for (let i = 0; i < 10; i++) {
      await mine(rig, 50_000, -1n);
      const other = new Uint8Array(32).fill(i);
      await rig.run(rig.device.loadSeed(other, await standInTable(other)));
      // An audit falls between the two seeds.
      await rig.clock.advance(10_000);
      await rig.run(rig.device.loadSeed(SEED, await standInTable(SEED)));
    }
    expect(rig.device.telemetry().mismatches).toBe(0);
    await end(rig);
  });

  it('do without the rows of a board that is cut off by its heat', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    const search = rig.device.search(workOf(-1n), { start: 0n, count: 150 }, never());
    for (let i = 0; i < 6; i++) {
      await rig.clock.advance(20_000);
      rig.board.script.temperatureC = 96;
      await rig.clock.advance(50_000);
      rig.board.script.temperatureC = 40;
    }
    expect((await rig.run(search)).scanned).toBe(150);
    expect(rig.device.telemetry().mismatches).toBe(0);
    await end(rig);
  });
});

describe('a share of a board', () => {
  it('is computed again now and then, though its hash meets the target', async () => {
    const rig = await SerialRig.open();
    await mine(rig, 1000);
    // The first audit takes all that is right.
    await rig.clock.advance(MINUTE);
    rig.board.script.lies.add('digests');
    const heard: bigint[] = [];
    // Digests differ in one bit of the lowest byte: right as to the target, wrong as to the hash.
    const search = rig.device.search(workOf(EASY), { start: 0n, count: 8 }, never(), (n) =>
      heard.push(n),
    );
    expect((await rig.run(search)).nonces).toEqual(goodNonces(workOf(EASY), 0n, 8));
    await rig.clock.advance(MINUTE);
    expect(rig.device.telemetry().mismatches).toBe(1);
    await end(rig);
  });

  it('is a mistake if the board invents it', async () => {
    const rig = await SerialRig.open();
    await mine(rig, 1000);
    rig.board.script.lies.add('nonce');
    const work = workOf(1n << 200n);
    // All zeros: it meets every target, but the hash in DONE says otherwise.
    const search = rig.device.search(work, { start: 0n, count: 1 }, never());
    await rig.run(search.catch((error: unknown) => error));
    expect(rig.device.telemetry().mismatches).toBeGreaterThan(0);
    await end(rig);
  });

  it('has to come of the very first hash, whatever the target', async () => {
    const rig = await SerialRig.open();
    rig.board.script.lies.add('no-shares');
    expect(codeOf(await mine(rig, 1000, -1n))).toBe('self-test');
    expect(rig.notices.at(-1)).toContain('expected a share for a hash that meets the target');
    await end(rig);
  });
});

describe('a seed of a board', () => {
  it('is refused if its checkpoints are wrong', async () => {
    const rig = await SerialRig.open();
    rig.board.script.lies.add('crc');
    const other = new Uint8Array(32).fill(3);
    const load = rig.device.loadSeed(other, await standInTable(other));
    await expect(rig.run(load)).rejects.toMatchObject({ detail: { code: 'self-test' } });
    expect(rig.device.telemetry().mismatches).toBe(1);
    await end(rig);
  });

  it('is sent with its checkpoints to a board that cannot derive them', async () => {
    const rig = await SerialRig.open();
    rig.board.script.derives = false;
    const other = new Uint8Array(32).fill(3);
    await rig.run(rig.device.loadSeed(other, await standInTable(other)));
    const work = { ...workOf(EASY), seed: other };
    const search = rig.device.search(work, { start: 0n, count: 12 }, never());
    expect((await rig.run(search)).nonces).toEqual(goodNonces(work, 0n, 12));
    await end(rig);
  });
});

describe('the temperature of a board', () => {
  it('is told, and halves the duty above the soft limit', async () => {
    const rig = await SerialRig.open();
    await mine(rig, 2000);
    expect(rig.device.telemetry().temperatureC).toBe(40);
    rig.board.script.temperatureC = 80;
    await mine(rig, 2000);
    expect(rig.notices).toEqual(['warm: 80 °C, above 75; duty 50 %']);
    await mine(rig, 10_000);
    expect(rig.notices.at(-1)).toBe('warm: 80 °C, above 75; duty 25 %');
    rig.board.script.temperatureC = 72;
    await mine(rig, 30_000);
    expect(rig.notices).toHaveLength(2);
    rig.board.script.temperatureC = 69;
    await mine(rig, 2000);
    expect(rig.notices.at(-1)).toBe('cool again: 69 °C, duty 100 %');
    await end(rig);
  });

  it('ends its work at the hard limit, until it is cool again', async () => {
    const rig = await SerialRig.open();
    const search = rig.device.search(workOf(EASY), { start: 0n, count: 40 }, never());
    await rig.clock.advance(1000);
    rig.board.script.temperatureC = 90;
    await rig.clock.advance(3000);
    const { hashes } = rig.board;
    expect(hashes).toBeLessThan(25);
    await rig.clock.advance(60_000);
    expect(rig.board.hashes).toBe(hashes);
    expect(rig.notices).toContain('too hot: 90 °C, the limit is 85; no work until 70 °C');
    rig.board.script.temperatureC = 60;
    expect(await rig.run(search)).toEqual({
      scanned: 40,
      nonces: goodNonces(workOf(EASY), 0n, 40),
      aborted: false,
    });
    await end(rig);
  });

  it('is nothing without a sensor', async () => {
    const rig = await SerialRig.open({ hasSensor: false });
    await mine(rig, 5000);
    expect(rig.device.telemetry()).not.toHaveProperty('temperatureC');
    expect(rig.device.telemetry().coreMhz).toBe(400);
    await end(rig);
  });
});
