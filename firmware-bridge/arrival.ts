/**
 * Waiting for the event that a request sets off, and that may get lost: nothing acknowledges events.
 * So the board's state is asked for twice a second, and where it shows that nothing is under way any
 * more the request is made anew.
 */
import { LinkError } from './errors.ts';
import { type BoardEvent, FAULTS } from './events.ts';
import type { BoardStatus } from './identity.ts';
import type { Link } from './link.ts';
import type { RequestName } from './messages.ts';

const POLL_MS = 500;
const IDLE_LOOKS = 2;
const ROUNDS = 5;

/** How a board is waited for. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Hears what the board says of itself, twice a second, and for how many ms nothing that shows work has
   * changed: state, job, product, hashes. A derivation shows none while it lasts. What it throws rejects.
   */
  readonly onStatus?: ((status: BoardStatus, stillMs: number) => void) | undefined;
  /** After so many ms without a change it rejects `LinkError` `stuck` (default: never). */
  readonly patienceMs?: number | undefined;
}

export interface Arrival<T extends BoardEvent> {
  /** For the errors. */
  readonly request: RequestName;
  /** Makes the request, and anew after a loss. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  readonly status: (signal: AbortSignal) => Promise<BoardStatus>;
  readonly isUnderWay: (status: BoardStatus) => boolean;
  /** Looks in a row that show nothing under way, before the event counts as lost (default 2). */
  readonly idleLooks?: number;
  readonly pick: (event: BoardEvent) => T | undefined;
}

/**
 * Asks, and resolves with the event. It waits for as long as the board works: the signal and the patience
 * are what bounds it. Rejects `LinkError` `restarted` if the board starts anew meanwhile, `silent` if the
 * event is lost five times over, `stuck`; what `ask` and `status` reject with; `PortError`; the signal's
 * reason.
 */
export async function arrivalOf<T extends BoardEvent>(
  link: Link,
  arrival: Arrival<T>,
  options: WaitOptions = {},
): Promise<T> {
  const { signal } = options;
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort);
  // Listening comes first: the event may stand right behind the answer, or before it if that is lost.
  const event = link.event((each) => {
    if (each.event === 'FAULT' && each.fault === FAULTS.STARTED) {
      throw new LinkError({ code: 'restarted', request: arrival.request });
    }
    return arrival.pick(each);
  }, stop.signal);
  try {
    return await Promise.race([event, chase(link, arrival, options, stop.signal)]);
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort();
  }
}

/** Asks, and again whenever nothing is under way. */
async function chase<T extends BoardEvent>(
  link: Link,
  { request, ask, status, isUnderWay, idleLooks = IDLE_LOOKS }: Arrival<T>,
  { onStatus, patienceMs = Number.POSITIVE_INFINITY }: WaitOptions,
  signal: AbortSignal,
): Promise<never> {
  const { clock } = link;
  let seen = '';
  let since = clock.now();
  for (let round = 0; round < ROUNDS; round++) {
    await ask(signal);
    for (let idle = 0; idle < idleLooks; ) {
      await link.pause(POLL_MS, signal);
      const now = await status(signal);
      const signs = signsOfWork(now);
      if (signs !== seen) since = clock.now();
      seen = signs;
      const stillMs = clock.now() - since;
      onStatus?.(now, stillMs);
      if (stillMs >= patienceMs) {
        throw new LinkError({ code: 'stuck', request, state: `${now.state}`, afterMs: stillMs });
      }
      idle = isUnderWay(now) ? 0 : idle + 1;
    }
  }
  throw new LinkError({ code: 'silent', request, tries: ROUNDS, garbage: 0 });
}

/** Changes whenever the board has got anywhere. */
function signsOfWork({ state, hashes, job }: BoardStatus): string {
  return [state, hashes, job?.jobId, job?.nextNonce, job?.product].join(' ');
}
