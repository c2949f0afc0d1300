/**
 * What a board has to compute right before it is used: dot products at the extremes of int8, the finish
 * of a hash, the hash of a header, and a row of a real hash, each against another implementation here.
 * The golden row comes last: it takes the board's seed and jobs away.
 */
import { DIM, MATRIX_BYTES, SLICES } from '../src/tensority/params.ts';
import { finishHash, sliceSequence } from '../src/tensority/reference.ts';
import { summedRows } from '../src/tensority/rows.ts';
import { openSliceRunner } from '../src/tensority/slice-runner.ts';
import type { MatrixTable, TableProvider } from '../src/tensority/table.ts';
import { bytesToHex } from '../src/util/bytes.ts';
import { type Clock, systemClock } from '../src/util/clock.ts';
import { sha3 } from '../src/util/sha3.ts';
import type { Board, WaitOptions } from './board.ts';
import { LinkError } from './errors.ts';

/** Of the golden row, and its header hash. */
const ZEROS: Uint8Array = new Uint8Array(32);
const CHECK_EPOCH = 0xffff_fffe;
const CHECK_JOB = 0xfffe;
const RANDOM_DOTS = 4;
/** None, around the 136 that SHA3-256 takes at once, and as many as the protocol carries. */
const PREIMAGE_BYTES: readonly number[] = [0, 135, 136, 137, 256];
/** Bytes that an error shows, from the first wrong one. */
const SHOWN_BYTES = 8;

/** With how the golden row, or hash, is waited for. */
export interface CheckParts extends WaitOptions {
  readonly tables: TableProvider;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly clock?: Clock;
}

/** What was checked, and how long each took, in ms; absent what the board does not offer. */
export interface BoardCheck {
  readonly dotProducts: number;
  readonly dotMs?: number;
  readonly finishMs?: number;
  readonly headerMs?: number;
  /** A row of the golden hash; of a board that does no rows, a whole hash under the same seed. */
  readonly golden: 'row' | 'hash';
  /** Of the golden row or hash, with the derivation of its seed. */
  readonly rowMs: number;
}

/** Rejects `LinkError` `wrong` at the first wrong result, and what the board's requests reject with. */
export async function checkBoard(board: Board, parts: CheckParts): Promise<BoardCheck> {
  const { tables, random = Math.random, clock = systemClock, signal, onStatus, patienceMs } = parts;
  const wait = { signal, onStatus, patienceMs };
  const timed = async (check: () => Promise<void>): Promise<number> => {
    const start = clock.now();
    await check();
    return clock.now() - start;
  };
  const pairs = dotPairs(random);
  const dotMs = await ifOffered(timed(() => checkDots(board, pairs, signal)));
  const finishMs = await ifOffered(timed(() => checkFinish(board, random, signal)));
  const headerMs = await ifOffered(timed(() => checkHeaders(board, random, signal)));
  const golden = board.identity.modes.rows ? 'row' : 'hash';
  // Our own part of the work comes before the board's, whose time is measured.
  const table = await tables(ZEROS);
  const check =
    golden === 'row' ? rowCheck(board, table, random, wait) : hashCheck(board, table, random, wait);
  const rowMs = await timed(check);
  return {
    dotProducts: dotMs === undefined ? 0 : pairs.length,
    ...(dotMs === undefined ? {} : { dotMs }),
    ...(finishMs === undefined ? {} : { finishMs }),
    ...(headerMs === undefined ? {} : { headerMs }),
    golden,
    rowMs,
  };
}

/** Undefined if the board does not have this kind of self-test. */
async function ifOffered(work: Promise<number>): Promise<number | undefined> {
  try {
    return await work;
  } catch (error) {
    // The kind is the first byte of the request; anything else that is refused is an error.
    const isOurs = error instanceof LinkError && error.detail.code === 'refused';
    if (isOurs && error.detail.nak === 'RANGE' && error.detail.detail === 0) return undefined;
    throw error;
  }
}

interface DotPair {
  readonly name: string;
  readonly a: Int8Array;
  readonly b: Int8Array;
}

