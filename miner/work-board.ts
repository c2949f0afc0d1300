/**
 * What there is to work on: the present job with its nonces, and which older ones still count.
 *
 * A clean job raises the generation: work of an older one is stale. A job that keeps the tip only
 * replaces the last one, whose shares stay good. A job that differs in id or target alone goes on
 * with the nonces where they were.
 */
import type { Work } from '../drivers/driver.ts';
import { headerPreimage, PREIMAGE_NONCE_OFFSET } from '../src/chain/header.ts';
import { meetsTarget } from '../src/tensority/target.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import type { MiningJob } from './job-source.ts';
import { NonceSpace } from './nonce-space.ts';

/** A job, as devices work on it. */
export interface Assignment {
  readonly job: MiningJob;
  readonly work: Work;
  /** Shared by jobs that are the same work. */
  readonly space: NonceSpace;
  /** Nonces found so far, so that none is sent twice; shared like `space`. */
  readonly found: Set<bigint>;
}

export type JobChange = 'clean' | 'next' | 'same-work';

export class WorkBoard {
  #generation = 0;
  /** The last job, also while there is nothing to do. */
  #last: Assignment | undefined;
  #isIdle = true;

  /** What to work on; undefined while there is nothing to do. */
  get current(): Assignment | undefined {
    return this.#isIdle ? undefined : this.#last;
  }

  /** Puts up a job in place of the last one, and says how it differs. */
  post(job: MiningJob): JobChange {
    const last = this.#last;
    const preimage = headerPreimage(job.header);
    const same = last !== undefined && isSameWork(last, job, preimage);
    if (!same && job.clean) this.#generation++;
    this.#last = {
      job,
      work: {
        jobId: job.jobId,
        generation: this.#generation,
        preimage,
        seed: job.seed,
        target: job.target,
      },
      space: same ? last.space : new NonceSpace(job.nonceStart, job.nonceEnd),
      found: same ? last.found : new Set(),
    };
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
function isSameWork(last: Assignment, job: MiningJob, preimage: Uint8Array): boolean {
  return (
    bytesEqual(
      last.work.preimage.subarray(0, PREIMAGE_NONCE_OFFSET),
      preimage.subarray(0, PREIMAGE_NONCE_OFFSET),
    ) &&
    bytesEqual(last.work.seed, job.seed) &&
    last.space.start === job.nonceStart &&
    last.space.end === job.nonceEnd
  );
}
