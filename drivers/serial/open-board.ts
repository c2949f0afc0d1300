/**
 * From the name of a port to a board that answers, at the highest rate that works. What may surprise:
 * a board keeps the rate that an earlier program left it at, so others are tried where the first one is
 * not understood; and opening a port resets many boards, so that they need seconds for their first word.
 */
import { Board, type BoardSettings } from '../../firmware-bridge/board.ts';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { untilAbort } from '../../src/util/abort.ts';
import type { Clock } from '../../src/util/clock.ts';
import { DriverError } from '../driver.ts';

export interface LineParts {
  readonly openPort: (
    address: string,
    options: { readonly signal?: AbortSignal },
  ) => Promise<BytePort>;
  readonly clock: Clock;
}

/** How long a board may take to start after its port was opened. */
const START_MS = 3000;
const RETRY_MS = 100;
/** What boards offer: tried where one does not answer at the first rate. */
const RATES: readonly number[] = [115_200, 921_600, 2_000_000, 1_000_000, 460_800];
/** Rates that are tried before the present one has to do: each failure takes some seconds. */
const MAX_RAISES = 3;

/**
 * Opens the port and identifies the board. `lastRate` is what it was last used at, if that is known.
 * Rejects `PortError`, `LinkError`, or the signal's reason; the port is closed then.
 */
export async function connectBoard(
  address: string,
  lastRate: number | undefined,
  parts: LineParts,
  signal?: AbortSignal,
): Promise<Board> {
  const port = await parts.openPort(address, signal === undefined ? {} : { signal });
  const link = new Link(port, { clock: parts.clock });
  try {
    return await identify(link, lastRate, parts.clock, signal);
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function identify(
  link: Link,
  lastRate: number | undefined,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Board> {
  const { port } = link;
  const first = 10_000 / port.byteMs;
  const rates = port.setBaud === undefined ? [] : [lastRate ?? 0, ...RATES];
  const others = [...new Set(rates)].filter((rate) => rate > 0 && !isRateOf(port, rate));
  const since = clock.now();
  /** What tells most: bytes that came, at whatever rate. */
  let garbage: LinkError | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await Board.identify(link, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isSilence(error)) throw error;
      if (error.detail.garbage > 0) garbage ??= error;
      const isLate = clock.now() - since >= START_MS;
      if (isLate && others.length === 0) throw garbage ?? error;
    }
    // Every other try at the rate that boards start with: it may still be starting.
    const rate = attempt % 2 === 1 ? others.shift() : Math.round(first);
    if (rate !== undefined) await port.setBaud?.(rate);
    await clock.sleep(RETRY_MS, signal);
  }
}

function isSilence(
  error: unknown,
): error is LinkError & { readonly detail: { readonly code: 'silent'; readonly garbage: number } } {
  return error instanceof LinkError && error.detail.code === 'silent';
}

function isRateOf(port: BytePort, rate: number): boolean {
  return Math.round(10_000 / port.byteMs) === rate;
}

/** The rate of the board's line, in baud; undefined where there is none. */
export function rateOf(board: Board): number | undefined {
  const { port } = board.link;
  return port.setBaud === undefined ? undefined : Math.round(10_000 / port.byteMs);
}

/**
 * Puts the line to the highest rate that works. Resolves with the rates that did not. Rejects when the
 * line does not work any more, or with the signal's reason: then the line may be at any rate, and is to be
 * closed.
 */
export async function raiseRate(
  board: Board,
  isBad: (rate: number) => boolean,
  signal?: AbortSignal,
): Promise<number[]> {
  const present = rateOf(board);
  const failed: number[] = [];
  if (present === undefined) return failed;
  const higher = board.identity.bauds.filter((rate) => rate > present && !isBad(rate));
  higher.sort((a, b) => b - a);
  for (const rate of higher.slice(0, MAX_RAISES)) {
    signal?.throwIfAborted();
    try {
      await untilAbort(board.changeBaud(rate), signal);
      return failed;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof LinkError)) throw error;
      failed.push(rate);
      // Throws if the way back was not found either.
      await board.ping(undefined, signal);
    }
  }
  return failed;
}

/** Throws `DriverError` `unsupported` for a board that cannot do what a device must. */
export function checkModes(board: Board): void {
  const { name, modes } = board.identity;
  if (modes.hash && modes.rows) return;
  const missing = modes.hash
    ? `${name} does not offer single rows (ROWS), without which it cannot be audited`
    : `${name} does not offer whole hashes (HASH); accelerators that requantise cannot compute Tensority`;
  throw new DriverError({ code: 'unsupported', missing });
}

/** Limits and duty are a help, not a must. */
export async function setIfItCan(
  board: Board,
  settings: Partial<BoardSettings>,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await board.set(settings, signal);
  } catch (error) {
    if (!(error instanceof LinkError && error.detail.code === 'refused')) throw error;
  }
}
