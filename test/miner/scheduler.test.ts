import { describe, expect, it } from 'vitest';
import { type Device, DriverError } from '../../drivers/driver.ts';
import { Scheduler, type SchedulerOptions, type SchedulerParts } from '../../miner/scheduler.ts';
import { headerHash } from '../../src/chain/header.ts';
import { settle } from '../support/fake-clock.ts';
import { ANY, BATCH, BATCH_MS, EASY, goodNonces, makeJob, Rig } from '../support/rig.ts';
import { standInHash } from '../support/stand-in-hasher.ts';

interface Run {
  readonly rig: Rig;
  readonly scheduler: Scheduler;
  /** Stops and lets up to three seconds pass; true if the scheduler ended. */
  readonly stop: () => Promise<boolean>;
  readonly ended: Promise<DriverError | undefined>;
}

async function start(
  rig: Rig,
  options: Omit<SchedulerOptions, 'devices'> = {},
  parts: SchedulerParts = rig.parts,
): Promise<Run> {
  const scheduler = new Scheduler({ devices: rig.devices, ...options }, parts);
  const abort = new AbortController();
  const ended = scheduler.run(abort.signal);
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  const stop = async (): Promise<boolean> => {
    abort.abort();
    await rig.clock.advance(2000);
    return isOver;
  };
  await settle();
  return { rig, scheduler, stop, ended };
}

/** The parts of a rig whose devices are tampered with as they are opened. */
function withDevice(rig: Rig, tamper: (device: Device) => void): SchedulerParts {
  const { door } = rig;
  const open = async (id: string, signal: AbortSignal): Promise<Device> => {
    const device = await door.open(id, signal);
    tamper(device);
    return device;
  };
  return { ...rig.parts, door: { ...door, open } };
}

function hashes(run: Run, index = 0): number {
  return run.scheduler.reports[index]?.hashes ?? 0;
}

