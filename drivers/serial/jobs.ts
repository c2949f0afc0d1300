/**
 * Work given to a board until it is done: a range of nonces as jobs of the protocol, each given out
 * again from where the host last knew everything if the board, the line or a message of it failed.
 */
import type { Board } from '../../firmware-bridge/board.ts';
import { LinkError, type NakName, PortError } from '../../firmware-bridge/errors.ts';
import { type BoardEvent, DONE_REASONS } from '../../firmware-bridge/events.ts';
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import { ALL_JOBS } from '../../firmware-bridge/messages.ts';
import type { Target } from '../../src/tensority/target.ts';
import type { Clock } from '../../src/util/clock.ts';
import { DriverError } from '../driver.ts';
import { lostBy } from './driver-errors.ts';
import type { HotWait } from './hot-wait.ts';
import { type Claim, JobLedger, type Wrong } from './job-ledger.ts';
import { troubleOf } from './ladder.ts';
import type { Station } from './station.ts';

export interface Task {
  /** u64 */
  readonly start: bigint;
  readonly count: number;
  /** What is to be found; undefined for a single hash. */
  readonly target: Target | undefined;
  /** The next job, of at most `most` nonces. */
  readonly plan: (most: number) => JobPlan;
  readonly send: (board: Board, job: SentJob, signal: AbortSignal) => Promise<unknown>;
  readonly onFound: (nonce: bigint) => void;
  readonly onHashes: (agreement: Agreement) => void;
}

export interface JobPlan {
  readonly count: number;
  /** The target that the board is told, at least the one that is meant; 0 … 2^256 − 1. */
  readonly told: Target;
}

export interface SentJob extends JobPlan {
  readonly jobId: number;
  readonly start: bigint;
}

/** More hashes that a board claims, and of which every share has arrived. */
export interface Agreement {
  readonly count: number;
  /** The last of them. */
  readonly claim: Claim;
  /** Of the target that the board was told, among them. */
  readonly shares: number;
  /** The newest share of the job so far. */
  readonly share: Claim | undefined;
  readonly told: Target;
}

export interface JobsParts {
  readonly station: Station;
  readonly clock: Clock;
  /** False while the board is too hot. Rings the station's bell when it changes. */
  readonly mayWork: () => boolean;
  readonly hot: HotWait;
  readonly onWrong: (wrong: Wrong) => void;
  readonly onNotice: (text: string) => void;
  readonly random: () => number;
}

/** Nonces of a job: the protocol counts its shares in 16 bits, and all of them might be shares. */
const JOB_NONCES = 0x8000;
/** How long an ABORT may take; after that what is known has to do. */
const ABORT_MS = 400;
/** Pauses after a job that came to nothing. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
/** Jobs that came to nothing, in a row, until the board is treated as one that hangs. */
const MAX_FRUITLESS = 6;
/** Jobs in a row of which a share was lost before anything was agreed: now and then a line does that. */
const MANY_GAPS = 3;
const MAX_GAPS = 12;
/** Refusals in a row that a board gives whatever it is told. */
const MAX_REFUSALS = 6;

export class Jobs {
  readonly #parts: JobsParts;
  #nextId: number;
  #running: RunningJob | undefined;

  constructor(parts: JobsParts) {
    this.#parts = parts;
    // Not from 0: a board may still tell of the jobs that it had from an earlier program.
    this.#nextId = Math.floor(parts.random() * ALL_JOBS);
  }

  /** The job that the board has taken and that is not over. */
  get running(): RunningJob | undefined {
    return this.#running;
  }

