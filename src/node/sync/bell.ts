/**
 * Something that is waited for again and again: whatever has changed rings, and whoever waits looks
 * again. Nothing is missed between looking and `next`, as long as nothing is awaited between them.
 */
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';

export class Bell {
  #waiting: Deferred<void> | undefined;

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  /** Resolves when it rings for the next time. */
  next(): Promise<void> {
    this.#waiting ??= createDeferred<void>();
    return this.#waiting.promise;
  }

  /** The same, but waits no longer than `ms`; leaves no timer behind. */
  async nextWithin(ms: number, clock: Pick<Clock, 'sleep'>): Promise<void> {
    const rung = new AbortController();
    await Promise.race([this.next(), clock.sleep(ms, rung.signal)]);
    rung.abort();
  }
}
