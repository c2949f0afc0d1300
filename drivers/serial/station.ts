/**
 * A board and the line to it, kept in working order: what a board has to be told is told again after
 * it started anew, and what does not answer is tried by ever stronger means (PROTOCOL.md, "What a
 * host does"): PING, HELLO and the seed, the reset lines, the port opened again.
 *
 * Who works with the board looks at `isReady` before, and at `generation` after: work that was given
 * to an older generation is gone.
 */
import type { WaitOptions } from '../../firmware-bridge/arrival.ts';
import type { Board, BoardSettings, BoardStatus } from '../../firmware-bridge/board.ts';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { type BoardEvent, FAULTS } from '../../firmware-bridge/events.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import type { Clock } from '../../src/util/clock.ts';
import { DriverError } from '../driver.ts';
import { Bell } from './bell.ts';
import { lostBy } from './driver-errors.ts';
import type { Wrong } from './job-ledger.ts';
import {
  isGone,
  isRefusal,
  isStuck,
  isWrong,
  Ladder,
  longestWorkMs,
  nothingComes,
  type Step,
  type Trouble,
  troubleOf,
} from './ladder.ts';
import { setIfItCan } from './open-board.ts';

export interface StationParts {
  readonly clock: Clock;
  /** Opens the port again and identifies what is there. Rejects `DriverError`. */
  readonly reconnect: (signal: AbortSignal) => Promise<Board>;
  /** What the board is to be set to. */
  readonly settings: () => Partial<BoardSettings>;
  /** It cannot be helped. */
  readonly onLost: (error: DriverError) => void;
  /** The board's checkpoints are not those of its seed. */
  readonly onWrong: (wrong: Wrong) => void;
  readonly onNotice: (text: string) => void;
  /** The job that the board should be at, if any. */
  readonly runningJob?: () => number | undefined;
  /** What a row under a fresh seed took, in ms; undefined if nobody measured that. */
  readonly rowMs?: number | undefined;
}

/** Between two tries; a request that is not answered takes longer. */
const RETRY_MS = 100;
/** Until a board is asked again that is too hot to be told anything. */
const HOT_MS = 1000;
/** A port is left alone so long before it is opened again. */
const REOPEN_MS = 1000;
/** What the longest step takes besides the derivation of a seed: a port that is opened again. */
const STEP_MS = 30_000;

interface Held {
  readonly epoch: number;
  readonly table: MatrixTable;
  /** The board had its checkpoints right. */
  isProven: boolean;
}

export class Station {
  /** Rings when anything changes that work may wait for. */
  readonly bell: Bell = new Bell();
  readonly #parts: StationParts;
  readonly #stop: AbortController = new AbortController();
  /** Of the board that this is the station of. */
  readonly #uid: string;
  #board: Board;
  #unsubscribe: () => void = () => {};
  #held: Held | undefined;
  #isRecovering = false;
  #generation = 0;
  /** FAULTs that said it started. */
  #starts = 0;
  readonly #ladder: Ladder = new Ladder();
  /** When it was last seen to move, or to have a reason not to. */
  #aliveAt: number;
  #stepSince = 0;
  /** What STATUS last said. */
  #uptimeS = 0;

  constructor(board: Board, parts: StationParts) {
    this.#parts = parts;
    this.#aliveAt = parts.clock.now();
    this.#uid = board.identity.uid;
    this.#board = board;
    this.#take(board);
  }

  get board(): Board {
    return this.#board;
  }

  /** The epoch of the seed that the board holds or is to hold; undefined without one. */
  get epoch(): number | undefined {
    return this.#held?.epoch;
  }

  get isReady(): boolean {
    return !this.#isRecovering && !this.isOver;
  }

  /** Lost or closed. */
  get isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Ms since the board was last seen to move, or was being put in order. */
  get silentMs(): number {
    const { clock, rowMs } = this.#parts;
    const now = clock.now();
    // The ladder has an end; a step of it has to have one too.
    const mostMs = STEP_MS + longestWorkMs(rowMs);
    const isBounded = this.#isRecovering && now - this.#stepSince < mostMs;
    return isBounded || this.isOver ? 0 : now - this.#aliveAt;
  }

