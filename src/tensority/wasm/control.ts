/**
 * Control words of the running batches, in page 0 of the shared memory: threads claim inputs of a
 * batch with one atomic addition each, and see an abort without a message.
 */

/** Batches that can be queued at once. */
export const BATCHES = 4;

/** Index into the Int32Array over page 0 of batch b's next unclaimed input. */
export function nextWord(batch: number): number {
  return batch * WORDS_PER_BATCH;
}

/** Index of batch b's abort flag: 1 tells the threads to stop after the hash at hand. */
export function abortWord(batch: number): number {
  return batch * WORDS_PER_BATCH + 1;
}

/** A cache line each, so that batches do not slow each other down. */
const WORDS_PER_BATCH = 16;
