import { describe, expect, it } from 'vitest';
import type { Driver } from '../../drivers/driver.ts';
import { MockDriver } from '../../drivers/mock.ts';
import {
  createDeviceDoor,
  type DriverTable,
  listDevices,
  listSelected,
  openTested,
} from '../../drivers/open.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';

const options = { batchMs: 5 };

/** Answers the vectors of the self-test, and every other input with a hash that meets no target. */
function knownAnswers(): StandInHasher {
  const answers = new Map(
    SELF_TEST_GROUPS.flatMap((group) =>
      group.vectors.map((v): [string, string] => [v.headerHash, v.powHash]),
    ),
  );
  return new StandInHasher({
    hash: (_seed, headerHash) =>
      hexToBytes(answers.get(bytesToHex(headerHash)) ?? 'ff'.repeat(32), 'answer'),
  });
}

function honest(count = 1): { driver: MockDriver; drivers: DriverTable } {
  const driver = new MockDriver(count, { hasher: knownAnswers });
  return { driver, drivers: { mock: async () => driver } };
}

describe('openTested', () => {
  it('opens a device that passes its self-test', async () => {
    const { driver, drivers } = honest(2);
    const device = await openTested('mock1', options, { drivers, tables: standInTable });
    expect(device.info.id).toBe('mock1');
    expect(driver.control(1).isOpen).toBe(true);
    await device.close();
  });

  it('closes a device on one wrong byte', async () => {
    const { driver, drivers } = honest();
    driver.control(0).script.lie = 'hash';
    const opening = openTested('mock0', options, { drivers, tables: standInTable });
    await expect(opening).rejects.toMatchObject({ detail: { code: 'self-test' } });
    expect(driver.control(0).opened).toBe(1);
    expect(driver.control(0).isOpen).toBe(false);
  });

  it('closes a device whose opening is no longer wanted', async () => {
    const { driver, drivers } = honest();
    const abort = new AbortController();
    const reason = new Error('stopped');
    const tables = (seed: Uint8Array): ReturnType<typeof standInTable> => {
      abort.abort(reason);
      return standInTable(seed);
    };
    const opening = openTested('mock0', { ...options, signal: abort.signal }, { drivers, tables });
    await expect(opening).rejects.toBe(reason);
    expect(driver.control(0).isOpen).toBe(false);
  });

  it('names the devices there are if there is none of that name', async () => {
    const { drivers } = honest(2);
    const opening = openTested('gpu0', options, { drivers, tables: standInTable });
    await expect(opening).rejects.toThrow('no such device: gpu0 (there are: mock0, mock1)');
  });

  it('does not ask drivers whose devices have other names', async () => {
    const { drivers } = honest();
    const webgpu = (): Promise<Driver> => Promise.reject(new Error('asked for nothing'));
    const all: DriverTable = { webgpu, ...drivers };
    const device = await openTested('mock0', options, { drivers: all, tables: standInTable });
    await device.close();
    await expect(
      openTested('gpu0', options, { drivers: all, tables: standInTable }),
    ).rejects.toThrow('no such device: gpu0 (there are: mock0): asked for nothing');
  });

  it('passes on why the driver would not open it', async () => {
    const { driver, drivers } = honest();
    driver.control(0).script.busy = true;
    const opening = openTested('mock0', options, { drivers, tables: standInTable });
    await expect(opening).rejects.toMatchObject({ detail: { code: 'busy', id: 'mock0' } });
  });
});

describe('createDeviceDoor', () => {
  it('opens with the settings of each device, and tests again what is open', async () => {
    const { driver, drivers } = honest(2);
    const asked: string[] = [];
    const settings = (id: string): typeof options => {
      asked.push(id);
      return options;
    };
    const door = createDeviceDoor(settings, { drivers, tables: standInTable });
    const { signal } = new AbortController();
    const device = await door.open('mock1', signal);
    expect(asked).toEqual(['mock1']);
    await door.test(device, signal);
    driver.control(1).script.lie = 'hash';
    await expect(door.test(device, signal)).rejects.toMatchObject({
      detail: { code: 'self-test' },
    });
    expect(driver.control(1).isOpen).toBe(true);
    await device.close();
  });
});

describe('the name of a device', () => {
  it('may be written in other ways than its driver does', async () => {
    const opened: string[] = [];
    const { driver } = honest(1);
    const serial: Driver = {
      kind: 'serial',
      enumerate: async () => {
        const [info] = (await driver.enumerate()).devices;
        return { devices: info === undefined ? [] : [{ ...info, id: 'serial:COM3' }] };
      },
      open: (id, open) => {
        opened.push(id);
        return driver.open('mock0', open);
      },
    };
    const parts = { drivers: { serial: async () => serial }, tables: standInTable };
    await (await openTested('serial:com3', options, parts)).close();
    expect(opened).toEqual(['serial:com3']);
  });
});

describe('the return of a device', () => {
  it('is told by its driver, once the device was asked for', async () => {
    const { driver, drivers } = honest(1);
    driver.control(0).script.openFailures = 1;
    const waited: string[] = [];
    const returning: Driver = {
      kind: driver.kind,
      enumerate: () => driver.enumerate(),
      open: (id, open) => driver.open(id, open),
      returns: async (id) => {
        waited.push(id);
      },
    };
    const tables = standInTable;
    const door = createDeviceDoor(() => options, {
      drivers: { mock: async () => returning },
      tables,
    });
    const { signal } = new AbortController();
    expect(door.returns?.('mock0', signal)).toBeUndefined();
    await expect(door.open('mock0', signal)).rejects.toThrow('as scripted');
    await door.returns?.('mock0', signal);
    expect(waited).toEqual(['mock0']);
    const other = createDeviceDoor(() => options, { drivers, tables });
    await (await other.open('mock0', signal)).close();
    expect(other.returns?.('mock0', signal)).toBeUndefined();
  });
});

