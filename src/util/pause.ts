/** Timers overflow beyond this (24.8 days) and would end at once. */
const LONGEST_MS = 0x7fff_ffff;

/**
 * Waits `ms` (at most 24.8 days), or until one of `stops` aborts. Never rejects; leaves no timer and
 * no listener behind.
 */
export function pause(ms: number, ...stops: readonly AbortSignal[]): Promise<void> {
  if (stops.some((stop) => stop.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const stop of stops) stop.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(Math.max(0, ms), LONGEST_MS));
    for (const stop of stops) stop.addEventListener('abort', done, { once: true });
  });
}
