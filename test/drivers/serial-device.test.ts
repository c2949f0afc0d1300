import { describe, expect, it } from 'vitest';
import type { SearchResult } from '../../drivers/driver.ts';
import { EVENTS } from '../../firmware-bridge/events.ts';
import { TYPES } from '../../firmware-bridge/messages.ts';
import {
  ANY,
  EASY,
  end,
  goodNonces,
  losingPort,
  never,
  SEED,
  SerialRig,
  type SerialRigOptions,
  workOf,
} from '../support/serial-rig.ts';
import { standInHash, standInTable } from '../support/stand-in-hasher.ts';

const OTHER_SEED = new Uint8Array(32).fill(0xb2);

/** A search of so many nonces in which something happens after a while. */
async function searchWith(
  rig: SerialRig,
  count: number,
  afterMs: number,
  happens: () => unknown,
): Promise<SearchResult> {
  const search = rig.device.search(workOf(EASY), { start: 0n, count }, never());
  search.catch(() => undefined);
  await rig.clock.advance(afterMs);
  await happens();
  return rig.run(search);
}

function whole(count: number): SearchResult {
  return { scanned: count, nonces: goodNonces(workOf(EASY), 0n, count), aborted: false };
}

/** An open board whose line loses frames of some types. */
async function losingRig(
  isLost: (type: number) => boolean,
): Promise<{ rig: SerialRig; lose: (isLost: (type: number) => boolean) => void }> {
  let loses = isLost;
  const wrap: SerialRigOptions['wrap'] = (port) => losingPort(port, (type) => loses(type));
  const rig = await SerialRig.open({ wrap });
  const lose = (next: (type: number) => boolean): void => {
    loses = next;
  };
  return { rig, lose };
}

