/**
 * The conformance suite over a simulated board with real hashes, on the host's own clock: they take tens of
 * milliseconds each, and so does this suite.
 */
import { afterAll } from 'vitest';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { createSerialDriver } from '../../drivers/serial/driver.ts';
import { SimulatedBoard } from '../../firmware-bridge/sim/simulated-board.ts';
import { openConfirmingHasher, openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { describeConformance } from './conformance.ts';

const VECTORS = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
  group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
);

const cache = new TableCache({ capacity: 3 }, { build: buildMatrixTable });
const tables = cache.get.bind(cache);
const hasher = openCpuHasher({ threads: 1, slots: 3 });
afterAll(() => hasher.close());

describeConformance(
  'serial, a simulated board',
  async () => {
    const board = new SimulatedBoard({}, { tables, hasher });
    Object.assign(board.script, { msPerHash: 0, msPerRow: 0, deriveMs: 0 });
    const driver = createSerialDriver(
      {},
      {
        openPort: async () => board.connect(),
        listPorts: async () => ({ ports: [] }),
        tables,
        openHasher: () => openConfirmingHasher(undefined),
      },
    );
    return {
      device: await driver.open('serial:unix:/simulated', { batchMs: 50 }),
      vectors: VECTORS,
      table: tables,
      lose: () => board.unplug(),
    };
  },
  { canLose: true, isSlow: true },
);