/** Saturating and 8- or 16-bit kernels fail the extremes, a lane that is left out or doubled the random ones. */
function dotPairs(random: () => number): DotPair[] {
  const filled = (value: (k: number) => number): Int8Array =>
    Int8Array.from({ length: DIM }, (_, k) => value(k));
  const all = (value: number): Int8Array => filled(() => value);
  const some = (): Int8Array => filled(() => Math.floor(random() * 256) - 128);
  const alternating = filled((k) => (k % 2 === 0 ? -128 : 127));
  return [
    { name: '−128 · −128', a: all(-128), b: all(-128) },
    { name: '−128 · 127', a: all(-128), b: all(127) },
    { name: '127 · −128', a: all(127), b: all(-128) },
    { name: '127 · 127', a: all(127), b: all(127) },
    { name: 'alternating · alternating', a: alternating, b: alternating },
    { name: 'alternating · 127', a: alternating, b: all(127) },
    { name: '−1 · 1', a: all(-1), b: all(1) },
    ...Array.from({ length: RANDOM_DOTS }, () => ({ name: 'random', a: some(), b: some() })),
  ];
}

async function checkDots(
  board: Board,
  pairs: readonly DotPair[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { name, a, b } of pairs) {
    const expected = a.reduce((sum, value, k) => sum + value * b[k]!, 0) & 0xffff;
    const actual = await board.dot(a, b, signal);
    if (actual !== expected) throw wrong(`dot product (${name})`, `${expected}`, `${actual}`);
  }
}

async function checkFinish(
  board: Board,
  random: () => number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = 1 + Math.floor(random() * 0xffff_ffff);
  compare(
    `finish from ${start}`,
    finishHash(xorshiftBytes(start)),
    await board.finish(start, signal),
  );
}

/** The sum that `finish` folds: xorshift32, one byte of each state. */
function xorshiftBytes(start: number): Uint8Array {
  const bytes = new Uint8Array(MATRIX_BYTES);
  let x = start;
  for (let i = 0; i < MATRIX_BYTES; i++) {
    bytes[i] = x & 0xff;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return bytes;
}

async function checkHeaders(
  board: Board,
  random: () => number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const length of PREIMAGE_BYTES) {
    const preimage = randomBytesOf(length, random);
    const digest = await board.header(preimage, signal);
    compare(`SHA3-256 of ${length} bytes`, sha3(preimage), digest);
  }
}

function rowCheck(
  board: Board,
  table: MatrixTable,
  random: () => number,
  wait: WaitOptions,
): () => Promise<void> {
  const row = Math.floor(random() * DIM);
  const expected = summedRows(ZEROS, table, row, 1);
  return async () => {
    compare(`golden row ${row}`, expected, await board.goldenRow(CHECK_JOB, row, wait));
  };
}

function hashCheck(
  board: Board,
  table: MatrixTable,
  random: () => number,
  wait: WaitOptions,
): () => Promise<void> {
  const headerHash = randomBytesOf(ZEROS.length, random);
  const run = openSliceRunner(table);
  const sum = new Uint8Array(MATRIX_BYTES);
  for (let slice = 0; slice < SLICES; slice++) {
    const last = run(sliceSequence(headerHash, slice));
    for (let i = 0; i < MATRIX_BYTES; i++) sum[i]! += last[i]!;
  }
  const expected = finishHash(sum);
  return async () => {
    await board.seed(CHECK_EPOCH, table, wait);
    const digest = await board.hash(CHECK_EPOCH, CHECK_JOB, headerHash, wait);
    compare(`PoW hash of ${bytesToHex(headerHash)}`, expected, digest);
  };
}

function randomBytesOf(length: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Both have the same length. */
function compare(what: string, expected: Uint8Array, actual: Uint8Array): void {
  const at = expected.findIndex((byte, i) => byte !== actual[i]);
  if (at < 0) return;
  const shown = (bytes: Uint8Array): string => bytesToHex(bytes.subarray(at, at + SHOWN_BYTES));
  throw wrong(`${what}, from byte ${at}`, shown(expected), shown(actual));
}

function wrong(what: string, expected: string, actual: string): LinkError {
  return new LinkError({ code: 'wrong', what, expected, actual });
}