describe('listDevices', () => {
  it('lists what every driver has, and why one has nothing', async () => {
    const { drivers } = honest(2);
    const without: Driver = {
      kind: 'cpu',
      enumerate: async () => ({ devices: [], unavailable: 'this processor has no SIMD' }),
      open: () => Promise.reject(new Error('not asked for')),
    };
    const list = await listDevices({ cpu: async () => without, ...drivers });
    expect(list.devices.map(({ driver, id }) => `${driver} ${id}`)).toEqual([
      'mock mock0',
      'mock mock1',
    ]);
    expect(list.unavailable).toEqual([{ driver: 'cpu', reason: 'this processor has no SIMD' }]);
  });

  it('goes on past a driver that does not even load', async () => {
    const { drivers } = honest();
    const list = await listDevices({
      cpu: () => Promise.reject(new Error('Cannot find package "x"\nimported from y')),
      ...drivers,
    });
    expect(list.devices.map((device) => device.id)).toEqual(['mock0']);
    expect(list.unavailable).toEqual([
      { driver: 'cpu', reason: 'Cannot find package "x" imported from y' },
    ]);
  });
});

describe('listSelected', () => {
  const broken = (): Promise<Driver> => Promise.reject(new Error('no loader'));

  it('asks only the drivers that can be meant', async () => {
    const { drivers } = honest(2);
    const all: DriverTable = { webgpu: broken, ...drivers };
    expect((await listSelected('mock1', all)).map(({ id }) => id)).toEqual(['mock1']);
    expect((await listSelected('all', all)).map(({ id }) => id)).toEqual(['mock0', 'mock1']);
  });

  it('does not look for devices that `all` never takes, unless they are named', async () => {
    const { drivers } = honest(1);
    const asked: string[] = [];
    const beside = (kind: 'onnx' | 'gpujs', id: string) => (): Promise<Driver> => {
      asked.push(kind);
      const info = { id, name: id, tableSlots: 1, rollsNonce: false };
      return Promise.resolve({
        kind,
        enumerate: async () => ({ devices: [info] }),
        open: () => Promise.reject(new Error('not asked for')),
      });
    };
    const all: DriverTable = {
      ...drivers,
      onnx: beside('onnx', 'onnx0'),
      gpujs: beside('gpujs', 'gpujs'),
    };
    const selected = async (selection: string): Promise<readonly string[]> =>
      (await listSelected(selection, all)).map(({ id }) => id);
    expect(await selected('all')).toEqual(['mock0']);
    expect(asked).toEqual([]);
    expect(await selected('all,gpujs')).toEqual(['mock0', 'gpujs']);
    expect(await selected('onnx*')).toEqual(['onnx0']);
    expect(asked).toEqual(['gpujs', 'onnx']);
    expect((await listDevices(all)).devices.map(({ id }) => id)).toEqual([
      'mock0',
      'onnx0',
      'gpujs',
    ]);
  });

  it('tells each driver what was selected', async () => {
    const heard: (string | undefined)[] = [];
    const driver: Driver = {
      kind: 'serial',
      enumerate: async (selection) => {
        heard.push(selection);
        const id = 'serial:unix:/a';
        const info = { id, name: id, tableSlots: 1, rollsNonce: true };
        return { devices: selection?.includes(id) === true ? [info] : [] };
      },
      open: () => Promise.reject(new Error('not asked for')),
    };
    const drivers: DriverTable = { serial: async () => driver };
    const selected = await listSelected('serial:unix:/a', drivers);
    expect(selected.map(({ id }) => id)).toEqual(['serial:unix:/a']);
    await expect(listSelected('serial:unix:/b', drivers)).rejects.toThrow(
      'no such device: serial:unix:/b (there are none)',
    );
    expect(heard).toEqual(['serial:unix:/a', 'serial:unix:/b', 'serial:unix:/b']);
  });

  it('says why a device that is listed is not meant', async () => {
    const adapter = { id: 'serial:/dev/ttyUSB0', name: 'CH340', tableSlots: 1, rollsNonce: true };
    const driver: Driver = {
      kind: 'serial',
      enumerate: async () => ({
        devices: [{ ...adapter, isLastResort: true }],
        unavailable: 'no package',
      }),
      open: () => Promise.reject(new Error('not asked for')),
    };
    await expect(
      listSelected('serial:/dev/ttyUSB*', { serial: async () => driver }),
    ).rejects.toThrow(
      /\(there are: serial:\/dev\/ttyUSB0\): no package; serial:.* meant by its full name only$/,
    );
  });

  it('tells of every device there is, and why the one that is meant is not there', async () => {
    const { drivers } = honest(2);
    const all: DriverTable = { webgpu: broken, ...drivers };
    await expect(listSelected('gpu*', all)).rejects.toThrow(
      'no such device: gpu* (there are: mock0, mock1): no loader',
    );
    await expect(listSelected('mock7', all)).rejects.toThrow(
      /^no such device: mock7 \(there are: mock0, mock1\)$/,
    );
    await expect(listSelected('mock0,!mock*', all)).rejects.toThrow(
      /^no device is left of mock0,!mock\* \(there are: mock0, mock1\)$/,
    );
    await expect(listSelected('mock0,', all)).rejects.toThrow(InputError);
  });
});
