/**
 * By what means a board is put in order, and in which order: what the trouble is, what was tried, and
 * when nothing is left to be tried. What may surprise: a movement forgives what may have been the line's
 * fault, but only a whole hash forgives a board that lost its work again and again.
 */
import type { Board } from '../../firmware-bridge/board.ts';
import { LinkError, type NakName, PortError } from '../../firmware-bridge/errors.ts';
import type { Wrong } from './job-ledger.ts';

/**
 * `silent`: it does not answer. `forgetful`: it started anew, or does not know what it was told.
 * `stuck`: it answers, and nothing moves. `port`: the port takes no bytes.
 */
export type Trouble = 'silent' | 'forgetful' | 'stuck' | 'port';

export type Step = 'ping' | 'tell' | 'reset' | 'reopen';

/** A line that is disturbed for shorter than this costs no more than the disturbance. */
const RESET_AFTER_MS = 4000;
const REOPEN_AFTER_MS = 9000;
const GIVE_UP_AFTER_MS = 30_000;
/** Those are for lines on which a request that is not answered takes no longer than this. */
const SILENT_MS = 1500;
/** What such a request takes: three tries, each with a time to answer and two frames of the longest. */
const TRIES = 3;
const ANSWER_MS = 200;
/** Troubles in a row that cost the work, without a hash between them. */
const MAX_FRUITLESS = 12;
/** So many of them until stronger means are tried, though it moves between them. */
const FRUITLESS_PER_STEP = 3;
/** Silences in a row, without a movement between them, that a PING is enough for. */
const MAX_PINGS = 3;
/** So many of them, over as long a time as one may take, are one that does not end. */
const MAX_SILENT = 12;
/** Bounds of what a board may take to derive a seed, or for rows. */
const LEAST_WORK_MS = 60_000;
const LONGEST_WORK_MS = 600_000;
const WORK_ROWS = 10;

export class Ladder {
  /** Troubles since something last moved. */
  #stuck = 0;
  #silent = 0;
  #silentSince = 0;
  /** Troubles since the last hash in which the board lost its work. */
  #fruitless = 0;

  /** The board made hashes. */
  hashed(): void {
    this.#fruitless = 0;
    this.stirred();
  }

  /** The board goes on within a hash. */
  stirred(): void {
    this.#stuck = 0;
    this.#silent = 0;
  }

  /** The board was put in order, and its work was lost. */
  cost(): void {
    this.#fruitless++;
  }

  /** How to begin, in ms at `now`; undefined if nothing is left to be tried. */
  first(kind: Trouble, now: number, board: Board): Step | undefined {
    if (this.#fruitless >= MAX_FRUITLESS) return undefined;
    switch (kind) {
      case 'silent':
        if (this.#silent++ === 0) this.#silentSince = now;
        if (
          this.#silent > MAX_SILENT &&
          now - this.#silentSince >= GIVE_UP_AFTER_MS * scaleOf(board)
        ) {
          return undefined;
        }
        return this.#silent > MAX_PINGS ? 'tell' : 'ping';
      case 'port':
        return 'reopen';
      case 'forgetful':
        return 'tell';
      case 'stuck': {
        const canReset = board.link.port.resetLines !== undefined;
        const steps: readonly Step[] = canReset ? ['tell', 'reset', 'reopen'] : ['tell', 'reopen'];
        return steps[Math.max(this.#stuck++, Math.floor(this.#fruitless / FRUITLESS_PER_STEP))];
      }
    }
  }

  /** How to go on with a board that was told all and got stuck over it, which has taken its time. */
  nextOfStuck(tried: ReadonlySet<Step>, { link }: Board): Step | undefined {
    if (link.port.resetLines !== undefined && !tried.has('reset')) return 'reset';
    return tried.has('reopen') ? undefined : 'reopen';
  }

  /** How to go on after so many ms in which steps failed; undefined if nothing is left to be tried. */
  next(ms: number, tried: ReadonlySet<Step>, board: Board): Step | undefined {
    const scale = scaleOf(board);
    if (ms >= GIVE_UP_AFTER_MS * scale) return undefined;
    // The line is closed until that works.
    if (tried.has('reopen')) return 'reopen';
    // A slow line takes so long for one request that the time alone does not tell.
    if (!tried.has('tell')) return 'tell';
    if (ms >= REOPEN_AFTER_MS * scale) return 'reopen';
    const mayReset = board.link.port.resetLines !== undefined && !tried.has('reset');
    return ms >= RESET_AFTER_MS * scale && mayReset ? 'reset' : 'tell';
  }
}

/** The board answers, and what it was told to do does not end. */
export function isStuck(error: unknown): boolean {
  return error instanceof LinkError && error.detail.code === 'stuck';
}

/** How much more time than on a fast line everything takes. */
function scaleOf({ link, identity }: Board): number {
  const silentMs = TRIES * (ANSWER_MS + 2 * link.port.byteMs * identity.maxFrame);
  return Math.max(1, silentMs / SILENT_MS);
}

/**
 * How long a board may make checkpoints or rows and count as one that goes on. `rowMs`: what a row under a
 * fresh seed took, which is more than either.
 */
export function longestWorkMs(rowMs: number | undefined): number {
  if (rowMs === undefined) return LONGEST_WORK_MS;
  return Math.min(LONGEST_WORK_MS, Math.max(LEAST_WORK_MS, WORK_ROWS * rowMs));
}

/** Any refusal, or one of this name. */
export function isRefusal(error: unknown, nak?: NakName): boolean {
  if (!(error instanceof LinkError) || error.detail.code !== 'refused') return false;
  return nak === undefined || error.detail.nak === nak;
}

/** What a call failed with, as trouble. Undefined for a board that only has to be waited for. */
export function troubleOf(error: unknown): Trouble | undefined {
  if (error instanceof PortError) return 'port';
  if (isStuck(error)) return 'stuck';
  if (!(error instanceof LinkError) || error.detail.code !== 'refused') return 'silent';
  switch (error.detail.nak) {
    case 'NO_SEED':
    case 'WRONG_EPOCH':
      return 'forgetful';
    case 'HOT':
    case 'BUSY':
      return undefined;
    // Not the request that was sent: a bad line.
    case 'BAD_CRC':
    case 'BAD_LEN':
      return 'silent';
    default:
      return 'stuck';
  }
}

/** What a board is lost by that takes everything and gives nothing. */
export function nothingComes(): LinkError {
  const [expected, actual] = ['hashes', 'none, whatever it is told'];
  return new LinkError({ code: 'wrong', what: 'behaviour', expected, actual });
}

/** The port went away by itself: we close it only to open it again. */
export function isGone(error: unknown): boolean {
  return error instanceof PortError && error.detail.code === 'gone';
}

type WrongError = LinkError & { readonly detail: Wrong };

export function isWrong(error: unknown): error is WrongError {
  return error instanceof LinkError && error.detail.code === 'wrong';
}
