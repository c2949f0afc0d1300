/** A clock that stands still until a test advances it. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../src/util/clock.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  #now = 1_000_000;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { at: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake);
    });
  }

  /** How many sleeps have not ended: none may outlive what is under test. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Lets time pass, stopping at each moment at which something wakes. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const due = [...this.#sleepers].filter((sleeper) => sleeper.at <= until);
      if (due.length === 0) break;
      this.#now = Math.max(this.#now, Math.min(...due.map((sleeper) => sleeper.at)));
      for (const sleeper of due) if (sleeper.at <= this.#now) sleeper.wake();
    }
    this.#now = until;
    await settle();
  }
}

/** Lets everything run that needs no time. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await nextTurn();
}
