/**
 * Hash rates over 10 seconds, a minute and a quarter of an hour, from the hashes that were scanned.
 *
 * Hashes are reported in lumps, after the seconds they took, so each lump is spread over its time,
 * and the windows end at the last report: what is under way is neither counted nor held against
 * the device. Only a report that is overdue lets the rate sink. A window longer than the meter's
 * life is as long as its life, so the first figures are right too.
 */

export interface Speeds {
  /** All in hashes per second. */
  readonly tenSeconds: number;
  readonly minute: number;
  readonly quarterHour: number;
  /** The highest ten seconds so far. */
  readonly max: number;
}

export const NO_SPEED: Speeds = { tenSeconds: 0, minute: 0, quarterHour: 0, max: 0 };

const SECOND_MS = 1000;
const SHORT_MS = 10_000;
const MINUTE_MS = 60_000;
const QUARTER_HOUR_MS = 900_000;
/** Seconds kept: the longest window and its two broken ends. */
const KEPT = QUARTER_HOUR_MS / SECOND_MS + 2;
/** A report is overdue this long after the last one, and twice the time that one covered. */
const GRACE_MS = 2000;

export class HashrateMeter {
  readonly #now: () => number;
  /** Hashes of each second; second s lies at s % KEPT. */
  readonly #seconds: Float64Array = new Float64Array(KEPT);
  /** The newest second that has a place in `#seconds`. */
  #newest = 0;
  #startedAt: number | undefined;
  #reportedAt = 0;
  #reportMs = 0;
  #total = 0;
  #max = 0;

  /** `now` gives monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Hashes since the meter began. */
  get total(): number {
    return this.#total;
  }

  /** Counts hashes that were computed from `fromMs` until now. */
  add(hashes: number, fromMs: number): void {
    const to = this.#now();
    if (this.#startedAt === undefined) {
      this.#startedAt = fromMs;
      this.#newest = Math.floor(fromMs / SECOND_MS);
    }
    this.#advance(Math.floor(to / SECOND_MS));
    this.#spread(hashes, fromMs, to);
    this.#total += hashes;
    this.#reportedAt = to;
    this.#reportMs = to - fromMs;
    // Shorter lives have no ten seconds to compare.
    if (to - this.#startedAt >= SHORT_MS) this.#max = Math.max(this.#max, this.#rate(SHORT_MS, to));
  }

  speeds(): Speeds {
    if (this.#startedAt === undefined) return NO_SPEED;
    const now = this.#now();
    const overdue = now - this.#reportedAt > GRACE_MS + 2 * this.#reportMs;
    const end = overdue ? now : this.#reportedAt;
    this.#advance(Math.floor(end / SECOND_MS));
    const tenSeconds = this.#rate(SHORT_MS, end);
    return {
      tenSeconds,
      minute: this.#rate(MINUTE_MS, end),
      quarterHour: this.#rate(QUARTER_HOUR_MS, end),
      max: Math.max(this.#max, end - this.#startedAt < SHORT_MS ? tenSeconds : 0),
    };
  }

  /** Makes room up to `second`. */
  #advance(second: number): void {
    const steps = Math.min(second - this.#newest, KEPT);
    for (let i = 0; i < steps; i++) this.#seconds[(second - i) % KEPT] = 0;
    this.#newest = Math.max(this.#newest, second);
  }

  #spread(hashes: number, fromMs: number, toMs: number): void {
    if (toMs <= fromMs) {
      this.#seconds[Math.floor(toMs / SECOND_MS) % KEPT]! += hashes;
      return;
    }
    const perMs = hashes / (toMs - fromMs);
    const oldest = (this.#newest - KEPT + 1) * SECOND_MS;
    let at = Math.max(fromMs, oldest);
    while (at < toMs) {
      const second = Math.floor(at / SECOND_MS);
      const until = Math.min(toMs, (second + 1) * SECOND_MS);
      this.#seconds[second % KEPT]! += perMs * (until - at);
      at = until;
    }
  }

  /** Hashes per second in the last `windowMs` before `end`. */
  #rate(windowMs: number, end: number): number {
    const startedAt = this.#startedAt ?? end;
    const begin = Math.max(end - windowMs, startedAt);
    if (end <= begin) return 0;
    const first = Math.floor(begin / SECOND_MS);
    let hashes = 0;
    for (let second = first + 1; second <= Math.floor(end / SECOND_MS); second++) {
      hashes += this.#seconds[second % KEPT]!;
    }
    // Of the first second only the end belongs to the window, unless it holds the very beginning.
    const part = begin === startedAt ? 1 : first + 1 - begin / SECOND_MS;
    hashes += this.#seconds[first % KEPT]! * part;
    return (hashes * SECOND_MS) / (end - begin);
  }
}

/** The speeds of several devices together; `max` is the sum of theirs. */
export function addSpeeds(all: readonly Speeds[]): Speeds {
  return all.reduce(
    (sum, speeds) => ({
      tenSeconds: sum.tenSeconds + speeds.tenSeconds,
      minute: sum.minute + speeds.minute,
      quarterHour: sum.quarterHour + speeds.quarterHour,
      max: sum.max + speeds.max,
    }),
    NO_SPEED,
  );
}
