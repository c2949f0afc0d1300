/**
 * The serial driver over real firmware: the same C as on boards, as a program of this machine or in
 * an emulator, behind a unix socket.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Driver } from '../../drivers/driver.ts';
import { createDeviceDoor, openTested } from '../../drivers/open.ts';
import { SELF_TEST_GROUPS, SELF_TEST_SEARCH } from '../../drivers/selftest.ts';
import { createSerialDriver } from '../../drivers/serial/driver.ts';
import {
  type MachineName,
  machines,
  type RunningMachine,
  type StartMachineOptions,
  startMachine,
} from '../../firmware-bridge/sim/emulator.ts';
import { Recheck } from '../../miner/recheck.ts';
import { Scheduler } from '../../miner/scheduler.ts';
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { bytesToU256 } from '../../src/util/u256.ts';
import { describeConformance } from '../drivers/conformance.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { makeJob } from '../support/rig.ts';

const VECTORS = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
  group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
);

const cache = new TableCache({ capacity: 3 }, { build: buildMatrixTable });
const tables = cache.get.bind(cache);
const missing = new Map((await machines()).map(({ machine, missing: of }) => [machine, of]));

let directory = '';
const running = new Set<RunningMachine>();
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'serial-'));
});
afterEach(async () => {
  await Promise.all([...running].map((machine) => machine.stop()));
  running.clear();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function start(
  name: MachineName,
  more: Partial<StartMachineOptions> = {},
): Promise<RunningMachine> {
  const machine = await startMachine(name, { directory, ...more });
  running.add(machine);
  void machine.ended.then(() => running.delete(machine));
  return machine;
}

function describeMachine(name: MachineName, why: string | undefined): void {
  if (why !== undefined) {
    it(`conformance of serial, ${name}`, (context) => context.skip(why));
    return;
  }
  describeConformance(
    `serial, ${name}`,
    async () => {
      const machine = await start(name);
      const driver = createSerialDriver({}, { tables });
      return {
        device: await driver.open(`serial:${machine.address}`, { batchMs: 50 }),
        vectors: VECTORS,
        table: tables,
        lose: () => machine.kill(),
      };
    },
    { canLose: true, isSlow: true, timeout: name === 'native' ? 60_000 : 600_000 },
  );
}

function whyNot(name: MachineName): string | undefined {
  const lacks = missing.get(name);
  return lacks === undefined ? undefined : `this system lacks ${lacks}`;
}

describeMachine('native', whyNot('native'));
// Left out rather than skipped: a hash takes seconds there, the suite nine minutes.
if (process.env['TEST_BOARD_CONFORMANCE'] === 'virt') describeMachine('virt', whyNot('virt'));

describe.skipIf(whyNot('native') !== undefined)('boards of real firmware', () => {
  const uids = ['0a'.repeat(12), '0b'.repeat(12), '0c'.repeat(12)];

  it('work side by side, and one that dies takes no other with it', async () => {
    const boards = await Promise.all(uids.map((uid) => start('native', { uid })));
    const driver: Driver = createSerialDriver({}, { tables });
    const devices = await Promise.all(
      boards.map(({ address }) =>
        openTested(
          `serial:${address}`,
          { batchMs: 50 },
          { drivers: { serial: async () => driver }, tables },
        ),
      ),
    );
    expect(devices.map(({ info }) => info.details?.[0])).toEqual(
      uids.map((uid) => expect.stringContaining(uid)),
    );
    const { preimage, nonce, powHash, seed } = SELF_TEST_SEARCH;
    const work = {
      jobId: 'block 123',
      generation: 1,
      preimage: hexToBytes(preimage, 'preimage', 136),
      seed: hexToBytes(seed, 'seed', 32),
      target: bytesToU256(hexToBytes(powHash, 'powHash', 32)),
    };
    const { signal } = new AbortController();
    const search = async (device: Device): Promise<readonly bigint[]> => {
      await device.loadSeed(work.seed, await tables(work.seed));
      return (await device.search(work, { start: nonce - 1n, count: 2 }, signal)).nonces;
    };
    const ends = devices.map((device) => search(device).catch((error: Error) => error.message));
    boards[0]?.kill();
    const [dead, ...alive] = await Promise.all(ends);
    expect(dead).toMatch(/^device lost: unix:/);
    expect(alive).toEqual([[nonce], [nonce]]);
    await Promise.all(devices.map((device) => device.close()));
  });

  it('mine again when they are back', async () => {
    const socket = join(directory, 'unplugged.sock');
    const first = await start('native', { socket, uid: '0a'.repeat(12) });
    const driver = createSerialDriver({}, { tables });
    const id = `serial:${first.address}`;
    const drivers = { serial: async (): Promise<Driver> => driver };
    const door = createDeviceDoor(() => ({ batchMs: 50 }), { drivers, tables });
    const log = new RecordingLog();
    const hasher = openConfirmingHasher(undefined);
    const scheduler = new Scheduler(
      { devices: [id] },
      {
        door,
        tables,
        recheck: new Recheck({ hasherFor: () => hasher, tables }),
        source: { submit: async () => ({ status: 'accepted', ms: 1, block: false }) },
        log,
      },
    );
    const abort = new AbortController();
    const ended = scheduler.run(abort.signal);
    scheduler.job(makeJob({ target: 1n << 254n }));
    const until = async (isDone: () => boolean): Promise<void> => {
      while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    const mined = (): number => scheduler.reports[0]?.hashes ?? 0;
    await until(() => mined() > 0);
    first.kill();
    await until(() => scheduler.reports[0]?.state === 'failed');
    // Long enough for the tries in between to be over.
    await until(() => log.of('waiting for the device').length > 0);
    const before = mined();
    await start('native', { socket, uid: '0a'.repeat(12) });
    await until(() => scheduler.reports[0]?.state === 'mining');
    await until(() => mined() > before);
    abort.abort();
    await ended;
    await hasher.close();
  });
});
