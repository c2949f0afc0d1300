/** Waiting that an abort can end. */
import { createDeferred } from './deferred.ts';

/**
 * What `call` comes to, or the signal's reason as soon as it aborts. The call itself goes on, and
 * what it comes to then is dropped. Leaves no listener behind.
 */
export async function untilAbort<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return call;
  const aborted = createDeferred<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([aborted.promise, call]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
