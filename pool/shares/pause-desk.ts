/**
 * Back-pressure: while the verification has all it can take, who sends shares is not read any more, and
 * TCP tells it to wait. No share is dropped for load. Who has proven nothing yet may have to wait while the
 * others go on.
 */
import type { Clock } from '../../src/util/clock.ts';
import type { ShareVerification } from '../verify/verdict.ts';
import type { PoolSession } from './session.ts';

/** With each verdict so many may go on: all at once would fill it again before it has caught up. */
const RELIEVED_BY_VERDICT = 4;
/** Each second so many, or a quarter of them: most have nothing to say, and cause no verdict. */
const RELIEVED_BY_SWEEP = 64;
/** So many are looked at for a verdict: all that wait are thousands. */
const LOOKED_AT_BY_VERDICT = 64;
/** Who is made to wait again so soon has not said yet what it had to say. */
const SAME_WAIT_MS = 2000;

export class PauseDesk {
  readonly #verification: Pick<ShareVerification, 'isFullFor'>;
  readonly #clock: Pick<Clock, 'now'>;
  /** In the order they were paused, with when that was. */
  readonly #paused = new Map<PoolSession, number>();

  constructor(verification: Pick<ShareVerification, 'isFullFor'>, clock: Pick<Clock, 'now'>) {
    this.#verification = verification;
    this.#clock = clock;
  }

  get paused(): number {
    return this.#paused.size;
  }

  /** Its share was just handed to the verification. */
  consider(session: PoolSession): void {
    if (session.isPaused || session.hasLeft) return;
    if (!this.#verification.isFullFor(session.login)) return;
    session.isPaused = true;
    const now = this.#clock.now();
    const { until } = session.held;
    if (now - until > SAME_WAIT_MS) session.held = { from: now, until };
    this.#paused.set(session, now);
    session.client.pause(true);
  }

  /** There is a verdict more. Lets some go on, those that wait longest first, if there is room. */
  relieve(): void {
    this.#relieve(RELIEVED_BY_VERDICT, LOOKED_AT_BY_VERDICT);
  }

  /** To be called once a second. */
  sweep(): void {
    const { size } = this.#paused;
    this.#relieve(Math.max(RELIEVED_BY_SWEEP, Math.ceil(size / 4)), size);
  }

  forget(session: PoolSession): void {
    this.#paused.delete(session);
  }

  #relieve(count: number, lookedAt: number): void {
    let left = count;
    let looks = lookedAt;
    for (const [session, since] of this.#paused) {
      if (left === 0 || looks-- === 0) return;
      if (this.#verification.isFullFor(session.login)) continue;
      left--;
      this.#paused.delete(session);
      session.isPaused = false;
      const now = this.#clock.now();
      session.held = { from: session.held.from, until: now };
      session.vardiff?.skip(now - since, now);
      session.client.pause(false);
    }
  }
}