describe('SerialDevice', () => {
  it('finds exactly the nonces that meet the target, each as soon as it is known', async () => {
    const rig = await SerialRig.open();
    const heard: bigint[] = [];
    const range = { start: 1000n, count: 40 };
    const search = rig.device.search(workOf(EASY), range, never(), (n) => heard.push(n));
    await rig.clock.advance(2000);
    expect(heard.length).toBeGreaterThan(0);
    const result = await rig.run(search);
    const nonces = goodNonces(workOf(EASY), 1000n, 40);
    expect(nonces.length).toBeGreaterThan(3);
    expect(result).toEqual({ scanned: 40, nonces, aborted: false });
    expect(heard).toEqual(nonces);
    const { hashes, found, mismatches, busyMs } = rig.device.telemetry();
    expect({ hashes, found, mismatches }).toEqual({
      hashes: 40,
      found: nonces.length,
      mismatches: 0,
    });
    expect(busyMs).toBeGreaterThanOrEqual(4000);
    expect(busyMs).toBeLessThan(4200);
    await end(rig);
  });

  it('tells an aborted search how far the board came', async () => {
    const rig = await SerialRig.open();
    const abort = new AbortController();
    const search = rig.device.search(workOf(ANY), { start: 5n, count: 2 ** 40 }, abort.signal);
    await rig.clock.advance(1050);
    abort.abort();
    const { scanned, nonces, aborted } = await rig.run(search);
    expect(aborted).toBe(true);
    // The one under way is lost.
    expect(scanned).toBe(10);
    expect(nonces).toEqual(Array.from({ length: 10 }, (_, i) => 5n + BigInt(i)));
    await end(rig);
  });

  it('ends an aborted search in time though the board does not answer', async () => {
    const rig = await SerialRig.open();
    const abort = new AbortController();
    const search = rig.device.search(workOf(ANY), { start: 0n, count: 100 }, abort.signal);
    await rig.clock.advance(1050);
    rig.board.script.silent = 'always';
    abort.abort();
    const before = rig.clock.now();
    const { scanned, aborted } = await rig.run(search);
    expect(rig.clock.now() - before).toBeLessThanOrEqual(500);
    expect(aborted).toBe(true);
    // What PROGRESS told: it comes four times a second.
    expect(scanned).toBeGreaterThanOrEqual(7);
    await end(rig);
  });

  it('goes on at once with another search after an abort, and leaves the first one behind', async () => {
    const rig = await SerialRig.open();
    const abort = new AbortController();
    const first = rig.device.search(workOf(ANY, 1), { start: 0n, count: 1000 }, abort.signal);
    await rig.clock.advance(550);
    const waiting = rig.device.search(workOf(EASY, 2), { start: 0n, count: 8 }, never());
    abort.abort();
    expect((await rig.run(first)).scanned).toBe(5);
    expect((await rig.run(waiting)).nonces).toEqual(goodNonces(workOf(EASY, 2), 0n, 8));
    await end(rig);
  });

  it('lets a search give up that waits for its turn', async () => {
    const rig = await SerialRig.open();
    const long = rig.device.search(workOf(-1n), { start: 0n, count: 50 }, never());
    const abort = new AbortController();
    const waiting = rig.device.search(workOf(ANY), { start: 0n, count: 50 }, abort.signal);
    await rig.clock.advance(500);
    abort.abort();
    await rig.clock.advance(0);
    expect(await waiting).toEqual({ scanned: 0, nonces: [], aborted: true });
    expect((await rig.run(long)).scanned).toBe(50);
    await end(rig);
  });

  it('refuses a seed that it does not hold, and keeps one only', async () => {
    const rig = await SerialRig.open();
    await rig.run(rig.device.loadSeed(OTHER_SEED, await standInTable(OTHER_SEED)));
    const search = rig.device.search(workOf(ANY), { start: 0n, count: 1 }, never());
    await expect(search).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
    await rig.run(rig.device.loadSeed(SEED, await standInTable(SEED)));
    const again = rig.device.search(workOf(ANY), { start: 0n, count: 1 }, never());
    expect((await rig.run(again)).nonces).toEqual([0n]);
    await end(rig);
  });

  it('holds no seed after a loading that was aborted', async () => {
    const rig = await SerialRig.open();
    rig.board.script.deriveMs = 60_000;
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const load = rig.device.loadSeed(OTHER_SEED, await standInTable(OTHER_SEED), abort.signal);
    load.catch(() => undefined);
    await rig.clock.advance(3000);
    abort.abort(reason);
    await expect(rig.run(load)).rejects.toBe(reason);
    for (const seed of [SEED, OTHER_SEED]) {
      const hash = rig.device.hash(seed, new Uint8Array(32), new Uint8Array(32));
      await expect(hash).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
    }
    rig.board.script.deriveMs = 10;
    await rig.run(rig.device.loadSeed(SEED, await standInTable(SEED)));
    await end(rig);
  });
});

