/** The device that a node command checks proofs of work on, opened, tested and behind a verifier. */
import type { Device } from '../../drivers/driver.ts';
import { openTested } from '../../drivers/open.ts';
import { PowVerifier } from '../node/pow-verifier.ts';
import { openConfirmingHasher } from '../tensority/cpu-hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { InputError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import {
  BATCH_MS,
  createTables,
  type DeviceOptions,
  driverTable,
  selectedDevices,
} from './devices.ts';
import { collectGarbage } from './garbage.ts';

export interface OpenedVerifier {
  readonly device: Device;
  readonly verifier: PowVerifier;
  /** Those that the device was given, and will be. */
  readonly tables: TableProvider;
  close(): Promise<void>;
}

/** Two seeds meet at the edge of an epoch, and a reorganisation goes back over it. */
const KEPT_TABLES = 2;

/** Rejects as `openTested` does, or with the signal's reason. */
export async function openVerifier(
  options: DeviceOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<OpenedVerifier> {
  const drivers = driverTable(options);
  const tables = createTables(KEPT_TABLES);
  const { selected } = await selectedDevices(options, drivers);
  const [info, ...others] = selected;
  if (info === undefined || others.length > 0) {
    const got = selected.map(({ id }) => id).join(', ');
    throw new InputError('device', 'one device', got);
  }
  const device = await openTested(info.id, { batchMs: BATCH_MS, signal }, { drivers, tables });
  // The tables of the self-test.
  collectGarbage();
  const { kernel } = device.info;
  log.info('device', { id: info.id, kernel, threads: device.info.threads });
  const verifier = new PowVerifier(
    {},
    { hasher: device, tables, confirm: () => openConfirmingHasher(kernel), log },
  );
  return {
    device,
    verifier,
    tables,
    close: async () => {
      await verifier.close();
      await device.close();
    },
  };
}
