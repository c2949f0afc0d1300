/**
 * Warnings about peers that cannot flood the log: of one kind and one address there is a line a minute
 * at most, and the next one tells how many there were in between.
 */
import type { Clock } from '../../src/util/clock.ts';
import type { LogFields, Logger } from '../../src/util/log.ts';
import { hostOf } from './addresses.ts';

const QUIET_MS = 60_000;
/** More kinds and addresses than this within a minute: the oldest are forgotten, and warned of again. */
const MAX_KEYS = 4096;

interface Quiet {
  readonly until: number;
  readonly event: string;
  readonly address: string;
  suppressed: number;
}

export class PeerWarnings {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  /** In the order of `until`: each is quiet for the same time. */
  readonly #quiet = new Map<string, Quiet>();

  constructor(parts: { readonly log: Logger; readonly clock: Pick<Clock, 'now'> }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
  }

  warn(event: string, address: string, fields: LogFields): void {
    const now = this.#clock.now();
    const key = `${event} ${hostOf(address)}`;
    const quiet = this.#quiet.get(key);
    if (quiet !== undefined && now < quiet.until) {
      quiet.suppressed++;
      return;
    }
    const missed =
      quiet === undefined || quiet.suppressed === 0 ? {} : { suppressed: quiet.suppressed };
    this.#log.warn(event, { ...fields, ...missed });
    this.#quiet.delete(key);
    this.#quiet.set(key, { until: now + QUIET_MS, event, address, suppressed: 0 });
    if (this.#quiet.size > MAX_KEYS) {
      for (const oldest of this.#quiet.keys()) {
        this.#quiet.delete(oldest);
        break;
      }
    }
  }

  /** Tells what was held back and is over, so that the last of it is told too. */
  sweep(): void {
    const now = this.#clock.now();
    for (const [key, { until, event, address, suppressed }] of this.#quiet) {
      if (now < until) return;
      this.#quiet.delete(key);
      if (suppressed > 0) this.#log.warn(event, { peer: address, suppressed });
    }
  }
}
