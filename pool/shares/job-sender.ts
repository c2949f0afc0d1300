/**
 * Gives every client its jobs: at login, for each template in one synchronous loop in the order of the
 * logins, and when its difficulty changes. A changed difficulty is a new job of the same template, with
 * its header a second later: what was found for the old job keeps the old one's difficulty.
 */
import type { Clock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { PoolMeter } from '../meter.ts';
import type { PoolTemplate } from '../template.ts';
import { JobIds, PoolJob, Work } from './jobs.ts';
import type { PoolSession } from './session.ts';

export interface JobSenderOptions {
  readonly maxDifficulty: bigint;
  /**
   * No job is harder than its block: then every block is a share as well. It wins over any minimum, also
   * the pool's, as a share that is harder to find than a block helps nobody.
   */
  readonly capsAtNetwork: boolean;
}

export interface JobSenderParts {
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly meter: Pick<PoolMeter, 'jobsSent'>;
  readonly log: Logger;
}

/** New difficulties under load are told over so long, so that not all miners turn round at once. */
const SPREAD_MS = 2000;
const SPREAD_STEPS = 20;

export class JobSender {
  /** In the order of the logins. */
  readonly sessions: Set<PoolSession> = new Set();
  readonly #options: JobSenderOptions;
  readonly #parts: JobSenderParts;
  readonly #ids: JobIds;
  #work: Work | undefined;
  #loadFactor = 1n;
  /** Ends an earlier spreading: the newer one does its work. */
  #spreading = new AbortController();

  constructor(options: JobSenderOptions, parts: JobSenderParts) {
    this.#options = options;
    this.#parts = parts;
    this.#ids = new JobIds(parts.now());
  }

  /** The newest; `undefined` until there was a template. */
  get work(): Work | undefined {
    return this.#work;
  }

  get loadFactor(): number {
    return Number(this.#loadFactor);
  }

  /** A job of `work` for a client, remembered as given out; the caller sends it. */
  next(session: PoolSession, work: Work, isClean: boolean): PoolJob {
    const difficulty = this.#difficultyOf(session, work);
    const newest = session.jobs.newest;
    const now = this.#parts.clock.now();
    const job = new PoolJob(
      this.#ids.next(),
      work,
      difficulty,
      // Targets are dear to make and seldom change.
      newest?.difficulty === difficulty ? newest.target : session.client.targetFor(difficulty),
      session.range.start,
      isClean,
      now,
    );
    session.jobs.add(job);
    session.vardiff?.applied(difficulty, now);
    return job;
  }

  /** True if this process gave a job of that id to somebody, though it may be forgotten by now. */
  isKnownId(id: string): boolean {
    return this.#ids.has(id);
  }

  /** A new template: a job for everybody. */
  accept(template: PoolTemplate, isClean: boolean): void {
    const { clock, meter } = this.#parts;
    const began = clock.now();
    const before = this.#work;
    const isNewEpoch = isClean || before === undefined;
    const work = new Work(template, isNewEpoch ? { endedAt: undefined } : before.epoch);
    this.#work = work;
    for (const session of this.sessions) this.#send(session, work, isClean);
    const ended = clock.now();
    // The grace begins when the last of them has it.
    if (isNewEpoch && before !== undefined) before.epoch.endedAt = ended;
    meter.jobsSent(this.sessions.size, ended - began, isClean);
  }

  /**
   * Tells a client its new difficulty, if what it has is another: now, or with the next template if it
   * was told too often of this one.
   */
  refresh(session: PoolSession): void {
    const work = this.#work;
    if (work === undefined || session.hasLeft) return;
    const { newest } = session.jobs;
    if (this.#difficultyOf(session, work) === newest?.difficulty) return;
    const own = newest?.work.origin === work ? newest.work.later() : work;
    if (own !== undefined) this.#send(session, own, false);
  }

  /** The factor for all difficulties, the fixed too. New jobs go out over two seconds. */
  setLoadFactor(factor: number): void {
    const whole = BigInt(Math.max(1, Math.round(factor)));
    if (whole === this.#loadFactor) return;
    this.#loadFactor = whole;
    this.#spreading.abort();
    this.#spreading = new AbortController();
    void this.#refreshAll(this.#spreading.signal);
  }

  close(): void {
    this.#spreading.abort();
  }

  /** Never rejects. */
  async #refreshAll(signal: AbortSignal): Promise<void> {
    // Who logs in meanwhile has the new difficulty from the start.
    const all = [...this.sessions];
    const each = Math.ceil(all.length / SPREAD_STEPS);
    for (let at = 0; at < all.length; at += each) {
      for (const session of all.slice(at, at + each)) this.refresh(session);
      await this.#parts.clock.sleep(SPREAD_MS / SPREAD_STEPS, signal);
      if (signal.aborted) return;
    }
  }

  #send(session: PoolSession, work: Work, isClean: boolean): void {
    try {
      session.client.sendJob(this.next(session, work, isClean));
    } catch (error) {
      // One client's trouble must not keep the others from their jobs.
      const { peer } = session.client;
      this.#parts.log.error('job not sent', { peer, reason: errorText(error) });
    }
  }

  #difficultyOf(session: PoolSession, work: Work): bigint {
    const { difficulty } = session;
    // Also of a difficulty that was promised to be fixed: miners could set it low, all of them, and the
    // pool would drown in shares. To answer everybody comes before that promise.
    const own = typeof difficulty === 'bigint' ? difficulty : difficulty.difficulty;
    let wanted = own * this.#loadFactor;
    if (wanted > this.#options.maxDifficulty) wanted = this.#options.maxDifficulty;
    if (this.#options.capsAtNetwork) {
      const cap = work.capFor(session.client);
      if (wanted > cap) wanted = cap;
    }
    return wanted < 1n ? 1n : wanted;
  }
}
