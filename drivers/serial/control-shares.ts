/**
 * How many hashes a board really makes, by its shares: they cannot be invented, and come as often as
 * the target says. Real ones are far too rare for that, so a board is told an easier target, and what
 * meets only this one is a control share. A board that claims more hashes than it makes has too few.
 *
 * A count is a matter of chance. The limits are such that an honest board passes a window with a
 * probability of all but some 10⁻⁹; so one that fails is wrong, and not only unlucky.
 */
import type { Target } from '../../src/tensority/target.ts';
import type { Wrong } from './job-ledger.ts';

/** Time between control shares, at the speed that the board claims. */
const CONTROL_S = 5;
/** A short look finds gross lies in minutes, a long one lesser ones within the hour. */
const WINDOWS: readonly Window[] = [
  { shares: 40, least: 0.25 },
  { shares: 400, least: 0.7 },
];
export const LARGEST_TARGET: Target = (1n << 256n) - 1n;
const TWO_256 = 1n << 256n;
/** Steps of a hash, in which a mean number of them is rounded. */
const STEPS = 1024;

interface Window {
  /** Shares to be expected until it is judged. */
  readonly shares: number;
  /** The part of them that have to be there. */
  readonly least: number;
}

export class ControlShares {
  readonly #windows = WINDOWS.map((window) => ({ ...window, expected: 0, actual: 0 }));

  /** The target to tell for a job of `count` nonces, at least `target`, 0 … 2^256 − 1. */
  told(target: Target, count: number, hashesPerS: number): Target {
    const least = target < 0n ? 0n : target > LARGEST_TARGET ? LARGEST_TARGET : target;
    // A single hash is named by the end of its job: there is nothing to be counted.
    if (count === 1 || !(hashesPerS > 0)) return least;
    const hashes = BigInt(Math.round(STEPS * Math.max(1, hashesPerS * CONTROL_S)));
    const control = (TWO_256 * BigInt(STEPS)) / hashes - 1n;
    return control > least ? control : least;
  }

  /** So many more hashes are claimed under this target, of which so many shares are there. */
  add(hashes: number, shares: number, told: Target): Wrong | undefined {
    const expected = (hashes * Number((told + 1n) >> 192n)) / 2 ** 64;
    let wrong: Wrong | undefined;
    for (const window of this.#windows) {
      window.expected += expected;
      window.actual += shares;
      if (window.expected < window.shares) continue;
      if (window.actual < window.least * window.expected) {
        const about = `about ${Math.round(window.expected)}`;
        wrong ??= {
          expected: `${about} shares of as many hashes as it claims`,
          actual: `${window.actual}`,
        };
      }
      window.expected = 0;
      window.actual = 0;
    }
    return wrong;
  }
}
