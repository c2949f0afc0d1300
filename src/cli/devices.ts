/** The devices a command runs on: the drivers with the user's settings, the selection, the list. */
import { createCpuDriver } from '../../drivers/cpu.ts';
import { type DeviceList, DRIVERS, type DriverTable, listDevices } from '../../drivers/open.ts';
import { selectDevices } from '../../drivers/select.ts';
import type { Seed } from '../tensority/hasher.ts';
import type { MatrixTable, TableProvider } from '../tensority/table.ts';
import { buildMatrixTable } from '../tensority/table-builder.ts';
import { TableCache } from '../tensority/table-cache.ts';
import type { TierName } from '../tensority/wasm/tiers.ts';
import { collectGarbage } from './garbage.ts';

/** Options that every command with devices takes. */
export interface DeviceOptions {
  readonly device?: string;
  readonly threads?: number;
  readonly kernel?: TierName;
  /** False after `--no-revectorize`. */
  readonly revectorize: boolean;
}

/** The drivers, the CPU's with the user's settings. */
export function driverTable(options: DeviceOptions): DriverTable {
  return {
    ...DRIVERS,
    cpu: () =>
      Promise.resolve(
        createCpuDriver({
          revectorize: options.revectorize,
          ...(options.threads === undefined ? {} : { threads: options.threads }),
          ...(options.kernel === undefined ? {} : { tier: options.kernel }),
        }),
      ),
  };
}

/** The list of devices and those that the user selected. Rejects `not-found` with what there is. */
export async function selectedDevices(
  options: DeviceOptions,
  drivers: DriverTable,
): Promise<{ readonly list: DeviceList; readonly selected: DeviceList['devices'] }> {
  const list = await listDevices(drivers);
  return { list, selected: selectDevices(options.device ?? 'all', list.devices) };
}

/** Longest batch of a device: bounds how late an abort takes effect. A CPU batch is a few hashes. */
export const BATCH_MS = 250;

/** How long a table is kept after its last use. */
const TABLE_IDLE_MS = 5000;

/**
 * The matrix tables of this process. A table is 16 MiB, and every device keeps a copy of what it
 * works with, so it is forgotten some seconds after it was used; building it again takes 30 ms.
 */
export function createTables(capacity = 1): TableProvider {
  const build = (seed: Seed): MatrixTable | Promise<MatrixTable> => {
    // Before another one: those dropped so far. A chain's import goes through one every few seconds.
    collectGarbage();
    return buildMatrixTable(seed);
  };
  const cache = new TableCache({ capacity }, { build });
  let idle: NodeJS.Timeout | undefined;
  return (seed) => {
    clearTimeout(idle);
    idle = setTimeout(() => {
      cache.clear();
      collectGarbage();
    }, TABLE_IDLE_MS).unref();
    return cache.get(seed);
  };
}

/** The list as people read it, one device a line, then what is not available and why. */
export function deviceListText(list: DeviceList): string {
  const rows = list.devices.map((device) => [
    device.id,
    device.name,
    `driver ${device.driver}`,
    ...(device.pciBus === undefined ? [] : [`PCI ${device.pciBus}`]),
  ]);
  const width = Math.max(0, ...rows.map((row) => row[0]?.length ?? 0));
  return [
    ...rows.map(([id = '', ...rest]) => `${id.padEnd(width)}  ${rest.join(', ')}`),
    ...list.unavailable.map(({ driver, reason }) => `${driver}: not available, ${reason}`),
  ].join('\n');
}