describe('SerialDevice, when the board or its line fails', () => {
  it('tells a board again that started anew, and goes on where it was', async () => {
    const rig = await SerialRig.open();
    const result = await searchWith(rig, 30, 1000, () => rig.board.restart());
    expect(result).toEqual(whole(30));
    expect(rig.notices).toContain('the board started anew');
    // Only what was not known to be hashed is hashed again.
    expect(rig.clock.now() % 1e6).toBeLessThan(5000);
    expect(rig.device.telemetry().hashes).toBe(30);
    await end(rig);
  });

  it('notices a restart that it was not told of', async () => {
    const rig = await SerialRig.open();
    const result = await searchWith(rig, 30, 1000, async () => {
      // The FAULT is lost on the way.
      rig.board.script.silent = 'always';
      rig.board.restart();
      rig.board.script.silent = 'no';
      await rig.clock.advance(0);
    });
    expect(result).toEqual(whole(30));
    expect(rig.clock.now() % 1e6).toBeLessThan(6500);
    await end(rig);
  });

  it('tells a board again that lost its checkpoints', async () => {
    const rig = await SerialRig.open();
    const result = await searchWith(rig, 30, 1000, () => rig.board.corruptSeed());
    expect(result).toEqual(whole(30));
    expect(rig.notices).toContain('the board lost its checkpoints');
    await end(rig);
  });

  it.each([100, 300, 900, 1700, 2600])(
    'loses nothing when the line is dead for %i ms',
    async (ms) => {
      const rig = await SerialRig.open();
      const result = await searchWith(rig, 30, 700, async () => {
        rig.board.script.silent = 'always';
        await rig.clock.advance(ms);
        rig.board.script.silent = 'no';
      });
      expect(result).toEqual(whole(30));
      // 30 hashes, the dead time, and two seconds.
      expect(rig.clock.now() % 1e6).toBeLessThan(3000 + ms + 2100);
      expect(rig.openings, 'openings').toBe(1);
      await end(rig);
    },
  );

  it('resets a board that says nothing any more', async () => {
    const rig = await SerialRig.open();
    const result = await searchWith(rig, 20, 500, () => {
      rig.board.script.silent = 'until-restart';
    });
    expect(result).toEqual(whole(20));
    expect(rig.openings).toBe(1);
    await end(rig);
  });

  it('resets a board that answers and stands still', async () => {
    const rig = await SerialRig.open();
    const result = await searchWith(rig, 20, 500, () => {
      rig.board.script.stuck = 'until-restart';
    });
    expect(result).toEqual(whole(20));
    await end(rig);
  });

  it('opens the port again where there are no lines to reset by, and gives up in the end', async () => {
    const rig = await SerialRig.open({ hasResetLines: false });
    const failure = searchWith(rig, 20, 500, () => {
      rig.board.script.stuck = 'always';
    });
    await expect(failure).rejects.toMatchObject({ detail: { code: 'lost' } });
    expect(rig.openings).toBe(2);
    expect((await rig.device.lost)?.detail.code).toBe('lost');
    await end(rig);
  });

  it('gives a board up that stays silent', async () => {
    const rig = await SerialRig.open();
    const failure = searchWith(rig, 20, 500, () => {
      rig.board.script.silent = 'always';
    });
    await expect(failure).rejects.toThrow(/no answer to HELLO/);
    expect(rig.openings).toBeGreaterThan(1);
    const ms = rig.clock.now() % 1e6;
    expect(ms).toBeGreaterThan(20_000);
    expect(ms).toBeLessThan(60_000);
    await end(rig);
  });

  it('gives a board up that starts again and again', async () => {
    const rig = await SerialRig.open();
    rig.board.script.msPerHash = 1000;
    const search = rig.device.search(workOf(EASY), { start: 0n, count: 20 }, never());
    search.catch(() => undefined);
    for (let i = 0; i < 30; i++) {
      await rig.clock.advance(400);
      rig.board.restart();
    }
    await expect(search).rejects.toMatchObject({ detail: { code: 'lost' } });
    await end(rig);
  });

  it('is lost at once when its port is gone', async () => {
    const rig = await SerialRig.open();
    const search = rig.device.search(workOf(EASY), { start: 0n, count: 20 }, never());
    search.catch(() => undefined);
    await rig.clock.advance(500);
    rig.board.unplug();
    await rig.clock.advance(0);
    expect(await rig.device.lost).toMatchObject({ detail: { code: 'lost' } });
    await expect(search).rejects.toThrow('device lost: simulated: gone: unplugged');
    await end(rig);
  });

  it.each(['NO_SEED', 'WRONG_EPOCH', 'FAULT', 'BUSY'] as const)(
    'gets over a job refused with %s',
    async (nak) => {
      const rig = await SerialRig.open();
      rig.board.script.refusals.set('JOB', { nak, detail: 50, times: 2 });
      const result = await searchWith(rig, 10, 0, () => undefined);
      expect(result).toEqual(whole(10));
      await end(rig);
    },
  );

  it('does not go on with a board that refuses its jobs as such', async () => {
    const rig = await SerialRig.open();
    rig.board.script.refusals.set('JOB', { nak: 'RANGE', detail: 6, times: 1e9 });
    const search = searchWith(rig, 10, 0, () => undefined);
    await expect(search).rejects.toThrow('the board refused JOB: RANGE (6)');
    await end(rig);
  });

  it('ends its work when it is closed, and the board its job', async () => {
    const rig = await SerialRig.open();
    const search = rig.device.search(workOf(EASY), { start: 0n, count: 20 }, never());
    const failed = expect(search).rejects.toThrow('device lost: it was closed');
    await rig.clock.advance(500);
    await rig.run(rig.device.close());
    await failed;
    const { hashes } = rig.board;
    await rig.clock.advance(1000);
    expect(rig.board.hashes).toBe(hashes);
    await end(rig);
  });

  it('closes in time though the board does not answer', async () => {
    const rig = await SerialRig.open();
    rig.board.script.silent = 'always';
    const before = rig.clock.now();
    await end(rig);
    expect(rig.clock.now() - before).toBeLessThanOrEqual(300);
  });

  it('makes a hash anew whose end got lost', async () => {
    let lost = 0;
    const { rig } = await losingRig((type) => type === EVENTS.DONE && lost++ === 0);
    const out = new Uint8Array(32);
    const hash = rig.device.hash(SEED, new Uint8Array(32).fill(4), out);
    await rig.run(hash, 5000);
    expect(out).toEqual(standInHash(SEED, new Uint8Array(32).fill(4)));
    expect(lost).toBe(2);
    await end(rig);
  });

  it('gives a board up whose shares always get lost', async () => {
    const { rig } = await losingRig((type) => type === EVENTS.SHARE);
    const search = rig.device.search(workOf(ANY), { start: 0n, count: 20 }, never());
    await expect(rig.run(search)).rejects.toMatchObject({ detail: { code: 'lost' } });
    expect(rig.notices[0]).toBe('shares got lost of 3 jobs in a row');
    expect(rig.device.telemetry().mismatches).toBe(0);
    await end(rig);
  });

  it('gets over shares that get lost for a while', async () => {
    const { rig, lose } = await losingRig(() => false);
    await rig.run(rig.device.search(workOf(ANY), { start: 0n, count: 5 }, never()));
    lose((type) => type === EVENTS.SHARE);
    const result = await searchWith(rig, 20, 1000, () => lose(() => false));
    expect(result).toEqual(whole(20));
    await end(rig);
  });

  it.each([
    ['before the board heard of it', TYPES.JOB],
    ['before its answer came', TYPES.JOB | 0x80],
  ])('ends a job on the board that is aborted %s', async (_when, type) => {
    const { rig, lose } = await losingRig(() => false);
    await rig.run(rig.device.search(workOf(-1n), { start: 0n, count: 2 }, never()));
    lose((each) => each === type);
    const abort = new AbortController();
    const search = rig.device.search(workOf(-1n), { start: 0n, count: 1e6 }, abort.signal);
    await rig.clock.advance(150);
    const before = rig.clock.now();
    abort.abort();
    expect((await rig.run(search)).aborted).toBe(true);
    expect(rig.clock.now() - before).toBeLessThanOrEqual(500);
    const { hashes } = rig.board;
    await rig.clock.advance(5000);
    expect(rig.board.hashes, 'hashes for nobody').toBe(hashes);
    await end(rig);
  });

  it('keeps the newest notices for a listener that comes late', async () => {
    const rig = await SerialRig.open({ isUnheard: true });
    for (let i = 0; i < 25; i++) {
      rig.board.restart();
      await rig.clock.advance(1000);
      // Hashes, so that it does not count as one that only restarts.
      await rig.run(rig.device.search(workOf(-1n), { start: 0n, count: 2 }, never()));
    }
    const heard: string[] = [];
    rig.device.onNotice((text) => heard.push(text));
    expect(heard).toHaveLength(20);
    rig.board.restart();
    await rig.clock.advance(100);
    expect(heard).toHaveLength(21);
    await end(rig);
  });
});
