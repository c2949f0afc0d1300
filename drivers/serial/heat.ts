/**
 * How hard a board may work at its temperature. The firmware does the same with the limits that it is
 * told; this is for firmware that does not. Without a sensor nothing happens, and one that goes away does not
 * keep a board from its work for ever.
 */

export interface HeatLimits {
  /** Above this the duty is halved, and halved again for as long as it stays so. */
  readonly softC: number;
  /** From here on the board gets no work. */
  readonly hardC: number;
}

export const DEFAULT_LIMITS: HeatLimits = { softC: 75, hardC: 85 };

/** Back to full work only so far below the soft limit: a board should not swing around it. */
const HYSTERESIS_C = 5;
/** Time for a halved duty to show in the temperature. */
const SETTLE_MS = 10_000;
const LOWEST_DUTY = 5;
/** A sensor that gave the last value so long ago is gone. */
const BLIND_MS = 30_000;

export class HeatGovernor {
  readonly #limits: HeatLimits;
  /** Percent; what the user wants. */
  readonly #fullDuty: number;
  #duty: number;
  #isCut = false;
  #halvedAt = Number.NEGATIVE_INFINITY;
  /** Since when there is no value; undefined while there is one. */
  #blindSince: number | undefined;

  constructor(limits: HeatLimits, fullDuty: number) {
    if (!(limits.softC < limits.hardC)) {
      throw new RangeError(
        `"limits" expected soft below hard, got ${limits.softC} and ${limits.hardC}`,
      );
    }
    this.#limits = limits;
    this.#fullDuty = fullDuty;
    this.#duty = fullDuty;
  }

  /** Percent. */
  get duty(): number {
    return this.#duty;
  }

  /** No work until it is cooler. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Takes a temperature in, undefined without a sensor. Returns what people should hear of it. */
  observe(temperatureC: number | undefined, now: number): string | undefined {
    if (temperatureC === undefined) return this.#goBlind(now);
    this.#blindSince = undefined;
    const { softC, hardC } = this.#limits;
    const isThrottled = this.#isCut || this.#duty < this.#fullDuty;
    if (temperatureC >= hardC) {
      if (this.#isCut) return undefined;
      this.#isCut = true;
      const until = softC - HYSTERESIS_C;
      return `too hot: ${temperatureC} °C, the limit is ${hardC}; no work until ${until} °C`;
    }
    if (temperatureC <= softC - HYSTERESIS_C) {
      if (!isThrottled) return undefined;
      this.#isCut = false;
      this.#duty = this.#fullDuty;
      this.#halvedAt = Number.NEGATIVE_INFINITY;
      return `cool again: ${temperatureC} °C, duty ${this.#duty} %`;
    }
    const mayHalve = this.#duty > LOWEST_DUTY && now - this.#halvedAt >= SETTLE_MS;
    if (temperatureC <= softC || !mayHalve) return undefined;
    this.#halvedAt = now;
    this.#duty = Math.max(LOWEST_DUTY, Math.floor(this.#duty / 2));
    return `warm: ${temperatureC} °C, above ${softC}; duty ${this.#duty} %`;
  }
  /**
   * A sensor that goes away while the board is hot must not stop it for ever. Half the work is what a
   * board that was warm at full work has some hope to bear.
   */
  #goBlind(now: number): string | undefined {
    this.#blindSince ??= now;
    const half = Math.max(LOWEST_DUTY, Math.floor(this.#fullDuty / 2));
    const isHeld = this.#isCut || this.#duty < Math.min(half, this.#fullDuty);
    if (!isHeld || now - this.#blindSince < BLIND_MS) return undefined;
    this.#isCut = false;
    this.#duty = Math.min(half, this.#fullDuty);
    return `no temperature any more, it was hot when last heard of; duty ${this.#duty} %`;
  }
}
