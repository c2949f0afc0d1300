/** `bytom-bridge monitor`: telemetry of a board as it comes, its events, and the lines of its log. */
import { Board, type BoardIdentity } from '../../firmware-bridge/board.ts';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { FAULTS } from '../../firmware-bridge/events.ts';
import type { Link } from '../../firmware-bridge/link.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import { stringifyExact } from '../util/json.ts';
import { openLink, openLinkAt } from './bridge-board.ts';
import type { MonitorOptions } from './bridge-options.ts';
import {
  eventRecord,
  logRecord,
  type MonitorRecord,
  RateMeter,
  recordLines,
  statusRecord,
} from './bridge-records.ts';
import { LineWriter } from './bridge-text.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printError } from './output.ts';

const AGAIN_MS = 1000;

export async function monitorCommand(
  options: MonitorOptions,
  interrupt: AbortSignal,
): Promise<ExitCode> {
  const limit = new AbortController();
  const signal = AbortSignal.any([interrupt, limit.signal]);
  const { timeLimit } = options;
  const timer =
    timeLimit === undefined ? undefined : setTimeout(() => limit.abort(), options.timeLimit);
  const textOf = (record: MonitorRecord): string => {
    if (options.json !== true) return recordLines(record, timeText()).join('\n');
    return stringifyExact({ time: new Date().toISOString(), ...record });
  };
  const out = new LineWriter(process.stdout, (lines) => textOf({ kind: 'left-out', lines }));
  const say = (record: MonitorRecord): void => out.write(textOf(record));
  const complain = (problem: string): void =>
    printError('bytom-bridge', `${problem}; waiting for it`);
  let identity: BoardIdentity | undefined;
  try {
    const { address, link } = await openLink(options, signal);
    const monitor = new Monitor({
      intervalMs: options.interval,
      open: () => openLinkAt(address, options, signal),
      onRecord: (record) => {
        identity ??= record.kind === 'board' ? record.board : undefined;
        say(record.kind === 'board' ? { ...record, port: address } : record);
      },
      onProblem: complain,
      signal,
    });
    await monitor.watch(link);
  } catch (error) {
    if (error !== limit.signal.reason) throw error;
    // An end without a word would look like a board that has nothing to say.
    if (identity === undefined) throw silence();
  } finally {
    clearTimeout(timer);
    out.end();
  }
  return EXIT.ok;
}

export interface MonitorParts {
  /** How often the board is asked. */
  readonly intervalMs: number;
  /** Opens the port anew. */
  readonly open: () => Promise<Link>;
  readonly onRecord: (record: MonitorRecord) => void;
  /** Hears why it waits, once for each reason. */
  readonly onProblem: (problem: string) => void;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Shows a board for as long as it is wanted. One that goes away may come back, and whoever watches it wants
 * to see that: once it was there, silence and lost ports are waited out.
 */
export class Monitor {
  readonly #parts: MonitorParts;
  readonly #clock: Clock;
  readonly #rate = new RateMeter();
  #wasThere = false;
  #problem: string | undefined;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
  }

  /** Closes the link. Rejects the signal's reason, or what is not the loss of a board that was there. */
  async watch(link: Link): Promise<never> {
    let current: Link | undefined = link;
    for (;;) {
      current ??= await this.#reopen();
      const ours = current;
      current = undefined;
      try {
        await this.#watchLink(ours);
      } catch (error) {
        if (!(error instanceof PortError)) throw error;
        this.#tell(error);
      } finally {
        await ours.close();
      }
    }
  }

  /** Until its port is gone. */
  async #watchLink(link: Link): Promise<never> {
    const { onRecord, signal } = this.#parts;
    link.onLog((line) => onRecord(logRecord(line)));
    link.onEvent((event) => {
      if (event.event === 'FAULT' && event.fault === FAULTS.STARTED) this.#rate.reset();
      onRecord(eventRecord(event));
    });
    for (;;) {
      try {
        const board = await Board.identify(link, signal);
        this.#wasThere = true;
        this.#problem = undefined;
        onRecord({ kind: 'board', port: link.port.name, board: board.identity });
        await this.#ask(board);
      } catch (error) {
        const isSilent = error instanceof LinkError && error.detail.code === 'silent';
        if (!isSilent || !this.#wasThere) throw error;
        this.#tell(error);
        await link.pause(AGAIN_MS, signal);
      }
    }
  }

  /** STATUS again and again, until it is not answered. */
  async #ask(board: Board): Promise<never> {
    const { onRecord, intervalMs, signal } = this.#parts;
    this.#rate.reset();
    for (;;) {
      const status = await board.status(signal);
      onRecord(statusRecord(status, this.#rate.rate(status, this.#clock.now())));
      await board.link.pause(intervalMs, signal);
    }
  }

  async #reopen(): Promise<Link> {
    const { open, signal } = this.#parts;
    for (;;) {
      await this.#clock.sleep(AGAIN_MS, signal);
      signal.throwIfAborted();
      try {
        return await open();
      } catch (error) {
        if (!(error instanceof PortError)) throw error;
        this.#tell(error);
      }
    }
  }

  /** The same reason again and again says nothing new. */
  #tell(error: LinkError | PortError): void {
    const problem = errorText(error);
    if (problem !== this.#problem) this.#parts.onProblem(problem);
    this.#problem = problem;
  }
}

function silence(): LinkError {
  return new LinkError({ code: 'silent', request: 'HELLO', tries: 1, garbage: 0 });
}

function timeText(): string {
  return new Date().toTimeString().slice(0, 8);
}
