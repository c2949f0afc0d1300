/**
 * A miner's surroundings for tests: mock devices with cheap hashes on a clock that stands still, a
 * source that only records, and jobs to order.
 */
import type { Device } from '../../drivers/driver.ts';
import { type MockControl, MockDriver } from '../../drivers/mock.ts';
import type { DeviceDoor } from '../../drivers/open.ts';
import type { MiningJob, Share, SubmitOutcome } from '../../miner/job-source.ts';
import { Recheck } from '../../miner/recheck.ts';
import type { SchedulerParts } from '../../miner/scheduler.ts';
import { type BlockHeader, headerHash } from '../../src/chain/header.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { FakeClock } from './fake-clock.ts';
import { RecordingLog } from './recording-log.ts';
import { StandInHasher, standInHash, standInTable } from './stand-in-hasher.ts';

/** What a mock device takes: 40 hashes per second, in batches of one and, once it knows that, of 4. */
const MS_PER_HASH = 25;
export const BATCH = 4;
export const BATCH_MS = 100;
/** Every hash meets it, and about one in eight. */
export const ANY: bigint = (1n << 256n) - 1n;
export const EASY: bigint = 1n << 253n;

export class Rig {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly devices: readonly string[];
  readonly driver: MockDriver;
  /** Shares that arrived at the source. */
  readonly submitted: Share[] = [];
  /** What the source answers. */
  answer: (share: Share) => SubmitOutcome | Promise<SubmitOutcome> = () => ({
    status: 'accepted',
    ms: 48,
    block: false,
  });
  /** Hashes of the second path so far, and what each of them waits for. */
  checks = 0;
  holdCheck: () => Promise<void> = async () => {};
  /** Self-tests of open devices, by id; `test` decides how they end. */
  readonly tests: string[] = [];
  test: (device: Device) => Promise<void> = async () => {};

  constructor(count = 1) {
    this.devices = Array.from({ length: count }, (_, index) => `mock${index}`);
    this.driver = new MockDriver(count, {
      hasher: () => new StandInHasher({ maxBatch: BATCH }),
      clock: this.clock,
    });
    for (let i = 0; i < count; i++) this.control(i).script.msPerHash = MS_PER_HASH;
  }

  control(index: number): MockControl {
    return this.driver.control(index);
  }

  get door(): DeviceDoor {
    return {
      open: (id, signal) => this.driver.open(id, { batchMs: BATCH_MS, signal }),
      test: async (device) => {
        this.tests.push(device.info.id);
        await this.test(device);
      },
    };
  }

  get parts(): SchedulerParts {
    const checker = new StandInHasher();
    const hash = checker.hash.bind(checker);
    checker.hash = async (...args): Promise<void> => {
      // First: a call without the seed loaded is refused at once, and is no check.
      await hash(...args);
      this.checks++;
      await this.holdCheck();
    };
    return {
      door: this.door,
      tables: standInTable,
      recheck: new Recheck({ hasherFor: () => checker, tables: standInTable }),
      source: { submit: (share) => this.submit(share) },
      log: this.log,
      clock: this.clock,
      // The longest pause there can be, so that times are known.
      random: () => 1 - Number.EPSILON,
    };
  }

  async submit(share: Share): Promise<SubmitOutcome> {
    this.submitted.push(share);
    return this.answer(share);
  }

  /** The nonces that arrived, in order of their size. */
  get nonces(): readonly bigint[] {
    return this.submitted.map((share) => share.nonce).sort((a, b) => (a < b ? -1 : 1));
  }
}

export interface JobWishes extends Partial<Omit<MiningJob, 'header'>> {
  readonly height?: number;
}

/** A job whose header follows from `height`; clean, with 2^40 nonces, and none of them good. */
export function makeJob(wishes: JobWishes = {}): MiningJob {
  const { height = 100, ...job } = wishes;
  const header: BlockHeader = {
    version: 1,
    height,
    previousBlockHash: new Uint8Array(32).fill(height),
    timestamp: 1_600_000_000,
    transactionsMerkleRoot: new Uint8Array(32).fill(3),
    transactionStatusHash: new Uint8Array(32).fill(4),
    nonce: 0n,
    bits: 0x1e00_0000_0010_0000n,
  };
  return {
    jobId: `job${height}`,
    header,
    seed: new Uint8Array(32).fill(5),
    target: -1n,
    nonceStart: 0n,
    nonceEnd: 1n << 40n,
    clean: true,
    ...job,
  };
}

/** The nonces among the first `count` of a job that meet its target, by the stand-in's hash. */
export function goodNonces(job: MiningJob, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => job.nonceStart + BigInt(i)).filter((nonce) =>
    meetsTarget(standInHash(job.seed, headerHash({ ...job.header, nonce })), job.target),
  );
}
