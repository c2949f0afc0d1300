/**
 * Opens one of several peers as the source of headers: the best first, and, when its answer takes
 * long, the next beside it. So a peer that is silent costs seconds, not a whole timeout, also those
 * who come while it is waited for.
 */
import type { Clock } from '../../util/clock.ts';
import { endsWithin } from '../../util/clock.ts';

/**
 * A peer has so long before the next one is asked, too. As each gives up after a while, this also
 * bounds how many are asked at a time: some twenty.
 */
const HEAD_START_MS = 3000;

export interface RaceParts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Runner<P, S> {
  readonly peer: P;
  readonly end: Promise<S | undefined>;
  isOver: boolean;
}

/**
 * The first source that `open` gives, and who was overtaken. `peers` gives those worth asking, the best
 * first, whenever one more is to be asked. `open` gives `undefined` where nothing comes of a peer, and
 * rejects only with what ends everything. When this has settled, nothing runs any more.
 */
export async function raceSources<P, S>(
  peers: () => readonly P[],
  open: (peer: P, signal: AbortSignal) => Promise<S | undefined>,
  { clock, signal }: RaceParts,
): Promise<{ readonly winner: S | undefined; readonly overtaken: readonly P[] }> {
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  const runners: Runner<P, S>[] = [];
  let failure: { readonly error: unknown } | undefined;
  let winner: S | undefined;
  const start = (peer: P): Runner<P, S> => {
    const end = open(peer, stop.signal).then(
      (source) => {
        runner.isOver = true;
        winner ??= source;
        return source;
      },
      (error: unknown) => {
        runner.isOver = true;
        if (!stop.signal.aborted) failure ??= { error };
        return undefined;
      },
    );
    const runner: Runner<P, S> = { peer, end, isOver: false };
    return runner;
  };
  try {
    while (winner === undefined && failure === undefined && !stop.signal.aborted) {
      const running = runners.filter((runner) => !runner.isOver);
      const next = peers().find((peer) => runners.every((runner) => runner.peer !== peer));
      if (next !== undefined) runners.push(start(next));
      else if (running.length === 0) break;
      const ends = runners.filter(({ isOver }) => !isOver).map(({ end }) => end);
      await endsWithin(Promise.race(ends), HEAD_START_MS, clock);
    }
    const overtaken = runners.filter(({ isOver }) => !isOver).map(({ peer }) => peer);
    signal.throwIfAborted();
    if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
    return { winner, overtaken };
  } finally {
    signal.removeEventListener('abort', abort);
    stop.abort();
    await Promise.all(runners.map(({ end }) => end));
  }
}
