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
import { deviceId, mayMean, selectDevices } from './select.ts';
import { selfTest } from './selftest.ts';

/** How to come by each driver. The order is the preference where two offer one processor. */
export type DriverTable = Readonly<Partial<Record<DriverKind, () => Promise<Driver>>>>;

/** What users have. Imports are lazy: a runtime that nobody asks for costs nothing. */
export const DRIVERS: DriverTable = {
  cpu: async () => (await import('./cpu.ts')).createCpuDriver(),
  webgpu: async () => (await import('./webgpu/node/driver.ts')).createWebGpuDriver(),
  onnx: async () => (await import('./onnx/driver.ts')).createOnnxDriver(),
  gpujs: async () => (await import('./gpujs/driver.ts')).createGpuJsDriver(),
  serial: async () => (await import('./serial/driver.ts')).createSerialDriver(),
};

export interface ListedDevice extends DeviceInfo {
  readonly driver: DriverKind;
}

export interface DeviceList {
  readonly devices: readonly ListedDevice[];
  /** The runtimes that offer nothing, or less than they could, and why. */
  readonly unavailable: readonly { readonly driver: DriverKind; readonly reason: string }[];
}

/**
 * Asks the drivers that `selection` may mean, or all of them, what they have, without claiming
 * anything. `named` is what they hear of the user's wish: the selection. Never rejects.
 */
export async function listDevices(
  drivers: DriverTable,
  selection?: string,
  named: string | undefined = selection,
): Promise<DeviceList> {
  const devices: ListedDevice[] = [];
  const unavailable: { driver: DriverKind; reason: string }[] = [];
  // One after the other: runtimes that start up together get in each other's way.
  for (const [kind, load] of entries(drivers)) {
    if (selection !== undefined && !mayMean(selection, kind)) continue;
    try {
      const listed = await (await load()).enumerate(named);
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

/** The devices that `selection` names, as `selectDevices` does; its error tells of every device there is. */
export async function listSelected(
  selection: string,
  drivers: DriverTable,
): Promise<readonly ListedDevice[]> {
  const { devices } = await listDevices(drivers, selection);
  try {
    return selectDevices(selection, devices);
  } catch (error) {
    if (!(error instanceof DriverError) || error.detail.code !== 'not-found') throw error;
    const { id, allExcluded, reason } = error.detail;
    throw await notFound(id, drivers, {
      ...(allExcluded === true && { allExcluded }),
      ...(reason !== undefined && { reason }),
    });
  }
}

/** What the miner needs of all this. */
export interface DeviceDoor {
  /** Opens and tests a device, as `openTested` does. */
  open(id: string, signal: AbortSignal): Promise<Device>;
  /** Tests an open device again. Rejects as the self-test does; the device stays open. */
  test(device: Device, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when device `id`, which was opened or tried here before, is back, as `Driver.returns`
   * does. Undefined if its driver cannot tell.
   */
  returns?(id: string, signal: AbortSignal): Promise<void> | undefined;
}

/** `options` gives the settings of each device, such as its intensity. */
export function createDeviceDoor(
  options: (id: string) => Omit<OpenOptions, 'signal'>,
  parts: OpenParts,
): DeviceDoor {
  /** The drivers of the devices that were asked for. */
  const known = new Map<string, Driver>();
  return {
    open: async (id, signal) => {
      const driver = await findDriver(id, parts.drivers);
      known.set(id, driver);
      return openWith(driver, id, { ...options(id), signal }, parts);
    },
    test: (device, signal) => selfTest(device, parts.tables, signal),
    returns: (id, signal) => known.get(id)?.returns?.(id, signal),
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
  return openWith(await findDriver(id, parts.drivers), id, options, parts);
}

async function openWith(
  driver: Driver,
  id: string,
  options: OpenOptions,
  parts: OpenParts,
): Promise<Device> {
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
  const { devices } = await listDevices(drivers, id);
  const listed = devices.find((device) => device.id === deviceId(id));
  const load = listed === undefined ? undefined : drivers[listed.driver];
  if (load !== undefined) return load();
  throw await notFound(id, drivers);
}

/** Names all devices that there are, and why those are not there that `id` could have meant. */
async function notFound(
  id: string,
  drivers: DriverTable,
  { reason, ...why }: { readonly allExcluded?: true; readonly reason?: string } = {},
): Promise<DriverError> {
  const { devices, unavailable } = await listDevices(drivers, undefined, id);
  const missing = unavailable.filter(({ driver }) => mayMean(id, driver));
  const reasons = missing.map((each) => each.reason);
  if (reason !== undefined) reasons.push(reason);
  return new DriverError({
    code: 'not-found',
    id,
    available: devices.map((device) => device.id),
    ...why,
    ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
  });
}

function entries(drivers: DriverTable): [DriverKind, () => Promise<Driver>][] {
  return Object.entries(drivers) as [DriverKind, () => Promise<Driver>][];
}