describe('Scheduler, hashing', () => {
  it('tries every nonce once on all devices together, and sends each good one once', async () => {
    const run = await start(new Rig(3));
    const job = makeJob({ target: EASY, nonceStart: 1000n, nonceEnd: 1240n });
    run.scheduler.job(job);
    await run.rig.clock.advance(5000);
    expect(run.rig.nonces).toEqual(goodNonces(job, 240));
    expect(run.scheduler.reports.map((r) => r.hashes).reduce((a, b) => a + b)).toBe(240);
    for (const share of run.rig.submitted) {
      const hash = headerHash({ ...job.header, nonce: share.nonce });
      expect(share.headerHash).toEqual(hash);
      expect(share.powHash).toEqual(standInHash(job.seed, hash));
      expect(share.job).toBe(job);
    }
    expect(run.scheduler.totals).toMatchObject({
      accepted: run.rig.submitted.length,
      hardwareErrors: 0,
      stale: 0,
    });
    expect(await run.stop()).toBe(true);
  });

  it('sends a share while its range is still being searched', async () => {
    const run = await start(new Rig());
    // The fifth range is long: 4, 16, 64, 200 nonces come before it.
    run.scheduler.job(makeJob({ target: EASY }));
    await run.rig.clock.advance(20_000);
    const before = run.rig.submitted.length;
    await run.rig.clock.advance(3000);
    expect(run.rig.submitted.length).toBeGreaterThan(before);
    await run.stop();
  });

  it('says once that the nonces are exhausted, and goes on with the next job', async () => {
    const run = await start(new Rig(2));
    run.scheduler.job(makeJob({ nonceEnd: 10n }));
    await run.rig.clock.advance(3000);
    expect(run.rig.log.of('nonces exhausted')).toEqual([
      'miner: all 10 nonces of job job100 are tried; waiting for another',
    ]);
    expect(hashes(run, 0) + hashes(run, 1)).toBe(10);
    run.scheduler.job(makeJob({ height: 101, nonceEnd: 20n }));
    await run.rig.clock.advance(3000);
    expect(hashes(run, 0) + hashes(run, 1)).toBe(30);
    await run.stop();
  });

  it('loads a new seed on every device, also back and forth', async () => {
    const run = await start(new Rig(2));
    for (const [round, fill] of [1, 2, 1].entries()) {
      const seed = new Uint8Array(32).fill(fill);
      const job = makeJob({ height: 100 + round, seed, target: EASY, nonceEnd: 40n });
      const before = run.rig.submitted.length;
      run.scheduler.job(job);
      await run.rig.clock.advance(3000);
      const sent = run.rig.submitted.slice(before).map((share) => share.nonce);
      expect(
        sent.sort((a, b) => Number(a - b)),
        `seed ${fill}`,
      ).toEqual(goodNonces(job, 40));
    }
    await run.stop();
  });

  it('keeps a device waiting whose nonces nobody can check in time', async () => {
    const rig = new Rig();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    rig.holdCheck = () => held;
    const run = await start(rig);
    run.scheduler.job(makeJob({ target: ANY }));
    await rig.clock.advance(60_000);
    expect(run.scheduler.reports[0]!.state).toBe('waiting');
    const before = hashes(run);
    expect(before).toBeLessThan(150);
    release();
    await rig.clock.advance(10_000);
    expect(hashes(run)).toBeGreaterThan(before);
    await run.stop();
  });

  it('lets a device go on that waits for checks when they fail', async () => {
    const rig = new Rig();
    let fail = (): void => {};
    const held = new Promise<void>((_, reject) => {
      fail = () => reject(new RangeError('no memory'));
    });
    rig.holdCheck = () => held;
    const run = await start(rig);
    run.scheduler.job(makeJob({ target: ANY }));
    await rig.clock.advance(60_000);
    expect(run.scheduler.reports[0]!.state).toBe('waiting');
    const before = hashes(run);
    fail();
    await rig.clock.advance(10_000);
    expect(rig.log.of('share lost').length).toBeGreaterThan(60);
    expect(hashes(run)).toBeGreaterThan(before);
    await run.stop();
  });

  it('cuts a search short that finds more than anybody can check', async () => {
    const rig = new Rig();
    rig.holdCheck = () => new Promise(() => {});
    // Found at once, and the range is as long as it gets.
    const run = await start(rig, { rangeMs: 100_000 });
    run.scheduler.job(makeJob());
    await rig.clock.advance(60_000);
    run.scheduler.job(makeJob({ height: 101, target: ANY }));
    await settle();
    const before = hashes(run);
    await rig.clock.advance(60_000);
    expect(run.scheduler.reports[0]!.state).toBe('waiting');
    expect(hashes(run) - before).toBeLessThan(64 + 3 * BATCH);
    await run.stop();
  });

  it('loads a seed again that the device had to drop, but only once', async () => {
    const rig = new Rig();
    let evicted = 0;
    const run = await start(
      rig,
      {},
      withDevice(rig, (device) => {
        const search = device.search.bind(device);
        device.search = async (work, ...rest) => {
          if (evicted-- > 0) throw new DriverError({ code: 'seed-not-loaded', seed: '05' });
          return search(work, ...rest);
        };
      }),
    );
    const job = makeJob({ target: EASY, nonceEnd: 120n });
    run.scheduler.job(job);
    await rig.clock.advance(150);
    evicted = 1;
    await rig.clock.advance(8000);
    expect(rig.log.of('seed loaded')).toHaveLength(2);
    expect(rig.nonces).toEqual(goodNonces(job, 120));
    expect(rig.log.of('device failed')).toEqual([]);

    evicted = 2;
    run.scheduler.job(makeJob({ height: 101 }));
    await rig.clock.advance(500);
    expect(rig.log.of('device failed')).toEqual(['mock0: device failed']);
    await run.stop();
  });

  it.each([-1, 0, 0.5, 1e9, Number.NaN])(
    'gives up a device that says it scanned %d of its nonces',
    async (scanned) => {
      const rig = new Rig();
      const run = await start(
        rig,
        {},
        withDevice(rig, (device) => {
          device.search = async () => ({ scanned, nonces: [], aborted: false });
        }),
      );
      run.scheduler.job(makeJob());
      await settle();
      expect(rig.log.of('device failed')).toEqual(['mock0: device failed']);
      expect(hashes(run)).toBe(0);
      await run.stop();
    },
  );
});

