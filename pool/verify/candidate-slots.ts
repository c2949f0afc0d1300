/**
 * How many claimed blocks go before everything else at a time. A claim costs nothing, and candidates
 * are served in the order of their arrival: without a bound a flood of false ones would be in front
 * of a true one.
 */
import { Tally } from '../tally.ts';

/** Of one login. */
const MAX_OF_LOGIN = 4;
const MAX_OF_ALL = 32;
/** Of all logins that have not proven anything yet. */
const MAX_OF_STRANGERS = 16;

export class CandidateSlots {
  readonly #ofLogin = new Tally();
  #ofAll = 0;
  #ofStrangers = 0;

  /** Gives how to return it; `undefined` if there is none left. */
  take(login: string, isProven: boolean): (() => void) | undefined {
    if (this.#ofLogin.of(login) >= MAX_OF_LOGIN || this.#ofAll >= MAX_OF_ALL) return undefined;
    if (!isProven && this.#ofStrangers >= MAX_OF_STRANGERS) return undefined;
    this.#ofLogin.add(login);
    this.#ofAll++;
    if (!isProven) this.#ofStrangers++;
    return () => {
      this.#ofLogin.remove(login);
      this.#ofAll--;
      if (!isProven) this.#ofStrangers--;
    };
  }
}
