/** The device that a node command checks proofs of work on, opened, tested and behind a verifier. */
import type { Device } from '../../drivers/driver.ts';
import { openTested } from '../../drivers/open.ts';
import { PowVerifier } from '../pow/pow-verifier.ts';
import { openConfirmingHasher } from '../tensority/cpu-hasher.ts';
import type { BatchHasher } from '../tensority/hasher.ts';
import { PendingHasher } from '../tensority/pending-hasher.ts';
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
import { logTuning } from './tuning-report.ts';

/** A verifier whose device is yet to be opened; until then proofs wait. */
export interface NodeVerifier {
  /** The device, for whatever else is to be hashed. */
  readonly hasher: BatchHasher;
  readonly verifier: PowVerifier;
  /** Those that the device was given, and will be. */
  readonly tables: TableProvider;
  /** Opens and tests the device, to be called once. Rejects as `openTested` does, or with the signal's reason. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Two seeds meet at the edge of an epoch, and a reorganisation goes back over it. */
const KEPT_TABLES = 2;

/** Rejects `InputError`, or `not-found` with what there is. */
export async function createVerifier(
  options: DeviceOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<NodeVerifier> {
  const drivers = driverTable(options, logTuning(log));
  const tables = createTables(KEPT_TABLES);
  const selected = await selectedDevices(options, drivers);
  const [info, ...others] = selected;
  if (info === undefined || others.length > 0) {
    const got = selected.map(({ id }) => id).join(', ');
    throw new InputError('device', 'one device', got);
  }
  const hasher = new PendingHasher();
  let opening: Promise<Device> | undefined;
  let kernel: string | undefined;
  const verifier = new PowVerifier(
    {},
    // Nothing is confirmed before the device has answered.
    { hasher, tables, confirm: () => openConfirmingHasher(kernel), log },
  );
  return {
    hasher,
    verifier,
    tables,
    open: async () => {
      opening = openTested(info.id, { batchMs: BATCH_MS, signal }, { drivers, tables });
      try {
        const device = await opening;
        // The tables of the self-test.
        collectGarbage();
        ({ kernel } = device.info);
        log.info('device', { id: info.id, kernel, threads: device.info.threads });
        hasher.arrived(device);
      } catch (error) {
        hasher.failed(error);
        throw error;
      }
    },
    close: async () => {
      await verifier.close();
      await hasher.close();
      const device = await opening?.catch(() => undefined);
      await device?.close();
    },
  };
}

/** The same with its device open. */
export async function openVerifier(
  options: DeviceOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<NodeVerifier> {
  const pow = await createVerifier(options, log, signal);
  try {
    await pow.open();
    return pow;
  } catch (error) {
    await pow.close();
    throw error;
  }
}