describe('Scheduler, jobs', () => {
  it('ends what runs when a clean job comes, and starts on that at once', async () => {
    const run = await start(new Rig());
    run.scheduler.job(makeJob());
    await run.rig.clock.advance(20_000);
    const next = makeJob({ height: 101, target: ANY });
    run.scheduler.job(next);
    await run.rig.clock.advance(3 * BATCH_MS);
    expect(run.rig.nonces.slice(0, 2)).toEqual([0n, 1n]);
    expect(run.rig.submitted.every((share) => share.job === next)).toBe(true);
    await run.stop();
  });

  it('counts the hashes of an aborted search', async () => {
    const run = await start(new Rig());
    run.scheduler.job(makeJob());
    await run.rig.clock.advance(10_050);
    run.scheduler.idle('the pool is gone');
    await settle();
    expect(hashes(run)).toBe(100 * BATCH);
    await run.stop();
  });

  it('drops and counts what an old generation finds, but counts its hashes', async () => {
    const run = await start(new Rig());
    run.rig.control(0).script.deaf = true;
    run.scheduler.job(makeJob({ target: ANY }));
    await run.rig.clock.advance(10_050);
    const sent = run.rig.submitted.length;
    expect(sent).toBeGreaterThan(0);
    run.scheduler.job(makeJob({ height: 101 }));
    await run.rig.clock.advance(3 * BATCH_MS);
    // The batch that ran and the one that waited behind it.
    expect(run.scheduler.totals).toMatchObject({ accepted: sent, stale: 2 * BATCH });
    expect(run.rig.submitted).toHaveLength(sent);
    expect(hashes(run)).toBe(sent + 2 * BATCH);
    expect(run.rig.log.of('share stale')[0]).toBe(
      `mock0: stale (${sent}/0/1/0) diff 1 "the tip moved on", not sent`,
    );
    await run.stop();
  });

  it('drops what waits for its check when the tip moves on', async () => {
    const rig = new Rig();
    rig.holdCheck = () => rig.clock.sleep(1000);
    const run = await start(rig);
    run.scheduler.job(makeJob({ target: ANY, nonceEnd: 3n }));
    await rig.clock.advance(500);
    run.scheduler.job(makeJob({ height: 101 }));
    await rig.clock.advance(1000);
    expect(run.scheduler.totals).toMatchObject({ stale: 3, accepted: 0 });
    expect(rig.submitted).toEqual([]);
    expect(rig.checks, 'only the one that was under way').toBe(1);
    await run.stop();
  });

  it('sends stale shares if it is told to', async () => {
    const run = await start(new Rig(), { sendStales: true });
    run.rig.control(0).script.deaf = true;
    run.scheduler.job(makeJob({ target: ANY }));
    await run.rig.clock.advance(10_050);
    const sent = run.rig.submitted.length;
    run.rig.answer = () => ({ status: 'stale', ms: 5, reason: 'Block expired', code: -1 });
    run.scheduler.job(makeJob({ height: 101 }));
    await run.rig.clock.advance(3 * BATCH_MS);
    expect(run.rig.submitted).toHaveLength(sent + 2 * BATCH);
    expect(run.scheduler.totals).toMatchObject({ accepted: sent, stale: 2 * BATCH });
    await run.stop();
  });

  it('lets a search finish when the tip stays, and its shares still count', async () => {
    const run = await start(new Rig());
    const old = makeJob({ jobId: 'old', target: EASY });
    run.scheduler.job(old);
    await run.rig.clock.advance(20_050);
    const begun = run.rig.nonces.length;
    const next = makeJob({
      jobId: 'next',
      target: EASY,
      clean: false,
      nonceStart: 1n << 32n,
      nonceEnd: 1n << 33n,
    });
    run.scheduler.job(next);
    await run.rig.clock.advance(20_000);
    const jobs = run.rig.submitted.slice(begun).map((share) => share.job.jobId);
    expect(jobs[0], 'the range that ran').toBe('old');
    expect(jobs.at(-1), 'the range after it').toBe('next');
    const nonces = run.rig.submitted.filter((s) => s.job === old).map((s) => s.nonce);
    const last = nonces.at(-1)!;
    expect(nonces).toEqual(goodNonces(old, Number(last) + 1));
    expect(run.scheduler.totals.stale).toBe(0);
    await run.stop();
  });

  it('goes on with the nonces when only the id changes, and sends under the new one', async () => {
    const run = await start(new Rig());
    const first = makeJob({ jobId: 'a', target: EASY, nonceEnd: 400n });
    run.scheduler.job(first);
    await run.rig.clock.advance(3050);
    const before = run.rig.submitted.length;
    // The work is the same, so even a clean job ends nothing.
    run.scheduler.job({ ...first, jobId: 'b', clean: true, sameWorkAs: 'a' });
    await run.rig.clock.advance(20_000);
    expect(before).toBeGreaterThan(0);
    expect(run.rig.nonces).toEqual(goodNonces(first, 400));
    expect(hashes(run)).toBe(400);
    expect(new Set(run.rig.submitted.slice(before).map((s) => s.job.jobId))).toEqual(
      new Set(['b']),
    );
    await run.stop();
  });

  it('sends under the old id what is not good enough for the new target', async () => {
    const run = await start(new Rig());
    const first = makeJob({ jobId: 'easy', target: ANY, nonceEnd: 8n });
    run.scheduler.job(first);
    await settle();
    run.scheduler.job({ ...first, jobId: 'hard', target: EASY, clean: false });
    await run.rig.clock.advance(BATCH_MS);
    const hard = goodNonces({ ...first, target: EASY }, BATCH);
    for (const { nonce, job } of run.rig.submitted) {
      expect(job.jobId, `nonce ${nonce}`).toBe(hard.includes(nonce) ? 'hard' : 'easy');
    }
    expect(run.rig.submitted).toHaveLength(BATCH);
    await run.stop();
  });

  it('goes on with the nonces of a job that comes back after another', async () => {
    const run = await start(new Rig());
    const job = makeJob({ target: EASY });
    run.scheduler.job(job);
    await run.rig.clock.advance(5000);
    run.scheduler.job(makeJob({ height: 101 }));
    await run.rig.clock.advance(2000);
    const first = run.rig.submitted.length;
    run.scheduler.job({ ...job, jobId: 'again' });
    await run.rig.clock.advance(5000);
    expect(first).toBeGreaterThan(0);
    expect(run.rig.submitted.length).toBeGreaterThan(first);
    expect(new Set(run.rig.nonces).size, 'no nonce twice').toBe(run.rig.submitted.length);
    expect(run.rig.submitted.at(-1)!.job.jobId).toBe('again');
    await run.stop();
  });

  it('stops hashing while it is idle, and resumes the same work where it was', async () => {
    const run = await start(new Rig());
    const job = makeJob({ target: EASY, nonceEnd: 200n });
    run.scheduler.job(job);
    await run.rig.clock.advance(2050);
    run.scheduler.idle('the pool is gone');
    await settle();
    const before = hashes(run);
    await run.rig.clock.advance(10_000);
    expect(hashes(run)).toBe(before);
    expect(run.scheduler.reports[0]!.state).toBe('waiting');
    run.scheduler.job({ ...job, jobId: 'again' });
    await run.rig.clock.advance(10_000);
    expect(hashes(run)).toBe(200);
    expect(run.rig.nonces).toEqual(goodNonces(job, 200));
    await run.stop();
  });
});

