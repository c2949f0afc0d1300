/**
 * Asks a board how it is, each second while it works: whether it answers, whether it started anew,
 * whether its hash goes on, whether it has said all that the host should have heard.
 */
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import type { Clock } from '../../src/util/clock.ts';
import type { Jobs, RunningJob } from './jobs.ts';
import { isRefusal, longestWorkMs } from './ladder.ts';
import type { Station } from './station.ts';

export interface WatchParts {
  readonly station: Station;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly onStatus: (status: BoardStatus) => void;
  /** What a row under a fresh seed took, in ms; undefined if nobody measured that. */
  readonly rowMs?: number | undefined;
}

const BUSY_MS = 1000;
const IDLE_MS = 10_000;
/** A message that is missing may still be on its way. */
const SUSPICION_MS = 250;
/** A product takes a 256th of a hash; nothing may move for so many of them. */
const PATIENCE_PRODUCTS = 3;
/** Two looks in a row: one alone may have come just after the last movement. */
const LEAST_PATIENCE_MS = 2000;
const PRODUCTS = 256;
/**
 * A row under a fresh seed holds all the work of one product, and hundreds of matrices that are made
 * again: no product takes longer, and of a slow board none takes more than this.
 */
const LONGEST_PRODUCT_MS = 20_000;
/** Looks in a row that a board may refuse; each takes up to 2 s. */
const MAX_REFUSALS = 10;

/** What was last seen to move, and when. */
interface Position {
  readonly job: RunningJob;
  readonly nextNonce: bigint;
  /** The furthest of this nonce: one that begins again and again gets nowhere. */
  readonly product: number;
  readonly at: number;
}

export class Watch {
  readonly #parts: WatchParts;
  #uptimeS = 0;
  #generation = 0;
  #refusals = 0;
  /** The job that the last look showed though nobody waits for one. */
  #strayId: number | undefined;
  /** The state that it is in, and since when. */
  #state: { readonly is: BoardStatus['state']; readonly since: number } | undefined;
  #position: Position | undefined;
  /** The longest time that a product took, at full duty; undefined before one was seen. */
  #productMs: number | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { station, jobs, clock } = this.#parts;
    let pauseMs = BUSY_MS;
    let lookedAt = clock.now();
    while (!signal.aborted) {
      const pause = new AbortController();
      const due = clock.sleep(pauseMs, pause.signal);
      // Work that begins makes it busy: it is looked at within a second.
      const begins = station.bell
        .until(() => jobs.running !== undefined, pause.signal)
        .then(() => clock.sleep(Math.max(0, lookedAt + BUSY_MS - clock.now()), pause.signal));
      const stop = (): void => pause.abort();
      signal.addEventListener('abort', stop);
      await (pauseMs > BUSY_MS ? Promise.race([due, begins]) : due);
      pause.abort();
      signal.removeEventListener('abort', stop);
      await station.ready(signal);
      if (signal.aborted) return;
      lookedAt = clock.now();
      pauseMs = await this.#look();
    }
  }

  /** Looks once; returns when to look again. */
  async #look(): Promise<number> {
    const { station, jobs, clock } = this.#parts;
    const { running } = jobs;
    const { generation, board } = station;
    try {
      const status = await board.status();
      if (!station.isReady || station.generation !== generation) return BUSY_MS;
      this.#refusals = 0;
      this.#parts.onStatus(status);
      if (this.#isNew(status)) {
        station.trouble('forgetful');
        return BUSY_MS;
      }
      station.saw(status);
      if (this.#isExcused(status, clock.now())) station.alive();
      if (running === undefined || jobs.running !== running) {
        this.#position = undefined;
        const isStray = await this.#endStray(status);
        return jobs.running === undefined && !isStray ? IDLE_MS : BUSY_MS;
      }
      this.#strayId = undefined;
      if (running.suspect(status)) return SUSPICION_MS;
      if (this.#isStuck(running, status, clock.now())) station.trouble('stuck');
    } catch (error) {
      this.#fail(error);
    }
    return BUSY_MS;
  }

  #fail(error: unknown): void {
    const { station } = this.#parts;
    const isHot = isRefusal(error, 'HOT');
    if (!isHot && !isRefusal(error, 'BUSY')) {
      station.failed(error);
      return;
    }
    // An answer all the same.
    if (isHot) station.alive();
    if (++this.#refusals % MAX_REFUSALS === 0) station.trouble('stuck', error);
  }

  /** It started since it was last told what it has to know. */
  #isNew(status: BoardStatus): boolean {
    const { station } = this.#parts;
    const isSame = station.generation === this.#generation;
    const wentBack = isSame && status.uptimeS < this.#uptimeS;
    this.#generation = station.generation;
    this.#uptimeS = status.uptimeS;
    const { epoch } = station;
    const hasForgotten = epoch !== undefined && status.epoch !== epoch && !isMaking(status);
    return isSame && (wentBack || hasForgotten);
  }

  /** It has a reason to give nothing: the heat for as long as it takes, other work for some time. */
  #isExcused(status: BoardStatus, now: number): boolean {
    const { state } = status;
    if (this.#state?.is !== state) this.#state = { is: state, since: now };
    if (state === 'HOT') return true;
    const isAtWork = isMaking(status) || state === 'ROWS';
    return isAtWork && now - this.#state.since < longestWorkMs(this.#parts.rowMs);
  }

  /**
   * Ends a job that nobody waits for: the answer to its JOB got lost, or its ABORT. True if there seems to
   * be one; the first time it may be one that is being given just now.
   */
  async #endStray({ job }: BoardStatus): Promise<boolean> {
    const { station, jobs } = this.#parts;
    const last = this.#strayId;
    this.#strayId = jobs.running === undefined ? job?.jobId : undefined;
    if (job === undefined || this.#strayId === undefined) return false;
    if (last === job.jobId) await station.board.abort(job.jobId);
    return true;
  }

  #isStuck(job: RunningJob, status: BoardStatus, now: number): boolean {
    const { job: at } = status;
    if (at === undefined) return false;
    const { nextNonce, product } = at;
    const last = this.#position?.job === job ? this.#position : undefined;
    if (last === undefined) {
      this.#position = { job, nextNonce, product, at: now };
      return false;
    }
    const hashes = Number(BigInt.asIntN(64, nextNonce - last.nextNonce));
    if (hashes < 0 || (hashes === 0 && product <= last.product)) {
      if (this.#isExcused(status, now)) {
        // A job waits while rows are computed for an audit.
        this.#position = { ...last, at: now };
        return false;
      }
      return now - last.at >= (this.#patienceMs * 100) / Math.max(1, status.duty);
    }
    this.#parts.station.stirred();
    const ms = ((now - last.at) * Math.min(100, status.duty)) / 100;
    const products = hashes * PRODUCTS + product - last.product;
    this.#productMs = Math.max(this.#productMs ?? 0, ms / Math.max(1, products));
    this.#position = { job, nextNonce, product, at: now };
    return false;
  }

  /** How long nothing may move at full duty. */
  get #patienceMs(): number {
    const { rowMs = 0 } = this.#parts;
    const productMs = this.#productMs ?? Math.min(rowMs, LONGEST_PRODUCT_MS);
    return Math.max(LEAST_PATIENCE_MS, PATIENCE_PRODUCTS * productMs);
  }
}

/** It makes its checkpoints. */
function isMaking({ state }: BoardStatus): boolean {
  return state === 'DERIVING' || state === 'WAITING_FOR_CHECKPOINTS';
}
