/** Real proofs of work: what the verification tier gets out of a device, beside plain calls of it. */
import { openTested } from '../../drivers/open.ts';
import { BATCH_MS, createTables, driverTable } from '../../src/cli/devices.ts';
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import { sha3 } from '../../src/util/sha3.ts';
import type { PoolBench } from './pool-figures.ts';
import { measurePoolVerify } from './pool-verify.ts';

const SEED = sha3(new TextEncoder().encode('seed of the verification benchmark'));

export async function measureVerification(
  bench: PoolBench,
  options: { readonly device: string; readonly rounds: number; readonly roundMs: number },
): Promise<void> {
  const { device: id, rounds, roundMs } = options;
  const tables = createTables();
  const signal = new AbortController().signal;
  const drivers = driverTable({ revectorize: true });
  const device = await openTested(id, { batchMs: BATCH_MS, signal }, { drivers, tables });
  try {
    const { hasherPerSecond, verifierPerSecond } = await measurePoolVerify(
      { seed: SEED, rounds, roundMs },
      { hasher: device, tables, confirm: () => openConfirmingHasher(device.info.kernel) },
    );
    for (const [round, plain] of hasherPerSecond.entries()) {
      const verified = verifierPerSecond[round]!;
      bench.figures.add(`hashes of ${id}, plain calls`, '1/s', plain);
      bench.figures.add('shares verified', '1/s', verified);
      bench.figures.add('verified : plain', '%', (100 * verified) / plain, { least: 90 });
    }
  } finally {
    await device.close();
  }
}
