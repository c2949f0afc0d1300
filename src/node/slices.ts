/** Long checks in short slices, so that requests, timers and peers are served meanwhile. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Validation } from '../consensus/validation.ts';
import type { Clock } from '../util/clock.ts';

/** How long one thing runs before everything else gets a turn. */
export const SLICE_MS = 20;

/** The time since everything else had its turn. */
export class Slice {
  readonly #clock: Pick<Clock, 'now'>;
  #start: number;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#start = clock.now();
  }

  get isOver(): boolean {
    return this.#clock.now() - this.#start >= SLICE_MS;
  }

  /** Gives everything else its turn; the next slice begins after it. */
  async end(): Promise<void> {
    await nextTurn();
    this.#start = this.#clock.now();
  }
}

/** Takes all steps. Rejects with what they throw, or with the signal's reason. */
export async function runInSlices<T>(
  steps: Validation<T>,
  clock: Pick<Clock, 'now'>,
  signal: AbortSignal,
): Promise<T> {
  const slice = new Slice(clock);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (!slice.isOver) continue;
    await slice.end();
    signal.throwIfAborted();
  }
}
