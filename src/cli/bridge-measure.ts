/** What a board at the other end of a line computes, compared with a kernel of ours, and how fast. */
import { randomInt } from 'node:crypto';
import type { Board, BoardStatus, WaitOptions } from '../../firmware-bridge/board.ts';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { type BoardCheck, checkBoard } from '../../firmware-bridge/self-check.ts';
import { openConfirmingHasher } from '../tensority/cpu-hasher.ts';
import type { BatchHasher, Seed } from '../tensority/hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { rounded } from './output.ts';
import type { ProgressBar } from './progress.ts';

export interface MeasureParts {
  readonly tables: TableProvider;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Hears how far the board is, 0 … 1, or undefined where that cannot be known. */
  readonly onProgress: (fraction: number | undefined, note: string) => void;
  readonly signal: AbortSignal;
  /** How long the board may show no sign of work, in ms; some minutes by default. */
  readonly patienceMs?: number;
  /** Computes what is right; a kernel of this machine by default. It is closed with the comparison. */
  readonly hasher?: BatchHasher;
}

const PINGS = 20;
/** Epochs above are those of self-tests. */
const MAX_EPOCH = 0xffff_fffd;
/** One id is no job's: it stands for all. */
const JOB_IDS = 0xfffe;
/** How long a board may show no sign of work: the slowest ones derive a seed for minutes. */
const PATIENCE_MS = 5 * 60_000;
/** When the bar begins to say so. */
const STILL_MS = 5000;

/** `checkBoard`, with a bar that is gone when it ends, however it does. */
export async function selfTest(
  board: Board,
  tables: TableProvider,
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<BoardCheck> {
  bar.update(undefined, 'self-test');
  const onStatus = (status: BoardStatus, stillMs: number): void =>
    bar.update(undefined, progressNote('self-test', status, stillMs));
  try {
    return await checkBoard(board, { tables, signal, onStatus, patienceMs: PATIENCE_MS });
  } finally {
    bar.clear();
  }
}

/** The median time of a round trip with 16 bytes, in ms. */
export async function measureLine(
  board: Board,
  now: () => number,
  signal?: AbortSignal,
): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const began = now();
    await board.ping(new Uint8Array(16).fill(i), signal);
    times.push(now() - began);
  }
  times.sort((a, b) => a - b);
  return times[PINGS / 2] ?? 0;
}

/** Whole hashes of one seed on the board, each compared with a kernel of this machine. */
export class HashComparison {
  readonly #board: Board;
  /** Any: the board may still hold another seed under the last one that we, or others, used. */
  readonly #epoch = randomInt(1, MAX_EPOCH + 1);
  readonly #seed: Seed;
  readonly #parts: MeasureParts;
  readonly #hasher: BatchHasher;
  #jobs = 0;

  constructor(board: Board, seed: Seed, parts: MeasureParts) {
    this.#board = board;
    this.#seed = seed;
    this.#parts = parts;
    this.#hasher = parts.hasher ?? openConfirmingHasher(undefined);
  }

  /** Gives the seed to both; how long the board took to derive it, in ms. Rejects as `Board.seed` does. */
  async begin(): Promise<number> {
    const { tables, signal, onProgress } = this.#parts;
    const table = await tables(this.#seed);
    await this.#hasher.loadSeed(this.#seed, table, signal);
    const options = this.#patiently((status, stillMs) =>
      onProgress(undefined, progressNote('seed', status, stillMs)),
    );
    return (await this.#board.seed(this.#epoch, table, options)).ms;
  }

  /** How long the board took, in ms. Rejects `LinkError` `wrong`, and as `Board.hash` does. */
  async hash(headerHash: Uint8Array): Promise<number> {
    const { now, onProgress, signal } = this.#parts;
    const jobId = jobIdOf(this.#jobs++);
    const expected = new Uint8Array(32);
    await this.#hasher.hash(this.#seed, headerHash, expected, signal);
    let fraction = 0;
    const options = this.#patiently((status, stillMs) => {
      // Its end may be on the line already: then the board has no job any more.
      if (status.job?.jobId === jobId) fraction = Math.min(1, status.job.product / 256);
      onProgress(fraction, progressNote(`hash ${this.#jobs}`, status, stillMs));
    });
    const began = now();
    const digest = await this.#board.hash(this.#epoch, jobId, headerHash, options);
    const ms = now() - began;
    if (!bytesEqual(digest, expected)) {
      throw new LinkError({
        code: 'wrong',
        what: `hash of ${bytesToHex(headerHash)} under seed ${bytesToHex(this.#seed)}`,
        expected: bytesToHex(expected),
        actual: bytesToHex(digest),
      });
    }
    return ms;
  }

  #patiently(onStatus: NonNullable<WaitOptions['onStatus']>): WaitOptions {
    const { signal, patienceMs = PATIENCE_MS } = this.#parts;
    return { signal, patienceMs, onStatus };
  }

  close(): Promise<void> {
    return this.#hasher.close();
  }
}

/** Of the hash with this index; ids may come again, but not soon. */
export function jobIdOf(index: number): number {
  return 1 + (index % JOB_IDS);
}

/** What the bar says: what is under way, and why it may not move. */
export function progressNote(what: string, { state }: BoardStatus, stillMs: number): string {
  if (state === 'HOT') return `${what}, waiting: the board is hot`;
  // A derivation shows nothing while it lasts.
  if (state === 'DERIVING' || stillMs < STILL_MS) return what;
  return `${what}, no progress for ${Math.floor(stillMs / 1000)} s`;
}

/** The result with the digits that say something. */
export function roundedCheck(check: BoardCheck): BoardCheck {
  const entries = Object.entries(check).map(([key, value]: [string, unknown]) => [
    key,
    typeof value === 'number' ? rounded(value, 2) : value,
  ]);
  return Object.fromEntries(entries) as BoardCheck;
}
