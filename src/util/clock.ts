/** Time as a part that is handed in, so that tests need not wait for it. */

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      // The timer and the listener take each other away: neither may outlive the sleep.
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end);
    }),
};

const ENDED = 'ended';

/** Waits for `work` to end, well or badly, but no longer than `ms`. True if it ended. */
export async function endsWithin(
  work: Promise<unknown>,
  ms: number,
  clock: Clock,
): Promise<boolean> {
  const ended = new AbortController();
  const end = (): boolean => {
    // With a reason of ours: the default one is an error with its stack, which takes longer than the rest.
    ended.abort(ENDED);
    return true;
  };
  return Promise.race([work.then(end, end), clock.sleep(ms, ended.signal).then(() => false)]);
}
