/**
 * The temperature of a simulated board, its limits, and what they do; 5 °C of hysteresis each. A sensor that
 * fails cools nothing, and is taken for a warm one after 10 s.
 */
import { NO_TEMPERATURE } from '../messages.ts';
import type { SimulatedScript } from './script.ts';

const HYSTERESIS_C = 5;
const MISSING_MS = 10_000;

export class SimulatedHeat {
  /** Percent. */
  duty = 100;
  softC = 80;
  hardC = 95;
  isHot = false;
  readonly #script: SimulatedScript;
  readonly #hasSensor: boolean;
  #isThrottled = false;
  #missingSince: number | undefined;

  constructor(script: SimulatedScript, hasSensor: boolean) {
    this.#script = script;
    this.#hasSensor = hasSensor;
  }

  /** 0.1 °C, or `NO_TEMPERATURE`. */
  get temperature(): number {
    const { temperatureC } = this.#script;
    if (!this.#hasSensor || temperatureC === undefined) return NO_TEMPERATURE;
    return Math.round(temperatureC * 10);
  }

  /** The part of its time that it works, from 0 to 1. */
  get share(): number {
    return (this.#isThrottled ? Math.max(1, Math.floor(this.duty / 2)) : this.duty) / 100;
  }

  /** As after a start. */
  reset(): void {
    this.duty = 100;
    this.softC = 80;
    this.hardC = 95;
    this.isHot = false;
    this.#isThrottled = false;
    this.#missingSince = undefined;
  }

  /** Looks at the sensor; true if it has become too hot just now. `now` in ms. */
  check(now: number): boolean {
    if (!this.#hasSensor) return false;
    if (this.temperature === NO_TEMPERATURE) {
      this.#missingSince ??= now;
      if (now - this.#missingSince >= MISSING_MS) this.#isThrottled = true;
      return false;
    }
    this.#missingSince = undefined;
    const wasHot = this.isHot;
    this.#isThrottled = this.#isAbove(this.#isThrottled, this.softC);
    this.isHot = this.#isAbove(wasHot, this.hardC);
    return this.isHot && !wasHot;
  }

  #isAbove(before: boolean, limitC: number): boolean {
    return this.temperature / 10 > (before ? limitC - HYSTERESIS_C : limitC);
  }
}
