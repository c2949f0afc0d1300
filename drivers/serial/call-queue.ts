/** Calls to something that can do one thing at a time. */
import { untilAbort } from '../../src/util/abort.ts';

export class CallQueue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * What `call` comes to, once all before it have ended. A call whose signal aborts while it waits
   * rejects with the signal's reason and is never begun; after that the signal is its own business.
   */
  async run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last = before.then(() => ended);
    try {
      await untilAbort(before, signal);
      return await call();
    } finally {
      end();
    }
  }
}
