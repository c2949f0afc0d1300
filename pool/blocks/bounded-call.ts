/** Calls to nodes that end in time, whatever the node does. */
import { untilAbort } from '../../src/util/abort.ts';
import { type Clock, endsWithin } from '../../src/util/clock.ts';

/**
 * What `call` comes to. Rejects what it rejects, after `ms` that there is no answer, and as soon as the
 * signal aborts; the call's own signal aborts then too.
 */
export async function boundedCall<T>(
  call: (signal: AbortSignal) => Promise<T>,
  ms: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    const result = untilAbort(call(ended.signal), signal);
    if (await endsWithin(result, ms, clock)) return await result;
    end();
    throw new Error(`no answer for ${ms} ms`);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
