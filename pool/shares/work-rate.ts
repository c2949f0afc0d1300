/** How fast all miners together hash: the work behind accepted shares in the last minutes. */
import type { Clock } from '../../src/util/clock.ts';

const SLOT_MS = 10_000;
const SLOTS = 60;

export class WorkRate {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #began: number;
  readonly #work = new Float64Array(SLOTS);
  /** Number of the newest slot, counted from the clock's zero. */
  #slot: number;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#began = clock.now();
    this.#slot = Math.floor(this.#began / SLOT_MS);
  }

  add(difficulty: bigint): void {
    this.#turn();
    const at = this.#slot % SLOTS;
    this.#work[at] = this.#work[at]! + Number(difficulty);
  }

  /** Over the last 10 minutes, or since the start if that is less. */
  get hashesPerSecond(): number {
    this.#turn();
    const now = this.#clock.now();
    const whole = this.#work.reduce((sum, work) => sum + work, 0);
    // The oldest slot was emptied when this one began: so much time do the others cover.
    const covered = (SLOTS - 1) * SLOT_MS + (now - this.#slot * SLOT_MS);
    const ms = Math.min(now - this.#began, covered);
    // A second at least: the first share of all would seem to be found in no time.
    return whole / (Math.max(ms, 1000) / 1000);
  }

  #turn(): void {
    const now = Math.floor(this.#clock.now() / SLOT_MS);
    const passed = Math.min(now - this.#slot, SLOTS);
    for (let i = 1; i <= passed; i++) this.#work[(this.#slot + i) % SLOTS] = 0;
    if (now - this.#slot > SLOTS) this.#work.fill(0);
    this.#slot = now;
  }
}
