/**
 * How fast the hasher is, from what it does under load. A device that is given one hash at a time is
 * busy all day and far from its speed: only while more waits than it takes at once do we learn what
 * it can do. Until then the time that it was busy at all has to do, which says too little.
 *
 * The time before its first answer is not the hasher's: a device opens, or a table is built.
 */
import type { Clock } from '../../src/util/clock.ts';

/** Older measurements count for 1/e after so long. */
const MEMORY_MS = 10_000;
/** Of full load, before it is believed. */
const ENOUGH_MS = 1000;

/** A count and the time that it took, both fading. */
interface Fading {
  count: number;
  ms: number;
}

export class HasherPace {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #loaded: Fading = { count: 0, ms: 0 };
  readonly #busy: Fading = { count: 0, ms: 0 };
  #at: number;
  #done = 0;
  #hasAnswered = false;
  /** Of the time since `#at`; with the moment since when it is busy. */
  #busyMs = 0;
  #busySince: number | undefined;

  constructor(parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = parts.clock;
    this.#at = this.#clock.now();
  }

  /** There is something to do now, or nothing any more. */
  setBusy(isBusy: boolean): void {
    const now = this.#clock.now();
    if (isBusy) this.#busySince ??= now;
    else if (this.#busySince !== undefined) {
      this.#busyMs += now - this.#busySince;
      this.#busySince = undefined;
    }
  }

  /** One verification is done. */
  addDone(): void {
    this.#done++;
  }

  /**
   * Ends a span of time; `isLoaded`: throughout it, more waited than the hasher takes at once. Gives
   * the part of its capacity that was used, 0 … 1.
   */
  measure(isLoaded: boolean): number {
    const now = this.#clock.now();
    const ms = now - this.#at;
    if (ms <= 0) return 0;
    if (!this.#hasAnswered) {
      this.#begin(now);
      return isLoaded ? 1 : 0;
    }
    if (this.#busySince !== undefined) {
      this.#busyMs += now - this.#busySince;
      this.#busySince = now;
    }
    const done = this.#done;
    add(this.#busy, done, this.#busyMs, ms);
    if (isLoaded) add(this.#loaded, done, ms, ms);
    const busyPart = this.#busyMs / ms;
    this.#at = now;
    this.#done = 0;
    this.#busyMs = 0;
    if (isLoaded) return 1;
    const { perSecond } = this;
    return perSecond > 0 ? Math.min(1, (1000 * done) / ms / perSecond) : busyPart;
  }

  /** The span of time in which the first answer came is left out as well. */
  #begin(now: number): void {
    this.#at = now;
    if (this.#done === 0) return;
    this.#hasAnswered = true;
    this.#done = 0;
    this.#busyMs = 0;
    if (this.#busySince !== undefined) this.#busySince = now;
  }

  /** Verifications a second that the hasher can do; 0 while nothing is known. */
  get perSecond(): number {
    const { count, ms } = this.#loaded.ms >= ENOUGH_MS ? this.#loaded : this.#busy;
    return ms > 0 ? (1000 * count) / ms : 0;
  }

  /** Seconds that `queued` hashes take. With nothing known, as if the first were done right now. */
  secondsFor(queued: number): number {
    if (queued === 0) return 0;
    const { perSecond } = this;
    if (perSecond > 0) return queued / perSecond;
    const waited = this.#busySince === undefined ? 0 : this.#clock.now() - this.#busySince;
    return (queued * (this.#busy.ms + waited)) / 1000;
  }
}

/** What was measured fades with the time that has passed, not with the time that was measured. */
function add(to: Fading, count: number, ms: number, passedMs: number): void {
  const kept = Math.exp(-passedMs / MEMORY_MS);
  to.count = to.count * kept + count;
  to.ms = to.ms * kept + ms;
}
