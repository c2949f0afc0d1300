/**
 * The nonces of one job, handed out in ranges that never overlap. What a device could not finish
 * comes back and is handed out again before anything new.
 */
import type { NonceRange } from '../drivers/driver.ts';

/** Nonces start … end − 1. */
interface Span {
  readonly start: bigint;
  readonly end: bigint;
}

export class NonceSpace {
  readonly start: bigint;
  readonly end: bigint;
  /** The first nonce that was never handed out. */
  #next: bigint;
  /** What came back: in order, without overlaps or neighbours. */
  #returned: Span[] = [];

  /** Nonces start … end − 1 of 64 bits; none if they are equal. */
  constructor(start: bigint, end: bigint) {
    if (start < 0n || end < start || end > 1n << 64n) {
      throw new RangeError(`nonces expected 0 <= start <= end <= 2^64, got ${start} to ${end}`);
    }
    this.start = start;
    this.end = end;
    this.#next = start;
  }

  /** Nonces that nobody works on. */
  get left(): bigint {
    const returned = this.#returned.reduce((sum, span) => sum + span.end - span.start, 0n);
    return this.end - this.#next + returned;
  }

  /** True if the nonce belongs to the job at all. */
  has(nonce: bigint): boolean {
    return nonce >= this.start && nonce < this.end;
  }

  /** Up to `count` (1 or more) nonces, now the caller's alone; undefined if none are left. */
  take(count: number): NonceRange | undefined {
    const first = this.#returned.shift();
    const source = first ?? { start: this.#next, end: this.end };
    const wanted = source.start + BigInt(count);
    const end = wanted < source.end ? wanted : source.end;
    if (first === undefined) this.#next = end;
    else if (end < first.end) this.#returned.unshift({ start: end, end: first.end });
    if (end === source.start) return undefined;
    return { start: source.start, count: Number(end - source.start) };
  }

  /** Takes back what is left of a range whose first `scanned` nonces were tried. */
  giveBack(range: NonceRange, scanned: number): void {
    const span = { start: range.start + BigInt(scanned), end: range.start + BigInt(range.count) };
    if (scanned < 0 || span.start > span.end || span.start < this.start || span.end > this.#next) {
      throw new RangeError(
        `range expected to be one that was handed out, got ${scanned} of ${range.count} from ${range.start}`,
      );
    }
    if (span.start === span.end) return;
    const spans = [...this.#returned, span].sort((a, b) => (a.start < b.start ? -1 : 1));
    this.#returned = [];
    for (const each of spans) {
      const last = this.#returned.at(-1);
      if (last?.end === each.start) {
        this.#returned[this.#returned.length - 1] = { start: last.start, end: each.end };
      } else {
        this.#returned.push(each);
      }
    }
    const last = this.#returned.at(-1);
    if (last?.end === this.#next) {
      this.#returned.pop();
      this.#next = last.start;
    }
  }
}
