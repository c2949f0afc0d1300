/**
 * How large a batch should be, and when it will be done. Both follow from the time per hash, which is
 * learned from the ends of batches.
 *
 * Dawn for Node keeps a core busy while a promise of the GPU is pending. So whoever waits sleeps up to
 * the predicted end and asks then. An end that was waited for is known exactly. If the answer was
 * there already, the batch ended at some time before: then the prediction is moved forward bit by
 * bit until it is a little early again.
 */

export interface PaceOptions {
  /** A first guess, in large batches. */
  readonly msPerHash: number;
  /** How long a batch should take. */
  readonly aimMs: number;
  /** Most hashes of a batch. */
  readonly most: number;
}

/** An answer that comes within this was there before it was asked for. */
const GLANCE_MS = 0.6;
const GLANCE_FRACTION = 0.003;
/** Weight of the newest exact measurement. */
const NEWEST = 0.5;
/** By how much the time per hash is lowered after an answer that was there already … */
const FIRST_STEP = 0.015;
/** … doubled each time in a row, up to this. */
const LARGEST_STEP = 0.25;

export class Pace {
  readonly #options: PaceOptions;
  #msPerHash: number;
  /** What a batch takes that is too small to fill the GPU. */
  #leastMs = 0;
  /** Since when the GPU has been busy, as far as it is known, and hashes done since. */
  #since: { readonly at: number; readonly hashes: number } | undefined;
  /** The batches in flight share the GPU's time with something else. */
  #isDisturbed = false;
  #step = FIRST_STEP;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#msPerHash = options.msPerHash;
  }

  get msPerHash(): number {
    return this.#msPerHash;
  }

  /** Hashes of the next batch, where `left` are to be done: all batches about equally large. */
  batchSize(left: number): number {
    return Math.ceil(left / Math.ceil(left / this.#full()));
  }

  /** A batch was given to a GPU that had none. */
  began(now: number): void {
    this.#since = this.#isDisturbed ? undefined : { at: now, hashes: 0 };
  }

  /** The GPU was given something else, which the batches have to wait for. */
  disturbed(): void {
    this.#isDisturbed = true;
    this.#since = undefined;
  }

  /** When the oldest batch in flight, of `count` hashes, will be done. */
  predictEnd(count: number, now: number): number {
    const { at, hashes } = this.#since ?? { at: now, hashes: 0 };
    return at + Math.max(this.#leastMs, this.#msPerHash * (hashes + count));
  }

  /**
   * The oldest batch in flight was asked for at `asked` and done at `now`. `isExact`: whoever asked
   * would have heard of its end at once.
   */
  ended(count: number, asked: number, now: number, isExact: boolean): void {
    const since = this.#since;
    this.#since = { at: now, hashes: 0 };
    this.#isDisturbed = false;
    if (since === undefined) return;
    const hashes = since.hashes + count;
    const elapsed = now - since.at;
    const glance = Math.max(GLANCE_MS, GLANCE_FRACTION * this.#msPerHash * count);
    const wasWaitedFor = isExact || now - asked > glance;
    if (2 * count <= this.#full() && this.#full() > 1) {
      // Too small to say how fast the GPU is when it is full.
      if (since.hashes === 0) this.#learnLeast(elapsed, wasWaitedFor);
    } else if (wasWaitedFor) {
      this.#msPerHash += NEWEST * (elapsed / hashes - this.#msPerHash);
      this.#step = FIRST_STEP;
    } else {
      this.#msPerHash = Math.min(this.#msPerHash, elapsed / hashes) * (1 - this.#step);
      this.#step = Math.min(2 * this.#step, LARGEST_STEP);
      this.#since = { at: since.at, hashes };
    }
  }

  #learnLeast(elapsed: number, wasWaitedFor: boolean): void {
    if (wasWaitedFor) this.#leastMs += NEWEST * (elapsed - this.#leastMs);
    else this.#leastMs = Math.min(this.#leastMs, elapsed) * (1 - FIRST_STEP);
  }

  #full(): number {
    const { aimMs, most } = this.#options;
    // A clock too coarse to see the batches says nothing of the speed.
    const fitting = this.#msPerHash > 0 ? Math.floor(aimMs / this.#msPerHash) : most;
    return Math.max(1, Math.min(most, fitting));
  }
}
