/**
 * What there is to work on: the present job with its nonces, and which older ones still count.
 *
 * A clean job raises the generation: work of an older one is stale. A job that keeps the tip only
 * replaces the last one, whose shares stay good. A job that differs in id or target alone goes on
 * with the nonces where they were, and so does one that comes back after others: a pool that is
 * returned to before the next block mostly has the same work, and knows the shares of it.
 */
import type { Work } from '../drivers/driver.ts';
import { headerPreimage, PREIMAGE_NONCE_OFFSET } from '../src/chain/header.ts';
import { meetsTarget } from '../src/tensority/target.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import { LruMap } from '../src/util/lru.ts';
import type { MiningJob } from './job-source.ts';
import { NonceSpace } from './nonce-space.ts';

/** A job, as devices work on it. */
export interface Assignment {
  readonly job: MiningJob;
  readonly work: Work;
  /** Shared by jobs that are the same work. */
  readonly space: NonceSpace;
  /** The nonces found last, so that none is sent twice; shared like `space`. */
  readonly found: LruMap<bigint, true>;
}

export type JobChange = 'clean' | 'next' | 'same-work';

/**
 * Found nonces that are remembered. A nonce comes again soon or never: from the search that found
 * it, or from one that repeats the unfinished part of its range.
 */
const REMEMBERED_NONCES = 16_384;
/** Jobs whose nonces are not begun anew should they come back. */
const REMEMBERED_JOBS = 8;

export class WorkBoard {
  #generation = 0;
  #isIdle = true;
  /** The last jobs of different work, the newest last. */
  #recent: readonly Assignment[] = [];

  /** What to work on; undefined while there is nothing to do. */
  get current(): Assignment | undefined {
    return this.#isIdle ? undefined : this.#last;
  }

  /** The last job, also while there is nothing to do. */
  get #last(): Assignment | undefined {
    return this.#recent.at(-1);
  }

  /** Puts up a job in place of the last one, and says how it differs. */
  post(job: MiningJob): JobChange {
    const preimage = headerPreimage(job.header);
    const before = this.#recent.find((recent) => isSameWork(recent, job, preimage));
    const same = before !== undefined && before === this.#last;
    if (!same && job.clean) this.#generation++;
    const current: Assignment = {
      job,
      work: {
        jobId: job.jobId,
        generation: this.#generation,
        preimage,
        seed: job.seed,
        target: job.target,
      },
      space: before?.space ?? new NonceSpace(job.nonceStart, job.nonceEnd),
      found: before?.found ?? new LruMap(REMEMBERED_NONCES),
    };
    const others = this.#recent.filter((recent) => recent !== before);
    this.#recent = [...others, current].slice(-REMEMBERED_JOBS);
    this.#isIdle = false;
    return same ? 'same-work' : job.clean ? 'clean' : 'next';
  }

  /** Takes the job down: there is nothing to do until the next one. */
  clear(): void {
    this.#isIdle = true;
  }

  /** True if shares of this work are worthless by now. */
  isStale(assignment: Assignment): boolean {
    return assignment.work.generation !== this.#generation;
  }

  /** The job to send a share under: the newest that is the same work and that the hash is good enough for. */
  jobFor(assignment: Assignment, powHash: Uint8Array): MiningJob {
    const last = this.#last;
    const isNewer = last !== undefined && last.space === assignment.space;
    return isNewer && meetsTarget(powHash, last.job.target) ? last.job : assignment.job;
  }
}

/** True if both mean the same hashes of the same nonces. */
function isSameWork(before: Assignment, job: MiningJob, preimage: Uint8Array): boolean {
  return (
    bytesEqual(
      before.work.preimage.subarray(0, PREIMAGE_NONCE_OFFSET),
      preimage.subarray(0, PREIMAGE_NONCE_OFFSET),
    ) &&
    bytesEqual(before.work.seed, job.seed) &&
    before.space.start === job.nonceStart &&
    before.space.end === job.nonceEnd
  );
}
