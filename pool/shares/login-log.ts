/**
 * What the log says of logins. When 15,000 miners come back at once a line for each helps nobody: the
 * first of a minute are told, then their number. Refusals are told once a minute for each address.
 */
import type { Clock } from '../../src/util/clock.ts';
import type { LogFields, Logger } from '../../src/util/log.ts';
import { PeerWarnings } from '../net/warnings.ts';

const PERIOD_MS = 60_000;
/** So many of a minute have a line of their own. */
const TOLD = 20;

export class LoginLog {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #refusals: PeerWarnings;
  #logins = 0;
  /** When the first of them came. */
  #since = 0;

  constructor(parts: { readonly log: Logger; readonly clock: Pick<Clock, 'now'> }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#refusals = new PeerWarnings(parts);
  }

  accepted(fields: LogFields): void {
    if (this.#logins === 0) this.#since = this.#clock.now();
    this.#logins++;
    if (this.#logins <= TOLD) this.#log.info('login', fields);
    else this.#log.debug('login', fields);
  }

  /** `who`: the address, or one word for all where it is not their fault. */
  refused(who: string, fields: LogFields): void {
    this.#refusals.warn('login refused', who, fields);
  }

  /** To be called about once a second. */
  sweep(): void {
    this.#refusals.sweep();
    if (this.#logins === 0 || this.#clock.now() - this.#since < PERIOD_MS) return;
    const count = this.#logins;
    this.#logins = 0;
    if (count > TOLD) this.#log.info('logins', { count, seconds: PERIOD_MS / 1000 });
  }
}
