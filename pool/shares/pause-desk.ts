/**
 * Back-pressure: while the verification has all it can take, who sends shares is not read any more, and
 * TCP tells it to wait. No share is dropped for load.
 */
import type { Clock } from '../../src/util/clock.ts';
import type { ShareVerification } from '../verify/verdict.ts';
import type { PoolSession } from './session.ts';

/** With each verdict so many may go on: all at once would fill it again before it has caught up. */
const RELIEVED_BY_VERDICT = 4;
/** Each second so many, or a quarter of them: most have nothing to say, and cause no verdict. */
const RELIEVED_BY_SWEEP = 64;
/** Who is made to wait again so soon has not said yet what it had to say. */
const SAME_WAIT_MS = 2000;

export class PauseDesk {
  readonly #verification: Pick<ShareVerification, 'isFull'>;
  readonly #clock: Pick<Clock, 'now'>;
  /** In the order they were paused. */
  readonly #paused = new Set<PoolSession>();

  constructor(verification: Pick<ShareVerification, 'isFull'>, clock: Pick<Clock, 'now'>) {
    this.#verification = verification;
    this.#clock = clock;
  }

  get paused(): number {
    return this.#paused.size;
  }

  /** Its share was just handed to the verification. */
  consider(session: PoolSession): void {
    if (!this.#verification.isFull || session.isPaused || session.hasLeft) return;
    session.isPaused = true;
    const now = this.#clock.now();
    const { until } = session.held;
    if (now - until > SAME_WAIT_MS) session.held = { from: now, until };
    this.#paused.add(session);
    session.client.pause(true);
  }

  /** There is a verdict more. Lets some go on, those that wait longest first, if there is room. */
  relieve(): void {
    this.#relieve(RELIEVED_BY_VERDICT);
  }

  /** To be called once a second. */
  sweep(): void {
    this.#relieve(Math.max(RELIEVED_BY_SWEEP, Math.ceil(this.#paused.size / 4)));
  }

  forget(session: PoolSession): void {
    this.#paused.delete(session);
  }

  #relieve(count: number): void {
    let left = count;
    for (const session of this.#paused) {
      if (left-- === 0 || this.#verification.isFull) return;
      this.#paused.delete(session);
      session.isPaused = false;
      session.held = { from: session.held.from, until: this.#clock.now() };
      session.client.pause(false);
    }
  }
}
