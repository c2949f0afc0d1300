/**
 * The way of a nonce from the device that found it to the source: is it news, is it still wanted,
 * does another path compute the same, and what did the source say.
 */
import { targetToDifficulty } from '../src/tensority/target.ts';
import { errorText } from '../src/util/errors.ts';
import type { Logger } from '../src/util/log.ts';
import { bytesToU256 } from '../src/util/u256.ts';
import { addCounts, createCounts, type MutableShareCounts, type ShareCounts } from './counters.ts';
import type { JobSource, MiningJob, Share } from './job-source.ts';
import type { Recheck } from './recheck.ts';
import { logDropped, logOutcome, logWrongNonce } from './report/lines.ts';
import type { Assignment, WorkBoard } from './work-board.ts';

export interface ShareDeskOptions {
  /** Sends shares that came too late as well; some pools pay for them. */
  readonly sendStales?: boolean;
}

export interface ShareDeskParts {
  readonly source: Pick<JobSource, 'submit'>;
  readonly board: WorkBoard;
  readonly recheck: Recheck;
  /** Hears of every accepted share, after it was counted. */
  readonly onAccepted: () => void;
}

/** Who found a nonce, as far as the desk is concerned. */
export interface Finder {
  readonly id: string;
  readonly log: Logger;
  /** The kernel it runs, which the check must not share. */
  readonly kernel: string | undefined;
  /** How many tests it has passed since it was opened. */
  readonly tests: number;
  /** What it reported when it had passed `tests` tests was wrong: it needs another. */
  distrust(tests: number): void;
  /** A nonce of it was checked. */
  wake(): void;
}

export class ShareDesk {
  readonly #options: ShareDeskOptions;
  readonly #parts: ShareDeskParts;
  readonly #counts = new Map<string, MutableShareCounts>();
  /** Nonces that wait for their check, by device. */
  readonly #waiting = new Map<string, number>();
  /** Checks and submissions under way. */
  readonly #pending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: ShareDeskOptions, parts: ShareDeskParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** What became of the shares of a device. */
  countsOf(id: string): ShareCounts {
    return this.#of(id);
  }

  get totals(): ShareCounts {
    return addCounts([...this.#counts.values()]);
  }

  /** Nonces of a device that wait for their check. */
  waitingOf(id: string): number {
    return this.#waiting.get(id) ?? 0;
  }

  /** Takes a nonce in; all else happens behind the scenes. The same nonce may come several times. */
  take(finder: Finder, assignment: Assignment, nonce: bigint): void {
    const { job, space, found } = assignment;
    if (found.get(nonce) === true) return;
    found.set(nonce, true);
    if (!space.has(nonce)) {
      const reason = `not one of ${space.start} … ${space.end - 1n}`;
      this.#wrong(finder, finder.tests, job, nonce, reason);
      return;
    }
    if (this.#isUnwanted(assignment)) {
      this.#of(finder.id).stale++;
      logDropped(finder.log, job, nonce, this.totals);
      return;
    }
    this.#waiting.set(finder.id, this.waitingOf(finder.id) + 1);
    this.#run(finder, this.#check(finder, assignment, nonce));
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Nobody waits any longer: nonces whose check has not begun are dropped. */
  close(): void {
    this.#isClosed = true;
  }

  async #check(finder: Finder, assignment: Assignment, nonce: bigint): Promise<void> {
    const { board, recheck } = this.#parts;
    const { job, work } = assignment;
    const { tests } = finder;
    const isUnwanted = (): boolean => this.#isClosed || this.#isUnwanted(assignment);
    const checked = await recheck.check(work, nonce, finder.kernel, isUnwanted).finally(() => {
      this.#waiting.set(finder.id, this.waitingOf(finder.id) - 1);
      finder.wake();
    });
    if (checked === undefined && this.#isClosed) return;
    if (checked === undefined || (checked.meetsTarget && this.#isUnwanted(assignment))) {
      this.#of(finder.id).stale++;
      logDropped(finder.log, job, nonce, this.totals);
      return;
    }
    const { headerHash, powHash } = checked;
    if (!checked.meetsTarget) {
      this.#wrong(finder, tests, job, nonce, 'its hash does not meet the target');
      return;
    }
    const counts = this.#of(finder.id);
    counts.bestShare = Math.max(counts.bestShare, targetToDifficulty(bytesToU256(powHash)));
    await this.#submit(finder, {
      job: board.jobFor(assignment, powHash),
      nonce,
      headerHash,
      powHash,
    });
  }

  async #submit(finder: Finder, share: Share): Promise<void> {
    const outcome = await this.#parts.source.submit(share);
    const counts = this.#of(finder.id);
    counts[outcome.status]++;
    const isAccepted = outcome.status === 'accepted';
    if (isAccepted && outcome.block) counts.blocks++;
    logOutcome(finder.log, share, outcome, this.totals);
    if (isAccepted) this.#parts.onAccepted();
  }

  #wrong(finder: Finder, tests: number, job: MiningJob, nonce: bigint, reason: string): void {
    this.#of(finder.id).hardwareErrors++;
    logWrongNonce(finder.log, job, nonce, this.totals, reason);
    finder.distrust(tests);
  }

  #isUnwanted(assignment: Assignment): boolean {
    return this.#options.sendStales !== true && this.#parts.board.isStale(assignment);
  }

  #run(finder: Finder, task: Promise<void>): void {
    const pending = task
      .catch((error: unknown) => {
        finder.log.error('share lost', { error: errorText(error) });
      })
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  #of(id: string): MutableShareCounts {
    let counts = this.#counts.get(id);
    if (counts === undefined) {
      counts = createCounts();
      this.#counts.set(id, counts);
    }
    return counts;
  }
}
