/** How a loop waits for a device that its driver will see come back. */
import { describe, expect, it } from 'vitest';
import { DriverError } from '../../drivers/driver.ts';
import type { DeviceDoor } from '../../drivers/open.ts';
import { Scheduler } from '../../miner/scheduler.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { settle } from '../support/fake-clock.ts';
import { EASY, makeJob, Rig } from '../support/rig.ts';

interface Run {
  readonly rig: Rig;
  readonly scheduler: Scheduler;
  /** When the device was tried, in ms since the start. */
  readonly tries: number[];
  /** The device is there again. */
  readonly plug: () => void;
  readonly unplug: () => void;
  readonly stop: () => Promise<void>;
}

/** A device that can be unplugged, and a door that tells of its return or does not. */
async function start(canTell: boolean): Promise<Run> {
  const rig = new Rig();
  const { parts, door: inner } = rig;
  const began = rig.clock.now();
  const tries: number[] = [];
  let isThere = true;
  let back = createDeferred<void>();
  const door: DeviceDoor = {
    ...inner,
    open: async (id, signal) => {
      tries.push(rig.clock.now() - began);
      if (!isThere) throw new DriverError({ code: 'not-found', id });
      return inner.open(id, signal);
    },
    returns: (_id, signal) => {
      if (!canTell) return undefined;
      const aborted = createDeferred<void>();
      signal.addEventListener('abort', () => aborted.resolve());
      return Promise.race([back.promise, aborted.promise]);
    },
  };
  const scheduler = new Scheduler({ devices: rig.devices }, { ...parts, door });
  const abort = new AbortController();
  const ended = scheduler.run(abort.signal);
  scheduler.job(makeJob({ target: EASY }));
  await settle();
  return {
    rig,
    scheduler,
    tries,
    plug: () => {
      isThere = true;
      back.resolve();
    },
    unplug: () => {
      isThere = false;
      back = createDeferred();
      rig.control(0).vanish('unplugged');
    },
    stop: async () => {
      abort.abort();
      await rig.clock.advance(3000);
      await ended;
      expect(rig.clock.sleeping).toBe(0);
    },
  };
}

describe('DeviceLoop, when the device is unplugged', () => {
  it('does not try it until it is back, and then at once', async () => {
    const run = await start(true);
    await run.rig.clock.advance(5000);
    run.unplug();
    await run.rig.clock.advance(100_000);
    // One try finds out that there is nothing to try.
    expect(run.tries).toHaveLength(2);
    expect(run.rig.log.of('waiting for the device')).toEqual([
      'mock0: waiting for it to come back',
    ]);
    expect(run.scheduler.reports[0]?.state).toBe('failed');
    const before = run.scheduler.reports[0]?.hashes ?? 0;
    run.plug();
    await run.rig.clock.advance(1000);
    expect(run.tries).toHaveLength(3);
    expect(run.tries[2]).toBe(105_000);
    expect(run.scheduler.reports[0]?.hashes).toBeGreaterThan(before);
    await run.stop();
  });

  it('still looks for it now and then, should its return be missed', async () => {
    const run = await start(true);
    await run.rig.clock.advance(1000);
    run.unplug();
    await run.rig.clock.advance(610_000);
    expect(run.tries).toHaveLength(4);
    await run.stop();
  });

  it('tries it with growing pauses where its driver cannot tell', async () => {
    const run = await start(false);
    await run.rig.clock.advance(1000);
    run.unplug();
    await run.rig.clock.advance(40_000);
    // 1, 2, 4, 8 and 16 s after each other.
    expect(run.tries.map((ms) => Math.round(ms / 1000))).toEqual([0, 2, 4, 8, 16, 32]);
    await run.stop();
  });

  it('ends while it waits', async () => {
    const run = await start(true);
    run.unplug();
    await run.rig.clock.advance(10_000);
    await run.stop();
  });
});

describe('DeviceLoop, when the device was found wrong', () => {
  it('leaves it alone for minutes, however long it seemed right, and though it is there', async () => {
    const rig = new Rig();
    const opened: number[] = [];
    const { door } = rig;
    const began = rig.clock.now();
    const scheduler = new Scheduler(
      { devices: rig.devices },
      {
        ...rig.parts,
        door: {
          ...door,
          open: async (id, signal) => {
            opened.push(rig.clock.now() - began);
            const device = await door.open(id, signal);
            const lieAt = rig.clock.now() + 90_000;
            const search = device.search.bind(device);
            device.search = async (...call) => {
              if (rig.clock.now() < lieAt) return search(...call);
              throw new DriverError({ code: 'self-test', expected: '00', actual: '01' });
            };
            return device;
          },
          // As a driver does whose board is plugged in again by itself.
          returns: async () => {},
        },
      },
    );
    rig.control(0).script.msPerHash = 2500;
    const abort = new AbortController();
    const ended = scheduler.run(abort.signal);
    scheduler.job(makeJob());
    await rig.clock.advance(900_000);
    expect(opened.length).toBeGreaterThanOrEqual(3);
    for (const [i, at] of opened.entries()) {
      if (i > 0) expect(at - opened[i - 1]!).toBeGreaterThanOrEqual(270_000);
    }
    abort.abort();
    await rig.clock.advance(3000);
    await ended;
  });
});

describe('DeviceLoop', () => {
  it('passes on what a device has to say', async () => {
    const rig = new Rig();
    const { door } = rig;
    let say = (_text: string): void => {};
    const open: DeviceDoor['open'] = async (id, signal) => {
      const device = await door.open(id, signal);
      device.onNotice = (listener) => {
        say = listener;
      };
      return device;
    };
    const scheduler = new Scheduler(
      { devices: rig.devices },
      { ...rig.parts, door: { ...door, open } },
    );
    const abort = new AbortController();
    const ended = scheduler.run(abort.signal);
    await settle();
    say('warm: 80 °C');
    expect(rig.log.of('notice')).toEqual(['mock0: warm: 80 °C']);
    abort.abort();
    await rig.clock.advance(3000);
    await ended;
  });
});