describe('Scheduler, devices', () => {
  it('gives the range of a lost device to the others and opens it again after a pause', async () => {
    const run = await start(new Rig(2));
    const job = makeJob({ target: EASY, nonceEnd: 2000n });
    run.scheduler.job(job);
    await run.rig.clock.advance(10_050);
    run.rig.control(0).vanish('unplugged');
    await settle();
    expect(run.scheduler.reports[0]!.state).toBe('failed');
    expect(run.rig.log.of('device failed')).toEqual(['mock0: device failed']);
    const others = hashes(run, 1);
    await run.rig.clock.advance(900);
    expect(run.rig.control(0).opened, 'not at once').toBe(1);
    await run.rig.clock.advance(10_000);
    expect(run.rig.control(0).opened).toBe(2);
    expect(hashes(run, 1)).toBeGreaterThan(others);
    await run.rig.clock.advance(30_000);
    expect(run.rig.nonces).toEqual(goodNonces(job, 2000));
    expect(await run.stop()).toBe(true);
  });

  it('notices the loss of a device that has nothing to do', async () => {
    const run = await start(new Rig());
    run.rig.control(0).vanish('unplugged');
    await settle();
    expect(run.scheduler.reports[0]!.state).toBe('failed');
    await run.stop();
  });

  it('waits longer each time a device cannot be opened again', async () => {
    const run = await start(new Rig(2));
    const { script } = run.rig.control(0);
    script.openFailures = 3;
    const opened: number[] = [];
    run.rig.control(0).vanish('unplugged');
    await settle();
    for (let second = 1; second <= 16; second++) {
      await run.rig.clock.advance(1000);
      opened.push(3 - script.openFailures + (run.rig.control(0).isOpen ? 1 : 0));
    }
    // Pauses of 1, 2, 4 and 8 seconds.
    expect(opened).toEqual([1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4]);
    await run.stop();
  });

  it('goes on without a device that cannot be opened at the start, and tries it again', async () => {
    const rig = new Rig(2);
    rig.control(0).script.openFailures = 1;
    const run = await start(rig);
    run.scheduler.job(makeJob());
    await rig.clock.advance(500);
    expect(run.scheduler.reports.map((report) => report.state)).toEqual(['failed', 'mining']);
    await rig.clock.advance(3000);
    expect(run.scheduler.reports.map((report) => report.state)).toEqual(['mining', 'mining']);
    await run.stop();
  });

  it('ends with the reason if no device can be opened', async () => {
    const rig = new Rig(2);
    rig.control(0).script.openFailures = 1;
    rig.control(1).script.busy = true;
    const run = await start(rig);
    expect(await run.ended).toMatchObject({ detail: { code: 'unsupported' } });
    expect(rig.clock.sleeping).toBe(0);
  });

  it('names a device that says nothing, gives it up later, and drops its late answer', async () => {
    const run = await start(new Rig(2), { watchdogMs: 30_000, hungMs: 60_000 });
    const job = makeJob({ target: EASY, nonceEnd: 3000n });
    run.scheduler.job(job);
    await run.rig.clock.advance(1050);
    run.rig.control(0).script.stall = true;
    await run.rig.clock.advance(29_000);
    expect(run.rig.log.of('no hashes')).toEqual([]);
    await run.rig.clock.advance(4000);
    expect(run.rig.log.of('no hashes')).toEqual([
      expect.stringMatching(/^mock0: no hashes for 3\d s$/),
    ]);
    await run.rig.clock.advance(30_000);
    expect(run.rig.log.of('device failed')).toEqual(['mock0: device failed']);
    run.rig.control(0).release();
    await run.rig.clock.advance(60_000);
    expect(run.rig.control(0).opened).toBe(2);
    expect(run.rig.nonces, 'its range was searched by others').toEqual(goodNonces(job, 3000));
    expect(await run.stop()).toBe(true);
  });

  it('says that a device is slow to open, and says no such thing of one that is open', async () => {
    const rig = new Rig();
    const { door } = rig;
    let opened = (): void => {};
    const held = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const open = async (id: string, signal: AbortSignal): Promise<Device> => {
      const device = await door.open(id, signal);
      await held;
      return device;
    };
    const run = await start(rig, { watchdogMs: 30_000 }, { ...rig.parts, door: { ...door, open } });
    run.scheduler.job(makeJob());
    await rig.clock.advance(29_000);
    expect(rig.log.of('device still opening')).toEqual([]);
    await rig.clock.advance(10_000);
    expect(rig.log.of('device still opening')).toEqual(['mock0: not open after 31 s']);
    opened();
    await rig.clock.advance(60_000);
    expect(run.scheduler.reports[0]!.state).toBe('mining');

    const quick = await start(new Rig(2), { watchdogMs: 30_000 });
    quick.scheduler.job(makeJob());
    await quick.rig.clock.advance(60_000);
    expect(quick.rig.log.of('device still opening')).toEqual([]);
    await run.stop();
    await quick.stop();
  });

  it('is patient with a device that was always slow', async () => {
    const rig = new Rig();
    rig.control(0).script.msPerHash = 12_500;
    const run = await start(rig, { watchdogMs: 60_000, hungMs: 70_000 });
    run.scheduler.job(makeJob());
    await rig.clock.advance(51_000);
    rig.control(0).script.msPerHash = 30_000;
    await rig.clock.advance(400_000);
    expect(rig.log.of('no hashes')).toEqual([]);
    expect(hashes(run)).toBeGreaterThan(BATCH);
    await run.stop();
  });

  it('gives up a device that hangs while it loads or opens', async () => {
    const rig = new Rig(2);
    rig.control(0).script.stall = true;
    const run = await start(rig, { watchdogMs: 30_000, hungMs: 60_000 });
    run.scheduler.job(makeJob());
    await rig.clock.advance(62_000);
    expect(rig.log.of('no hashes')).toEqual(['mock0: no hashes for 31 s']);
    expect(rig.log.of('device failed')).toEqual(['mock0: device failed']);
    await run.stop();
  });

  it('never sends a wrong nonce, counts it, and tests the device before it goes on', async () => {
    const run = await start(new Rig(2));
    const job = makeJob({ target: 1n << 240n });
    run.rig.control(0).script.lie = 'nonce';
    let passed = (): void => {};
    run.rig.test = () =>
      new Promise((resolve) => {
        passed = resolve;
      });
    run.scheduler.job(job);
    await run.rig.clock.advance(3000);
    expect(run.rig.submitted).toEqual([]);
    expect(run.scheduler.reports[0]).toMatchObject({
      state: 'testing',
      // The search that ran meanwhile lied too.
      counts: { hardwareErrors: 2 },
    });
    expect(run.rig.tests).toEqual(['mock0']);
    const before = hashes(run);
    await run.rig.clock.advance(10_000);
    expect(hashes(run), 'in quarantine').toBe(before);
    expect(hashes(run, 1), 'the other device').toBeGreaterThan(300);
    run.rig.control(0).script.lie = 'no';
    passed();
    await run.rig.clock.advance(5000);
    expect(hashes(run)).toBeGreaterThan(before);
    expect(run.scheduler.reports[1]!.counts.hardwareErrors).toBe(0);
    await run.stop();
  });

  it('closes a device that fails its test, and one that is wrong again soon after it', async () => {
    for (const passes of [false, true]) {
      const rig = new Rig(2);
      rig.control(1).script.msPerHash = 10_000;
      rig.control(0).script.lie = 'nonce';
      rig.test = async () => {
        if (passes) return;
        throw new DriverError({ code: 'self-test', expected: '00', actual: '01' });
      };
      const run = await start(rig);
      run.scheduler.job(makeJob({ target: 1n << 240n }));
      await rig.clock.advance(5000);
      expect(rig.tests.filter((id) => id === 'mock0').length, `passes ${passes}`).toBeGreaterThan(
        0,
      );
      expect(rig.log.of('device failed').length, `passes ${passes}`).toBeGreaterThan(0);
      // It would only be wrong again.
      expect(rig.control(0).opened, `passes ${passes}`).toBe(1);
      await rig.clock.advance(180_000);
      expect(rig.control(0).opened, `passes ${passes}`).toBe(2);
      expect(rig.submitted).toEqual([]);
      expect(await run.stop()).toBe(true);
    }
  });

  it('counts a nonce that is not of the job as an error of the device', async () => {
    const rig = new Rig();
    const run = await start(
      rig,
      {},
      withDevice(rig, (device) => {
        const search = device.search.bind(device);
        device.search = async (work, range, signal, onFound) => {
          const result = await search(work, range, signal, onFound);
          onFound?.(5_000_000n);
          return { ...result, nonces: [5_000_000n] };
        };
      }),
    );
    run.scheduler.job(makeJob({ nonceEnd: 100n }));
    await rig.clock.advance(BATCH_MS);
    expect(run.scheduler.totals.hardwareErrors).toBe(1);
    expect(rig.log.of('wrong nonce')[0]).toMatch(/nonce 5000000: not one of 0 … 99$/);
    await run.stop();
  });
});

