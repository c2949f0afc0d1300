/** Waiting for any of many things to happen, without a promise for each. */
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';

export class Bell {
  #next: Deferred<void> = createDeferred();

  /** Something changed: who waits looks again. */
  ring(): void {
    this.#next.resolve();
    this.#next = createDeferred();
  }

  /** Until `isDone`, which is asked now and after each ring, or until the signal aborts. Never rejects. */
  async until(isDone: () => boolean, signal?: AbortSignal): Promise<void> {
    const look = (): void => this.ring();
    signal?.addEventListener('abort', look);
    while (signal?.aborted !== true && !isDone()) await this.#next.promise;
    signal?.removeEventListener('abort', look);
  }
}
