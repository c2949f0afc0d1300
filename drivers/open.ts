/**
 * The drivers there are, and the only door to a device: nothing hashes for money before it has
 * passed the self-test, and a device that fails it is closed at once.
 */
import type { TableProvider } from '../src/tensority/table.ts';
import { clip, errorText } from '../src/util/errors.ts';
import {
  type Device,
  type DeviceInfo,
  type Driver,
  DriverError,
  type DriverKind,
  type OpenOptions,
} from './driver.ts';
import { selfTest } from './selftest.ts';

/** How to come by each driver. The order is the preference where two offer one processor. */
export type DriverTable = Readonly<Partial<Record<DriverKind, () => Promise<Driver>>>>;

/** What users have. Imports are lazy: a runtime that nobody asks for costs nothing. */
export const DRIVERS: DriverTable = {
  cpu: async () => (await import('./cpu.ts')).createCpuDriver(),
};

export interface ListedDevice extends DeviceInfo {
  readonly driver: DriverKind;
}

export interface DeviceList {
  readonly devices: readonly ListedDevice[];
  /** The runtimes that offer nothing, or less than they could, and why. */
  readonly unavailable: readonly { readonly driver: DriverKind; readonly reason: string }[];
}

/** Asks every driver what it has, without claiming anything. Never rejects. */
export async function listDevices(drivers: DriverTable): Promise<DeviceList> {
  const devices: ListedDevice[] = [];
  const unavailable: { driver: DriverKind; reason: string }[] = [];
  // One after the other: runtimes that start up together get in each other's way.
  for (const [kind, load] of entries(drivers)) {
    try {
      const listed = await (await load()).enumerate();
      for (const info of listed.devices) devices.push({ ...info, driver: kind });
      if (listed.unavailable !== undefined) {
        unavailable.push({ driver: kind, reason: listed.unavailable });
      }
    } catch (error) {
      unavailable.push({ driver: kind, reason: clip(errorText(error), 200) });
    }
  }
  return { devices, unavailable };
}

/** What the miner needs of all this. */
export interface DeviceDoor {
  /** Opens and tests a device, as `openTested` does. */
  open(id: string, signal: AbortSignal): Promise<Device>;
  /** Tests an open device again. Rejects as the self-test does; the device stays open. */
  test(device: Device, signal: AbortSignal): Promise<void>;
}

/** `options` gives the settings of each device, such as its intensity. */
export function createDeviceDoor(
  options: (id: string) => Omit<OpenOptions, 'signal'>,
  parts: OpenParts,
): DeviceDoor {
  return {
    open: (id, signal) => openTested(id, { ...options(id), signal }, parts),
    test: (device, signal) => selfTest(device, parts.tables, signal),
  };
}

export interface OpenParts {
  readonly drivers: DriverTable;
  readonly tables: TableProvider;
}

/**
 * Opens device `id` and tests it. Rejects with what the driver's `open` or the self-test rejects
 * with, `not-found` naming the devices there are, or the reason of `options.signal`; the device is
 * closed then.
 */
export async function openTested(
  id: string,
  options: OpenOptions,
  parts: OpenParts,
): Promise<Device> {
  const driver = await findDriver(id, parts.drivers);
  const device = await driver.open(id, options);
  try {
    await selfTest(device, parts.tables, options.signal);
    return device;
  } catch (error) {
    // Why the test failed matters; that a broken device does not close well does not.
    await device.close().catch(() => undefined);
    throw error;
  }
}

async function findDriver(id: string, drivers: DriverTable): Promise<Driver> {
  const { devices } = await listDevices(drivers);
  const listed = devices.find((device) => device.id === id);
  const load = listed === undefined ? undefined : drivers[listed.driver];
  if (load !== undefined) return load();
  throw new DriverError({
    code: 'not-found',
    id,
    available: devices.map((device) => device.id),
  });
}

function entries(drivers: DriverTable): [DriverKind, () => Promise<Driver>][] {
  return Object.entries(drivers) as [DriverKind, () => Promise<Driver>][];
}
