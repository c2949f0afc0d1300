/**
 * Trust by sampling: a worker whose claimed PoW hashes have been right for long enough has only some
 * of its shares verified. Trust is a worker's (its full login), not a connection's: it outlives a
 * reconnect, and not a restart.
 *
 * It is counted in work, not in shares: a share is taken at its word only if `after` times its
 * difficulty was verified of this worker since its last fault. So who begins to invent hashes gets
 * away with fewer than 1/floor of them on average (`Sampling` takes none while one that was drawn has
 * no verdict), each worth at most proven/after: less than the part 1/(after · floor) of the work that it
 * has honestly done for that, and has to do again before the next time.
 */
import { LruMap } from '../../src/util/lru.ts';

export interface TrustOptions {
  /**
   * Verified good shares in a row, each with a right claimed hash, before one of the same difficulty
   * is taken at its word; of another difficulty, as much work.
   */
  readonly after: number;
  /** Lowest probability that a share is verified, in (0, 1]. Default 0.05. */
  readonly floor?: number;
  /** The probability halves with so many more of them, down to the floor. Default `after`. */
  readonly halveEvery?: number;
  /** Logins remembered, about 200 bytes each. Default 65,536. */
  readonly maxLogins?: number;
}

export interface TrustParts {
  /** Numbers in [0, 1) that nobody can foresee. */
  readonly random: () => number;
}

/** Of one login. */
interface Row {
  /** Work that was verified in a row, in expected hashes. */
  proven: number;
  /** A share that was to be verified got no verdict: the next ones have to do in its stead. */
  owes: boolean;
}

export class Trust {
  readonly #after: number;
  readonly #floor: number;
  readonly #halveEvery: number;
  readonly #random: () => number;
  readonly #rows: LruMap<string, Row>;

  constructor(options: TrustOptions, parts: TrustParts) {
    this.#after = options.after;
    this.#floor = options.floor ?? 0.05;
    this.#halveEvery = options.halveEvery ?? options.after;
    this.#random = parts.random;
    this.#rows = new LruMap(options.maxLogins ?? 65_536);
    if (!Number.isInteger(this.#after) || this.#after < 1) {
      throw new RangeError(`"after" expected a whole number from 1, got ${this.#after}`);
    }
    if (!(this.#floor > 0 && this.#floor <= 1)) {
      throw new RangeError(`"floor" expected more than 0 and at most 1, got ${this.#floor}`);
    }
    if (!(this.#halveEvery > 0)) {
      throw new RangeError(`"halveEvery" expected more than 0, got ${this.#halveEvery}`);
    }
  }

  /** Draws whether the next share, of this difficulty (expected hashes), is verified. */
  draw(login: string, difficulty: number): boolean {
    const probability = this.probability(login, difficulty);
    return probability >= 1 || this.#random() < probability;
  }

  /** That the next share is verified. */
  probability(login: string, difficulty: number): number {
    const row = this.#rows.get(login);
    if (row === undefined || row.owes) return 1;
    const beyond = row.proven / difficulty - this.#after;
    return beyond <= 0 ? 1 : Math.max(this.#floor, 2 ** (-beyond / this.#halveEvery));
  }

  /** A verified good share whose claimed hash was right. */
  addGood(login: string, difficulty: number): void {
    const proven = (this.#rows.get(login)?.proven ?? 0) + difficulty;
    this.#rows.set(login, { proven, owes: false });
  }

  /** A share that was drawn got no verdict: until one has, all are verified. */
  owe(login: string): void {
    const row = this.#rows.get(login);
    if (row !== undefined) row.owes = true;
  }

  /** Ends the row, and gives the work in it. */
  reset(login: string): number {
    const proven = this.#rows.get(login)?.proven ?? 0;
    // A stranger is not worth an entry: it would push out somebody who is trusted.
    if (proven > 0) this.#rows.set(login, { proven: 0, owes: false });
    return proven;
  }

  /** Takes a reset back: the worker was right. */
  restore(login: string, proven: number): void {
    const since = this.#rows.get(login)?.proven ?? 0;
    if (proven + since > 0) this.#rows.set(login, { proven: since + proven, owes: false });
  }
}
