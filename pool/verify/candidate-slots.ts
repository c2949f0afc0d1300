/**
 * How many claimed blocks go before everything else at a time. A claim costs nothing, and candidates
 * are served in the order of their arrival: without a bound a flood of false ones would be in front
 * of a true one.
 */

/** Of one login. */
const MAX_OF_LOGIN = 4;
const MAX_OF_ALL = 32;
/** Of all logins that have not proven anything yet. */
const MAX_OF_STRANGERS = 16;

export class CandidateSlots {
  readonly #ofLogin = new Map<string, number>();
  #ofAll = 0;
  #ofStrangers = 0;

  /** Gives how to return it; `undefined` if there is none left. */
  take(login: string, isProven: boolean): (() => void) | undefined {
    const own = this.#ofLogin.get(login) ?? 0;
    if (own >= MAX_OF_LOGIN || this.#ofAll >= MAX_OF_ALL) return undefined;
    if (!isProven && this.#ofStrangers >= MAX_OF_STRANGERS) return undefined;
    this.#ofLogin.set(login, own + 1);
    this.#ofAll++;
    if (!isProven) this.#ofStrangers++;
    return () => {
      const left = this.#ofLogin.get(login)! - 1;
      if (left === 0) this.#ofLogin.delete(login);
      else this.#ofLogin.set(login, left);
      this.#ofAll--;
      if (!isProven) this.#ofStrangers--;
    };
  }
}
