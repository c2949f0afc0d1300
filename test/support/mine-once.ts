/**
 * A program that mines three shares on mock devices with real time, one of which hangs, and must
 * then come to its end without anybody calling `process.exit`.
 */
import { MockDriver } from '../../drivers/mock.ts';
import type { JobSource } from '../../miner/job-source.ts';
import { Miner } from '../../miner/miner.ts';
import { Recheck } from '../../miner/recheck.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { EASY, makeJob } from './rig.ts';
import { StandInHasher, standInTable } from './stand-in-hasher.ts';

const driver = new MockDriver(2, { hasher: () => new StandInHasher() });
driver.control(0).script.msPerHash = 1;
driver.control(1).script.stall = true;
const checker = new StandInHasher();

const source: JobSource = {
  name: 'test',
  run: async (sink, signal) => {
    sink.job(makeJob({ target: EASY }));
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
  submit: async () => ({ status: 'accepted', ms: 0, block: false }),
};

const miner = new Miner(
  { devices: ['mock0', 'mock1'], shares: 3, stopMs: 100 },
  {
    source,
    door: {
      open: (id, signal) => driver.open(id, { batchMs: 10, signal }),
      test: async () => {},
    },
    tables: standInTable,
    recheck: new Recheck({ hasherFor: () => checker, tables: standInTable }),
    log: createSilentLogger(),
  },
);
const outcome = await miner.run(new AbortController().signal);
console.log(`ended: ${outcome.reason}`);
