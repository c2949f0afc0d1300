/**
 * Devices that take longer for a hash than the miner waits for a sign of life, and that do not hang: serial
 * boards that are slow, throttled, or too hot to work; and one that does.
 */
import { describe, expect, it } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import type { DeviceDoor } from '../../drivers/open.ts';
import { Scheduler } from '../../miner/scheduler.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { EASY, makeJob, Rig } from '../support/rig.ts';
import { SEED, SerialRig } from '../support/serial-rig.ts';

const HUNG_MS = 20_000;

interface Run {
  readonly board: SerialRig;
  readonly rig: Rig;
  readonly openings: () => number;
  readonly hashes: () => number;
  readonly stop: () => Promise<void>;
}

/** A miner that gives a device up after 20 s without a sign of life, with a simulated board. */
async function start(set: (board: SerialRig) => void): Promise<Run> {
  const board = await SerialRig.open();
  set(board);
  const rig = new Rig();
  let openings = 0;
  const never = createDeferred<Device>();
  const scheduler = new Scheduler(
    { devices: ['serial:sim'], hungMs: HUNG_MS, watchdogMs: HUNG_MS / 2 },
    {
      ...rig.parts,
      clock: board.clock,
      door: {
        open: async () => (openings++ === 0 ? board.device : never.promise),
        test: async () => {},
      },
    },
  );
  const abort = new AbortController();
  const ended = scheduler.run(abort.signal);
  scheduler.job(makeJob({ seed: SEED, target: EASY }));
  await board.clock.advance(0);
  return {
    board,
    rig,
    openings: () => openings,
    hashes: () => scheduler.reports[0]!.hashes,
    stop: async () => {
      abort.abort();
      await board.clock.advance(3000);
      await ended;
      board.board.close();
    },
  };
}

describe('a miner, with a board', () => {
  it('lets it take long for a hash', async () => {
    const run = await start(({ board }) => {
      board.script.msPerHash = 50_000;
    });
    await run.board.clock.advance(52_000);
    expect(run.hashes()).toBe(1);
    expect(run.rig.log.of('no hashes')).toEqual([]);
    expect(run.rig.log.of('device failed')).toEqual([]);
    await run.stop();
  });

  it('lets it wait until it is cool', async () => {
    const run = await start(({ board }) => {
      board.script.msPerHash = 5000;
      board.script.temperatureC = 90;
    });
    await run.board.clock.advance(3 * HUNG_MS);
    expect(run.rig.log.of('notice')).toEqual([
      'serial:sim: too hot: 90 °C, the limit is 85; no work until 70 °C',
    ]);
    expect(run.rig.log.of('device failed')).toEqual([]);
    run.board.board.script.temperatureC = 60;
    await run.board.clock.advance(20_000);
    expect(run.hashes()).toBeGreaterThan(0);
    expect(run.openings()).toBe(1);
    await run.stop();
  });

  it('lets it work at a twentieth of its time', async () => {
    const run = await start(({ board }) => {
      board.script.msPerHash = 4000;
      board.script.temperatureC = 80;
    });
    await run.board.clock.advance(150_000);
    expect(run.hashes()).toBeGreaterThan(1);
    expect(run.rig.log.of('device failed')).toEqual([]);
    await run.stop();
  });

  it('lets it derive a seed for long', async () => {
    const run = await start(({ board }) => {
      board.script.deriveMs = 45_000;
      board.corruptSeed();
    });
    await run.board.clock.advance(48_000);
    expect(run.rig.log.of('device failed')).toEqual([]);
    expect(run.hashes()).toBeGreaterThan(0);
    await run.stop();
  });
});

describe('a miner, with a device that tells when it was last seen to go on', () => {
  it.each([
    [() => 0, 0],
    // It was once, and is not any more.
    [(ms: number) => Math.max(0, ms - 15_000), 1],
  ])('believes it', async (silentAfter, failures) => {
    const rig = new Rig();
    const { door } = rig;
    const began = rig.clock.now();
    const open: DeviceDoor['open'] = async (id, signal) => {
      const device = await door.open(id, signal);
      const telemetry = device.telemetry.bind(device);
      device.telemetry = () => ({
        ...telemetry(),
        silentMs: silentAfter(rig.clock.now() - began),
      });
      return device;
    };
    rig.control(0).script.msPerHash = 1e9;
    const scheduler = new Scheduler(
      { devices: rig.devices, hungMs: HUNG_MS },
      { ...rig.parts, door: { ...door, open } },
    );
    const abort = new AbortController();
    const ended = scheduler.run(abort.signal);
    scheduler.job(makeJob({ target: EASY }));
    await rig.clock.advance(33_000);
    expect(rig.log.of('device failed')).toEqual([]);
    await rig.clock.advance(5000);
    expect(rig.log.of('device failed')).toHaveLength(failures);
    abort.abort();
    await rig.clock.advance(3000);
    await ended;
  });
});
