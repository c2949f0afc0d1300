/**
 * How many refusals may be computed a second time. The confirming hasher is one thread, and a bad
 * share costs its sender nothing: without a budget, a flood of them would buy as much of our time
 * again. Who is over it is refused all the same, and not blamed.
 */
import type { Clock } from '../../src/util/clock.ts';
import { SourceLimits } from '../../src/util/token-bucket.ts';

export interface ConfirmBudgetOptions {
  /** Of one login, at once. Default 3. */
  readonly burst?: number;
  /** Of one login, in the long run. Default 1. */
  readonly perMinute?: number;
  /** Of all verifications, in the long run. Default 0.05. */
  readonly fraction?: number;
  /** Of all logins together, at once, and at the start. Default 20. */
  readonly totalBurst?: number;
  /** Logins remembered. Default 65,536. */
  readonly maxLogins?: number;
}

export class ConfirmBudget {
  readonly #fraction: number;
  readonly #totalBurst: number;
  readonly #logins: SourceLimits;
  #total: number;

  constructor(options: ConfirmBudgetOptions, parts: { readonly clock: Pick<Clock, 'now'> }) {
    const { burst = 3, perMinute = 1, fraction = 0.05, totalBurst = 20 } = options;
    this.#fraction = fraction;
    this.#totalBurst = totalBurst;
    this.#total = totalBurst;
    const rate = { perSecond: perMinute / 60, burst };
    this.#logins = new SourceLimits(rate, options.maxLogins ?? 65_536, parts.clock);
  }

  /** One verification was done, for whomever: it earns its part of a confirmation. */
  earn(): void {
    this.#total = Math.min(this.#totalBurst, this.#total + this.#fraction);
  }

  /** Takes one confirmation for this login, if there is one for it and one in all. */
  tryTake(login: string): boolean {
    // In this order: what all have used up does not count against the login.
    if (this.#total < 1 || !this.#logins.tryTake(login)) return false;
    this.#total--;
    return true;
  }
}