  /** An id that no job had lately. */
  newId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) % ALL_JOBS;
    return id;
  }

  /**
   * Until all is hashed, the signal aborts or the station is over. Resolves with how many nonces from
   * the start on are hashed and known in full. Rejects `DriverError` if the board refuses the work as such,
   * or never says all of it.
   */
  async run(task: Task, signal: AbortSignal): Promise<number> {
    const { station, mayWork, clock, hot } = this.#parts;
    let done = 0;
    let fruitless = 0;
    let gaps = 0;
    let refusals = 0;
    while (done < task.count) {
      await station.bell.until(() => station.isOver || (station.isReady && mayWork()), signal);
      if (signal.aborted || station.isOver) break;
      const job = new RunningJob(task, done, this.newId(), this.#parts);
      await this.#follow(job, signal);
      const { agreed, hasGap } = job.ledger;
      done += agreed;
      if (agreed > 0) {
        hot.end();
        fruitless = 0;
        gaps = 0;
        refusals = 0;
      }
      if (job.isHot) await hot.pause(signal);
      else if (job.refusal !== undefined && ++refusals >= MAX_REFUSALS) throw lostBy(job.refusal);
      if (agreed > 0) continue;
      if (hasGap) {
        gaps++;
        this.#onGap(gaps);
        await clock.sleep(pauseMs(gaps), signal);
      } else if (job.isExcused) {
        fruitless = 0;
      } else {
        fruitless++;
        if (fruitless % MAX_FRUITLESS === 0) station.trouble('stuck');
        await clock.sleep(pauseMs(fruitless), signal);
      }
    }
    return done;
  }

  /** So many jobs in a row lost a share: what the board tells of them is never whole. */
  #onGap(gaps: number): void {
    if (gaps % MANY_GAPS !== 0) return;
    const reason = `shares got lost of ${gaps} jobs in a row`;
    const error = new DriverError({ code: 'lost', reason });
    if (gaps >= MAX_GAPS) throw error;
    this.#parts.onNotice(reason);
    this.#parts.station.trouble('stuck', error);
  }

  async #follow(job: RunningJob, signal: AbortSignal): Promise<void> {
    try {
      if (!(await job.send(signal))) return;
      this.#running = job;
      // What it says may get lost to the last word: the watch has to know of it.
      this.#parts.station.bell.ring();
      await job.over(signal);
    } finally {
      this.#running = undefined;
      job.close();
    }
  }
}

/** A board that refuses work so does not do such work: to ask again is of no use. */
export function isNoSuchWork(nak: NakName | number): boolean {
  return nak === 'RANGE' || nak === 'BAD_LEN' || nak === 'UNKNOWN_TYPE';
}

function pauseMs(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
}

/** One job on the board. */
export class RunningJob {
  readonly id: number;
  readonly ledger: JobLedger;
  /** The board said that it is too hot for it. */
  isHot = false;
  /** What the board refused it with, unless that passes by itself. */
  refusal: LinkError | undefined;
  readonly #task: Task;
  readonly #parts: JobsParts;
  readonly #board: Board;
  readonly #generation: number;
  readonly #epoch: number | undefined;
  readonly #start: bigint;
  readonly #plan: JobPlan;
  readonly #unsubscribe: () => void;
  #isGivenUp = false;
  #wasSent = false;
  #suspicions = 0;

