/** `bytom-bridge reset`: starts a board anew, and waits until it answers again and shows that it did start. */
import { Board, type BoardStatus } from '../../firmware-bridge/board.ts';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { FAULTS } from '../../firmware-bridge/events.ts';
import type { Link } from '../../firmware-bridge/link.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { openLink, openLinkAt } from './bridge-board.ts';
import type { ResetOptions } from './bridge-options.ts';
import { plainText } from './bridge-text.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { optionError } from './option-values.ts';
import { printResult } from './output.ts';

/** A board with native USB goes off the bus and comes back. */
const BACK_WITHIN_MS = 10_000;
const PAUSE_MS = 250;
/** Seconds of uptime are whole, and its clock is not ours. */
const UPTIME_SLACK_MS = 1000;

export async function resetCommand(options: ResetOptions, signal: AbortSignal): Promise<ExitCode> {
  const { address, link } = await openLink(options, signal);
  const open = (): Promise<Link> => openLinkAt(address, options, signal);
  const board = await resetBoard(link, options, { address, open, signal });
  const text =
    board === undefined
      ? `${address}: its boot loader runs now`
      : `${address}: ${plainText(board.name)} is back, firmware ${board.firmware}`;
  printResult(
    options.json === true ? '' : text,
    { port: address, board: board ?? null, bootLoader: options.bootLoader === true },
    options.json,
  );
  return EXIT.ok;
}

export interface ResetParts {
  /** For messages. */
  readonly address: string;
  /** Opens the port anew. */
  readonly open: () => Promise<Link>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Who is there after the reset; undefined if that is a boot loader. Every link is closed then, the given
 * one too. Rejects `LinkError` if it does not come back, or has not started anew; `PortError`.
 */
export async function resetBoard(
  link: Link,
  options: Pick<ResetOptions, 'lines' | 'bootLoader'>,
  parts: ResetParts,
): Promise<Board['identity'] | undefined> {
  const reset = new Reset(link, parts);
  try {
    await reset.begin(options);
    return options.bootLoader === true ? undefined : await reset.end();
  } finally {
    await reset.close();
  }
}

class Reset {
  readonly #parts: ResetParts;
  readonly #clock: Clock;
  #link: Link;
  #uid: string | undefined;
  #beganAt = 0;
  /** It has said so itself. */
  #hasStarted = false;

  constructor(link: Link, parts: ResetParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#link = link;
  }

  async begin({ lines, bootLoader }: Pick<ResetOptions, 'lines' | 'bootLoader'>): Promise<void> {
    const { address, signal } = this.#parts;
    const link = this.#link;
    if (lines === true && link.port.resetLines === undefined) {
      throw optionError(`--lines: ${address} has no lines DTR and RTS`);
    }
    const board = await Board.identify(link, signal).catch((error: unknown) => {
      // The lines are there for boards that do not answer.
      if (lines === true && isPassing(error)) return undefined;
      throw error;
    });
    this.#uid = board?.identity.uid;
    this.#watch(link);
    this.#beganAt = this.#clock.now();
    if (lines === true) await link.port.resetLines?.();
    else await board?.reboot(bootLoader === true ? 'boot-loader' : 'application', signal);
  }

  /** Asks until it answers as one that has just started, over this link or, if it is gone, a new one. */
  async end(): Promise<Board['identity']> {
    const { signal } = this.#parts;
    for (;;) {
      await this.#clock.sleep(PAUSE_MS, signal);
      signal.throwIfAborted();
      try {
        const board = await Board.identify(this.#link, signal);
        this.#checkUid(board.identity.uid);
        const status = await board.status(signal);
        if (this.#isFresh(status)) return board.identity;
        if (this.#isLate()) throw notReset(status);
      } catch (error) {
        if (!isPassing(error) || this.#isLate()) throw error;
        if (error instanceof PortError) await this.#reopen();
      }
    }
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #watch(link: Link): void {
    link.onEvent((event) => {
      if (event.event === 'FAULT' && event.fault === FAULTS.STARTED) this.#hasStarted = true;
    });
  }

  async #reopen(): Promise<void> {
    await this.#link.close();
    try {
      this.#link = await this.#parts.open();
      this.#watch(this.#link);
    } catch (error) {
      // The link that is closed says `gone` at the next try.
      if (!isPassing(error)) throw error;
    }
  }

  #checkUid(uid: string): void {
    if (this.#uid === undefined || uid === this.#uid) return;
    const what = 'board after the reset';
    throw new LinkError({ code: 'wrong', what, expected: `UID ${this.#uid}`, actual: uid });
  }

  #isFresh({ uptimeS }: BoardStatus): boolean {
    return this.#hasStarted || 1000 * uptimeS <= this.#elapsedMs() + UPTIME_SLACK_MS;
  }

  #isLate(): boolean {
    return this.#elapsedMs() >= BACK_WITHIN_MS;
  }

  #elapsedMs(): number {
    return this.#clock.now() - this.#beganAt;
  }
}

/** While a board starts, its port may be gone, and nobody may answer. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof PortError || (error instanceof LinkError && error.detail.code === 'silent')
  );
}

function notReset({ uptimeS }: BoardStatus): LinkError {
  return new LinkError({
    code: 'wrong',
    what: 'uptime after the reset',
    expected: 'a fresh start',
    actual: `${uptimeS} s: it answers, but was not reset`,
  });
}
