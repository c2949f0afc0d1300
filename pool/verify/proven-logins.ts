/**
 * Logins with a verified good share of late, and no bad one since. A name costs nothing and such a
 * share costs work: what somebody else pays for (a place in front, a second opinion) is theirs first.
 */
import type { Clock } from '../../src/util/clock.ts';
import { LruMap } from '../../src/util/lru.ts';

const LATELY_MS = 3_600_000;
const MAX_LOGINS = 65_536;

export class ProvenLogins {
  readonly #clock: Pick<Clock, 'now'>;
  /** When each last had a good one. */
  readonly #at = new LruMap<string, number>(MAX_LOGINS);

  constructor(parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = parts.clock;
  }

  has(login: string): boolean {
    return this.#clock.now() - (this.#at.get(login) ?? Number.NEGATIVE_INFINITY) <= LATELY_MS;
  }

  add(login: string): void {
    this.#at.set(login, this.#clock.now());
  }

  /** True if it was one. */
  drop(login: string): boolean {
    if (!this.has(login)) return false;
    this.#at.set(login, Number.NEGATIVE_INFINITY);
    return true;
  }
}
