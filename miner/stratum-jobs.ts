/**
 * From the jobs of a pool to the jobs of the miner: which ones are news, which make older shares
 * worthless, and which nonces are ours. Pools repeat jobs (btmcpool right after the login, btc.com
 * every 30 s under another id), so every job is compared with what came before.
 */
import type { StratumJob } from '../src/stratum/job.ts';
import { bitsToTarget } from '../src/tensority/target.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import type { MiningJob } from './job-source.ts';

/** Nonces from 2^63 on cannot be put in a block header. */
export const NONCE_LIMIT: bigint = 1n << 63n;

/** Jobs of one connection whose shares can still be sent. */
const REMEMBERED_JOBS = 64;

export interface NonceSpan {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * The nonces a start nonce gives us. How many is not said anywhere: btmcpool's starts end in at
 * least 45 zero bits and own 2^45; others put a 32-bit session id on top of 2^32. A start without
 * 32 zero bits (btc.com's big-endian one, read little-endian) gets 2^32 too. Bit 63 is dropped:
 * such nonces fit no header.
 */
export function nonceSpan(start: bigint): NonceSpan {
  const usable = start & (NONCE_LIMIT - 1n);
  const width = usable % (1n << 45n) === 0n ? 1n << 45n : 1n << 32n;
  const end = usable + width;
  return { start: usable, end: end < NONCE_LIMIT ? end : NONCE_LIMIT };
}

/** True if both mean the same hashes of the same nonces: only job id and target may differ. */
function isSameWork(a: MiningJob, b: MiningJob): boolean {
  return (
    isSameTip(a, b) &&
    a.nonceStart === b.nonceStart &&
    a.header.version === b.header.version &&
    a.header.timestamp === b.header.timestamp &&
    a.header.bits === b.header.bits &&
    bytesEqual(a.header.transactionsMerkleRoot, b.header.transactionsMerkleRoot) &&
    bytesEqual(a.header.transactionStatusHash, b.header.transactionStatusHash)
  );
}

/** Follows the jobs of a pool over one connection after the other. */
export class JobTracker {
  #last: MiningJob | undefined;
  /** The connection has given no job yet. */
  #isNew = true;
  /** Jobs of this connection by id, oldest first. */
  readonly #issued = new Map<string, MiningJob>();

  /** From now on jobs come over another connection; jobs of the old one are unknown there. */
  startConnection(): void {
    this.#isNew = true;
    this.#issued.clear();
  }

  /** The miner's job for the pool's next one; undefined if that is an exact repeat of the last. */
  next(job: StratumJob): MiningJob | undefined {
    const last = this.#last;
    const fresh = toMiningJob(job);
    const isFirst = this.#isNew || last === undefined;
    const sameWork = last !== undefined && isSameWork(last, fresh);
    if (sameWork && !isFirst && last.jobId === fresh.jobId && last.target === fresh.target) {
      return undefined;
    }
    // The same work can be sent under its new id, even over another connection.
    const clean = job.clean === true || (!sameWork && (isFirst || !isSameTip(last, fresh)));
    const next = { ...fresh, clean, ...(sameWork ? { sameWorkAs: last.jobId } : {}) };
    this.#last = next;
    this.#isNew = false;
    this.#remember(next);
    return next;
  }

  /**
   * The id under which a share of `job` can be sent over the present connection: its own, or that
   * of the same work. Undefined if there is none: after a reconnect, or when the pool gave the id
   * to other work and would check the share with that.
   */
  idFor(job: MiningJob): string | undefined {
    const named = this.#issued.get(job.jobId);
    if (named !== undefined && isSameWork(named, job)) return job.jobId;
    const same = [...this.#issued.values()].findLast((issued) => isSameWork(issued, job));
    return same?.jobId;
  }

  #remember(job: MiningJob): void {
    this.#issued.delete(job.jobId);
    this.#issued.set(job.jobId, job);
    const oldest = this.#issued.keys().next();
    if (this.#issued.size > REMEMBERED_JOBS && !oldest.done) this.#issued.delete(oldest.value);
  }
}

function toMiningJob(job: StratumJob): MiningJob {
  const { start, end } = nonceSpan(job.nonce);
  const network = bitsToTarget(job.bits);
  return {
    jobId: job.jobId,
    header: {
      version: job.version,
      height: job.height,
      previousBlockHash: job.previousBlockHash,
      timestamp: job.timestamp,
      transactionsMerkleRoot: job.transactionsMerkleRoot,
      transactionStatusHash: job.transactionStatusHash,
      nonce: start,
      bits: job.bits,
    },
    seed: job.seed,
    // A block must be sent even where the network is easier than the share.
    target: network > job.target ? network : job.target,
    nonceStart: start,
    nonceEnd: end,
    clean: true,
  };
}

function isSameTip(a: MiningJob, b: MiningJob): boolean {
  return (
    a.header.height === b.header.height &&
    bytesEqual(a.header.previousBlockHash, b.header.previousBlockHash) &&
    bytesEqual(a.seed, b.seed)
  );
}