describe('Scheduler, stopping', () => {
  it('ends at once when everything listens, and leaves no timer behind', async () => {
    const run = await start(new Rig(2));
    run.scheduler.job(makeJob());
    await run.rig.clock.advance(2050);
    const abort = run.stop();
    await settle();
    expect(run.rig.control(0).isOpen).toBe(false);
    expect(run.rig.control(1).isOpen).toBe(false);
    expect(await abort).toBe(true);
    expect(run.rig.clock.sleeping).toBe(0);
    expect(run.scheduler.reports.map((report) => report.state)).toEqual(['closed', 'closed']);
  });

  it('ends within two seconds although a device hangs', async () => {
    const run = await start(new Rig(2));
    run.scheduler.job(makeJob());
    await run.rig.clock.advance(2050);
    run.rig.control(0).script.stall = true;
    await run.rig.clock.advance(1000);
    expect(await run.stop()).toBe(true);
    expect(run.rig.control(0).isOpen).toBe(false);
    expect(run.rig.clock.sleeping).toBe(0);
  });

  it('waits for the answers to the last shares', async () => {
    const run = await start(new Rig());
    run.rig.answer = async () => {
      await run.rig.clock.sleep(500);
      return { status: 'accepted', ms: 500, block: false };
    };
    run.scheduler.job(makeJob({ target: ANY }));
    await run.rig.clock.advance(BATCH_MS);
    expect(await run.stop()).toBe(true);
    expect(run.scheduler.totals.accepted).toBeGreaterThanOrEqual(BATCH);
    expect(run.scheduler.totals.accepted).toBe(run.rig.submitted.length);
  });

  it('checks no nonce any more once it has ended', async () => {
    const rig = new Rig();
    rig.holdCheck = () => rig.clock.sleep(500);
    const run = await start(rig);
    run.scheduler.job(makeJob({ target: ANY }));
    await rig.clock.advance(1000);
    expect(await run.stop()).toBe(true);
    const { checks } = rig;
    const { totals } = run.scheduler;
    await rig.clock.advance(10_000);
    expect(rig.checks - checks, 'the one under way has a successor at most').toBeLessThan(2);
    expect(run.scheduler.totals.stale).toBe(totals.stale);
    expect(rig.clock.sleeping).toBe(0);
  });

  it('does not wait for answers that never come', async () => {
    const run = await start(new Rig());
    run.rig.answer = () => new Promise(() => {});
    run.scheduler.job(makeJob({ target: ANY }));
    await run.rig.clock.advance(BATCH_MS);
    expect(await run.stop()).toBe(true);
  });
});
