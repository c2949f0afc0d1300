/**
 * Waiting for a board that refuses work because it is too hot. Without a sensor the host cannot tell
 * when that ends, or whether it is true: so it is said now and then, and does not go on for ever.
 */
import type { Clock } from '../../src/util/clock.ts';
import { DriverError } from '../driver.ts';

export interface HotWaitParts {
  readonly clock: Clock;
  readonly onNotice: (text: string) => void;
}

const PAUSE_MS = 1000;
const NOTICE_MS = 60_000;
const GIVE_UP_MS = 1_800_000;

export class HotWait {
  readonly #parts: HotWaitParts;
  #since: number | undefined;
  #noticedAt = 0;

  constructor(parts: HotWaitParts) {
    this.#parts = parts;
  }

  /** It works again. */
  end(): void {
    this.#since = undefined;
  }

  /**
   * A second, or until the signal aborts. Rejects `DriverError` `lost` when the board has refused for half
   * an hour.
   */
  async pause(signal: AbortSignal | undefined): Promise<void> {
    const { clock, onNotice } = this.#parts;
    const now = clock.now();
    if (this.#since === undefined) {
      this.#since = now;
      this.#noticedAt = now;
    }
    const ms = now - this.#since;
    if (ms >= GIVE_UP_MS) {
      this.#since = undefined;
      const reason = `it has refused work as too hot for ${ms / 60_000} min`;
      throw new DriverError({ code: 'lost', reason });
    }
    if (now - this.#noticedAt >= NOTICE_MS) {
      this.#noticedAt = now;
      onNotice(`the board refuses work as too hot, for ${Math.round(ms / 60_000)} min now`);
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}