  /** Until the board is ready, the station over, or the signal aborted. Never rejects. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.bell.until(() => this.isReady || this.isOver, signal);
  }

  /**
   * Makes `table` the one that the board works with, through whatever happens. Rejects `DriverError`
   * `self-test` if the board derives another, or the signal's reason.
   */
  async load(epoch: number, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    await this.ready(signal);
    signal?.throwIfAborted();
    const held: Held = { epoch, table, isProven: false };
    this.#held = held;
    this.#generation++;
    try {
      await this.#board.seed(epoch, table, this.#seedOptions(signal));
      held.isProven = true;
    } catch (error) {
      if (signal?.aborted === true || isWrong(error)) this.#held = undefined;
      signal?.throwIfAborted();
      if (isWrong(error)) {
        const { expected, actual } = error.detail;
        this.#parts.onWrong({ expected, actual });
        throw new DriverError({ code: 'self-test', expected, actual }, { cause: error });
      }
      // Whatever it was: putting the line in order includes the seed.
      if (error instanceof PortError) this.failed(error);
      else this.trouble(isStuck(error) ? 'stuck' : 'forgetful', error);
      await this.ready(signal);
      signal?.throwIfAborted();
    }
  }

  /** The board holds no seed that anybody may count on. */
  unload(): void {
    this.#held = undefined;
  }

  /** Hashes of the board were agreed: it does what it should. */
  moved(): void {
    this.#ladder.hashed();
    this.alive();
  }

  /** The board goes on within a hash, of which nothing may come yet. */
  stirred(): void {
    this.#ladder.stirred();
    this.alive();
  }

  /** The board has a reason not to move, such as its temperature. */
  alive(): void {
    this.#aliveAt = this.#parts.clock.now();
  }

  /** What STATUS said, which tells a board that was silent from one that started anew. */
  saw({ uptimeS }: Pick<BoardStatus, 'uptimeS'>): void {
    this.#uptimeS = uptimeS;
  }