  /** `done` of the task's nonces are hashed. */
  constructor(task: Task, done: number, id: number, parts: JobsParts) {
    const { station } = parts;
    this.id = id;
    this.#task = task;
    this.#parts = parts;
    this.#board = station.board;
    this.#generation = station.generation;
    this.#epoch = station.epoch;
    this.#start = BigInt.asUintN(64, task.start + BigInt(done));
    this.#plan = task.plan(Math.min(task.count - done, JOB_NONCES));
    const { target } = task;
    this.ledger = new JobLedger({ start: this.#start, ...this.#plan, target }, task.onFound);
    this.#unsubscribe = this.#board.link.onEvent((event) => this.#hear(event));
  }

  /** Not the board's fault, or none that a pause would help against. */
  get isExcused(): boolean {
    const { station } = this.#parts;
    if (!this.#wasSent || this.isHot) return true;
    return !station.isReady || station.generation !== this.#generation;
  }

  /** True if the board took it. Rejects `DriverError` if it refuses such work. */
  async send(signal: AbortSignal): Promise<boolean> {
    const { station } = this.#parts;
    const job = { jobId: this.id, start: this.#start, ...this.#plan };
    try {
      await this.#task.send(this.#board, job, signal);
      this.#wasSent = true;
      return true;
    } catch (error) {
      if (station.isOver) return false;
      if (signal.aborted) {
        // It may have taken it all the same, and would hash for nobody.
        await this.#abort(() => this.#isEnded);
        return false;
      }
      this.#takeRefusal(error);
      return false;
    }
  }

  /** Until nothing more is to be expected of it; on an abort the board is told. Never rejects. */
  async over(signal: AbortSignal): Promise<void> {
    const { station, mayWork } = this.#parts;
    const isEnded = (): boolean => this.#isEnded;
    const isOver = (): boolean =>
      isEnded() || this.ledger.hasGap || station.isOver || this.#isForgotten;
    await station.bell.until(() => isOver() || !mayWork(), signal);
    if (!isOver()) await this.#abort(isEnded);
  }

  /**
   * What STATUS says of it. True if something seems to be missing: an event may still be on its way,
   * so it counts only when it is still missing the next time.
   */
  suspect(status: BoardStatus): boolean {
    const { job } = status;
    const { target } = this.#task;
    const isMissing =
      job?.jobId !== this.id || (target !== undefined && job.shares > this.ledger.sharesKnown);
    this.#suspicions = isMissing ? this.#suspicions + 1 : 0;
    if (this.#suspicions >= 2) this.#giveUp();
    return this.#suspicions > 0;
  }

  close(): void {
    this.#unsubscribe();
  }

  /** The board has said its last of it, or cannot be waited for. */
  get #isEnded(): boolean {
    return this.ledger.isComplete || this.ledger.end !== undefined || this.#isGivenUp;
  }

  /** The board was told anew since, and has no jobs. */
  get #isForgotten(): boolean {
    return this.#parts.station.generation !== this.#generation;
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    this.#parts.station.bell.ring();
  }

  async #abort(isEnded: () => boolean): Promise<void> {
    const { station, clock } = this.#parts;
    const late = new AbortController();
    const told = this.#board
      .abort(this.id)
      .then((count) => {
        // It has no such job, and what it had to say of it came before.
        if (count === 0) this.#giveUp();
      })
      .catch(() => undefined);
    const ended = station.bell.until(() => isEnded() || station.isOver, late.signal);
    await Promise.race([Promise.all([told, ended]), clock.sleep(ABORT_MS, late.signal)]);
    late.abort();
  }

  #takeRefusal(error: unknown): void {
    const { station } = this.#parts;
    if (!(error instanceof LinkError || error instanceof PortError)) throw error;
    const { detail } = error;
    if (detail.code === 'refused') {
      if (detail.nak === 'HOT') {
        this.isHot = true;
        return;
      }
      // It was given up to 2 s by the link.
      if (detail.nak === 'BUSY') {
        this.#wasSent = true;
        return;
      }
      if (isNoSuchWork(detail.nak)) throw lostBy(error);
      // One that a bad line is to blame for is none of the board's.
      if (error instanceof LinkError && troubleOf(error) !== 'silent') this.refusal = error;
    }
    station.failed(error);
  }

  #hear(event: BoardEvent): void {
    if (event.event !== 'SHARE' && event.event !== 'PROGRESS' && event.event !== 'DONE') return;
    if (event.epoch !== this.#epoch || event.jobId !== this.id) return;
    const { station, onWrong } = this.#parts;
    const { agreed: before, sharesAgreed: sharesBefore } = this.ledger;
    const wrong = event.event === 'SHARE' ? this.ledger.share(event) : this.ledger.progress(event);
    if (wrong !== undefined) onWrong(wrong);
    const { agreed, claim, end, sharesAgreed, lastShare: share } = this.ledger;
    if (end === DONE_REASONS.HOT) this.isHot = true;
    if (agreed > before && claim !== undefined) {
      station.moved();
      const { told } = this.#plan;
      const shares = sharesAgreed - sharesBefore;
      this.#task.onHashes({ count: agreed - before, claim, shares, share, told });
    }
    station.bell.ring();
  }
}
