/** Notices that a process which has something to do says nothing any more. */

export interface WatchdogOptions {
  /** Silence of this length is noticed; within a sixth of it. */
  readonly silenceMs: number;
  /** True while something is to be heard. */
  readonly isWaiting: () => boolean;
  /** Called once. */
  readonly onSilence: () => void;
}

/**
 * Silence is counted in turns of a timer, not read off a clock: if our own process stood still, what
 * came in the meantime is read before the timer fires again.
 */
const TURNS = 6;

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  #silentTurns = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#turn(), options.silenceMs / TURNS).unref();
  }

  heard(): void {
    this.#silentTurns = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    this.#silentTurns = this.#options.isWaiting() ? this.#silentTurns + 1 : 0;
    if (this.#silentTurns < TURNS) return;
    this.stop();
    this.#options.onSilence();
  }
}