  /**
   * Something is wrong; puts it right in the background unless that is under way. `reason` is what the
   * board is lost by if that cannot be done.
   */
  trouble(kind: Trouble, reason?: unknown): void {
    if (this.#isRecovering || this.isOver) return;
    void this.#recover(kind, reason);
  }

  /**
   * What a call to the board failed with, if it is a matter of the line or of what the board knows. A board
   * that is hot or busy is neither: the caller has to wait.
   */
  failed(error: unknown): void {
    if (this.#isRecovering) return;
    if (isGone(error)) {
      this.#lose(lostBy(error));
      return;
    }
    const kind = troubleOf(error);
    if (kind !== undefined) this.trouble(kind, error);
  }

  /** Ends it; the board's link is the caller's to close. */
  close(): void {
    this.#stop.abort();
    this.#unsubscribe();
    this.bell.ring();
  }

  /** A derivation shows no movement while it lasts, so it may not last for ever. */
  #seedOptions(signal: AbortSignal | undefined): WaitOptions {
    const mostMs = longestWorkMs(this.#parts.rowMs);
    return {
      signal,
      onStatus: ({ state }, stillMs) => {
        if (state === 'HOT' || stillMs < mostMs) return;
        throw new LinkError({
          code: 'stuck',
          request: 'SEED',
          state: `${state}`,
          afterMs: stillMs,
        });
      },
    };
  }

  #lose(error: DriverError): void {
    if (this.isOver) return;
    this.close();
    this.#parts.onLost(error);
  }

  #take(board: Board): void {
    this.#unsubscribe();
    this.#board = board;
    this.#unsubscribe = board.link.onEvent((event) => this.#hear(event));
    void board.link.closed.then((error) => {
      // Closed by us: undefined, or an older line than the present one.
      if (error !== undefined && this.#board === board) this.#lose(lostBy(error));
    });
  }

  #hear(event: BoardEvent): void {
    if (event.event !== 'FAULT') return;
    const { fault, info } = event;
    if (fault === FAULTS.HOT) {
      this.#parts.onNotice('the board says that it is too hot');
      return;
    }
    this.#starts++;
    if (this.#isRecovering) return;
    if (fault === FAULTS.STARTED) this.#parts.onNotice('the board started anew');
    else if (fault === FAULTS.CHECKPOINTS) this.#parts.onNotice('the board lost its checkpoints');
    else this.#parts.onNotice(`the board reports fault ${fault} (${info})`);
    this.trouble('forgetful');
  }

  async #recover(kind: Trouble, why: unknown): Promise<void> {
    const { clock } = this.#parts;
    const generation = this.#generation;
    const starts = this.#starts;
    let since = clock.now();
    this.#isRecovering = true;
    this.bell.ring();
    let step = this.#ladder.first(kind, since, this.#board);
    const tried = new Set<Step>();
    let reason: unknown = why ?? nothingComes();
    while (step !== undefined && !this.isOver) {
      this.#stepSince = clock.now();
      try {
        await this.#try(step, kind === 'silent' ? starts : undefined);
        break;
      } catch (error) {
        reason = error;
      }
      if (this.isOver) return;
      tried.add(step);
      const isHot = isRefusal(reason, 'HOT');
      if (isHot) since = clock.now();
      const ms = clock.now() - since;
      if (this.#isHopeless(reason)) step = undefined;
      else if (isStuck(reason)) step = this.#ladder.nextOfStuck(tried, this.#board);
      else step = this.#ladder.next(ms, tried, this.#board);
      await clock.sleep(isHot ? HOT_MS : RETRY_MS, this.#stop.signal);
    }
    if (step === undefined) this.#lose(isLoss(reason) ? reason : lostBy(reason));
    if (this.#generation !== generation) this.#ladder.cost();
    this.#isRecovering = false;
    this.alive();
    this.bell.ring();
  }

  #isHopeless(error: unknown): boolean {
    if (error instanceof DriverError) return error.detail.code === 'not-found';
    return isGone(error) || (error instanceof LinkError && error.detail.code === 'version');
  }

  /** `starts`: what they were before a silence, through which the board may have been at work. */
  async #try(step: Step, starts: number | undefined): Promise<void> {
    const { signal } = this.#stop;
    switch (step) {
      case 'ping':
        await this.#board.ping(undefined, signal);
        if (this.#starts === starts) return;
        return this.#tell(await this.#board.hello(signal));
      case 'tell': {
        const identity = await this.#board.hello(signal);
        if (starts !== undefined && (await this.#goesOn(identity, starts))) return;
        return this.#tell(identity);
      }
      case 'reset':
        await this.#board.link.port.resetLines?.();
        return this.#tell(await this.#board.hello(signal));
      case 'reopen':
        return this.#reopen(signal);
    }
  }

  async #reopen(signal: AbortSignal): Promise<void> {
    await this.#board.link.close();
    await this.#parts.clock.sleep(REOPEN_MS, signal);
    const board = await this.#parts.reconnect(signal);
    if (this.isOver) return board.link.close();
    this.#take(board);
    await this.#tell(board.identity);
  }

  /**
   * A board that was not heard of for a while, and has been at work all the time: what it has to say of
   * that may still be heard.
   */
  async #goesOn({ uid }: { readonly uid: string }, starts: number): Promise<boolean> {
    const held = this.#held;
    if (held === undefined || uid !== this.#uid) return false;
    const leastUptimeS = this.#uptimeS;
    const status = await this.#statusOf(held);
    if (status === undefined || this.#starts !== starts) return false;
    const job = this.#parts.runningJob?.();
    return status.uptimeS >= leastUptimeS && (job === undefined || status.job?.jobId === job);
  }

  /**
   * The status of a board that still has the seed, which it had right before: to say so again takes an event
   * that may get lost.
   */
  async #statusOf(held: Held): Promise<BoardStatus | undefined> {
    if (!held.isProven) return undefined;
    try {
      const status = await this.#board.status(this.#stop.signal);
      this.saw(status);
      const { epoch, state } = status;
      const isMaking = state === 'DERIVING' || state === 'WAITING_FOR_CHECKPOINTS';
      return epoch === held.epoch && !isMaking ? status : undefined;
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  /** Tells a board that has answered to HELLO what it has to know. */
  async #tell({ uid }: { readonly uid: string }): Promise<void> {
    const { signal } = this.#stop;
    const starts = this.#starts;
    this.#generation++;
    if (uid !== this.#uid) {
      const reason = `another board is there: UID expected ${this.#uid}, got ${uid}`;
      throw new DriverError({ code: 'lost', reason });
    }
    // Whatever it says of its time from now on is the time of this start.
    this.#uptimeS = 0;
    await setIfItCan(this.#board, this.#parts.settings(), signal);
    const held = this.#held;
    if (held !== undefined && (await this.#statusOf(held)) === undefined) {
      try {
        await this.#board.seed(held.epoch, held.table, this.#seedOptions(signal));
        held.isProven = true;
      } catch (error) {
        if (isWrong(error)) this.#parts.onWrong(error.detail);
        throw error;
      }
    }
    if (this.#starts !== starts) throw new DriverError({ code: 'lost', reason: 'it started anew' });
  }
}

function isLoss(error: unknown): error is DriverError {
  return error instanceof DriverError && error.detail.code === 'lost';
}
