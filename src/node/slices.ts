/** Long checks in short slices, so that requests, timers and peers are served meanwhile. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Validation } from '../consensus/validation.ts';
import type { Clock } from '../util/clock.ts';

/** How long one thing runs before everything else gets a turn. */
export const SLICE_MS = 20;

/** Takes all steps. Rejects with what they throw, or with the signal's reason. */
export async function runInSlices<T>(
  steps: Validation<T>,
  clock: Pick<Clock, 'now'>,
  signal: AbortSignal,
): Promise<T> {
  let sliceStart = clock.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (clock.now() - sliceStart < SLICE_MS) continue;
    await nextTurn();
    signal.throwIfAborted();
    sliceStart = clock.now();
  }
}
