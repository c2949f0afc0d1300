/** A miner put together: its devices with their tables, and the check of what they find. */
import { createDeviceDoor, type DeviceDoor, type DriverTable } from '../../drivers/open.ts';
import type { JobSource } from '../../miner/job-source.ts';
import { Miner, type MinerOptions } from '../../miner/miner.ts';
import { Recheck } from '../../miner/recheck.ts';
import { openConfirmingHasher } from '../tensority/cpu-hasher.ts';
import { HasherError } from '../tensority/hasher.ts';
import type { ThreadHasher } from '../tensority/thread-hasher.ts';
import type { Logger } from '../util/log.ts';
import { BATCH_MS, createTables } from './devices.ts';
import { collectGarbage } from './garbage.ts';

export interface AssembledMiner {
  readonly miner: Miner;
  /** To be called once the miner has ended. */
  close(): Promise<void>;
}

export interface MinerSettings extends MinerOptions {
  /** Of the devices that have such a setting. */
  readonly intensity?: ReadonlyMap<string, { readonly intensity: number }>;
}

export function assembleMiner(
  { intensity, ...options }: MinerSettings,
  { source, log, drivers }: { source: JobSource; log: Logger; drivers: DriverTable },
): AssembledMiner {
  const tables = createTables();
  const confirming = new ConfirmingHashers();
  const openOptions = (id: string): { readonly batchMs: number } => ({
    batchMs: BATCH_MS,
    ...intensity?.get(id),
  });
  const miner = new Miner(options, {
    source,
    log,
    tables,
    door: tidyDoor(createDeviceDoor(openOptions, { drivers, tables })),
    recheck: new Recheck({ hasherFor: (kernel) => confirming.for(kernel), tables }),
  });
  return { miner, close: () => confirming.close() };
}

/** Frees the tables of the self-test as soon as a device is open. */
function tidyDoor(door: DeviceDoor): DeviceDoor {
  return {
    ...door,
    open: async (id, signal) => {
      const device = await door.open(id, signal);
      collectGarbage();
      return device;
    },
  };
}

/** One confirming hasher for each kernel that found something. */
class ConfirmingHashers {
  readonly #hashers = new Map<string | undefined, ThreadHasher>();
  #isClosed = false;

  /** Throws once they are closed: checks that were dropped must not start threads again. */
  for(kernel: string | undefined): ThreadHasher {
    if (this.#isClosed) throw new HasherError({ code: 'lost', reason: 'closed' });
    const open = this.#hashers.get(kernel);
    if (open !== undefined) return open;
    const hasher = openConfirmingHasher(kernel);
    this.#hashers.set(kernel, hasher);
    // Should its thread die, the next check gets a new one.
    void hasher.lost.then(() => this.#hashers.delete(kernel));
    return hasher;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#hashers.values()].map((hasher) => hasher.close()));
  }
}
