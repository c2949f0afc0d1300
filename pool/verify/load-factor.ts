/**
 * By how much difficulties are raised so that the hasher keeps up. Shares are not dropped under load:
 * miners are given harder ones, of which there are fewer, and each counts for more.
 *
 * A new difficulty takes its time to reach the miners and to show. So after a step only a backlog
 * that does not shrink is a reason for the next one, or a short peak would end in shares that are
 * a thousand times too hard.
 */
import type { Clock } from '../../src/util/clock.ts';

/** Too much waits … */
const HIGH_SECONDS = 2;
/** … if it does so for this long; and again after each of the latter. */
const FIRST_MS = 2000;
const AGAIN_MS = 10_000;
/**
 * A backlog is on its way out if it would be gone in two minutes at the pace of late. But a tenth of
 * the hasher is always needed for that, or chance decides, and half of it is enough for any.
 */
const GONE_IN_SECONDS = 120;
const MIN_PACE = 0.1;
const MAX_PACE = 0.5;
const LATE_MS = 2500;
/** Next to nothing waits, and less than half of the hasher is used: for so long it has to be so. */
const LOW_SECONDS = 0.3;
const LOW_USE = 0.5;
const CALM_MS = 60_000;
const MAX_FACTOR = 2 ** 20;

export class LoadFactor {
  readonly #clock: Pick<Clock, 'now'>;
  #factor = 1;
  #at: number;
  /** When the backlog became too long. */
  #highSince: number | undefined;
  /** A step shows only after a while; until then there is no next one. */
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Backlogs of late, the oldest first. */
  #late: { readonly at: number; readonly backlog: number }[] = [];
  /** When little began to wait, and the time that the hasher has worked since. */
  #calm: { readonly at: number; usedMs: number } | undefined;

  constructor(parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = parts.clock;
    this.#at = this.#clock.now();
  }

  /** 1, 2, 4 … 2^20. */
  get factor(): number {
    return this.#factor;
  }

  /**
   * To be told at least every second: the seconds of work that wait, and the part of the hasher that
   * was used since the last call, 0 … 1. True if the factor has changed.
   */
  observe(backlogSeconds: number, used: number): boolean {
    const now = this.#clock.now();
    const ms = now - this.#at;
    this.#at = now;
    const before = this.#factor;
    this.#late.push({ at: now, backlog: backlogSeconds });
    while (this.#late[1] !== undefined && this.#late[1].at <= now - LATE_MS) this.#late.shift();
    if (backlogSeconds > HIGH_SECONDS) this.#observeHigh(backlogSeconds, now);
    else this.#highSince = undefined;
    if (backlogSeconds < LOW_SECONDS) this.#observeCalm(used, ms, now);
    else this.#calm = undefined;
    return this.#factor !== before;
  }

  #observeHigh(backlog: number, now: number): void {
    this.#highSince ??= now;
    if (now < Math.max(this.#highSince + FIRST_MS, this.#notBefore)) return;
    // Of a backlog that an earlier step is at work on, the trend says whether that suffices.
    const isNew = this.#notBefore <= this.#highSince;
    if (isNew || !this.#shrinks(backlog, now)) {
      this.#factor = Math.min(MAX_FACTOR, 2 * this.#factor);
    }
    this.#notBefore = now + AGAIN_MS;
  }

  #shrinks(backlog: number, now: number): boolean {
    const before = this.#late[0]!;
    const pace = Math.min(MAX_PACE, Math.max(MIN_PACE, backlog / GONE_IN_SECONDS));
    return backlog <= before.backlog - (pace * (now - before.at)) / 1000;
  }

  #observeCalm(used: number, ms: number, now: number): void {
    this.#calm ??= { at: now - ms, usedMs: 0 };
    this.#calm.usedMs += used * ms;
    const calmMs = now - this.#calm.at;
    if (calmMs < CALM_MS) return;
    if (this.#calm.usedMs < LOW_USE * calmMs) this.#factor = Math.max(1, this.#factor / 2);
    this.#calm = undefined;
  }
}
