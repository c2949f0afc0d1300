/** The speed over the time of a run, from what the run says after each batch. */
import type { BenchmarkProgress } from '../../benchmark.ts';

export interface RatePoint {
  /** Since the clock was started. */
  readonly seconds: number;
  readonly hashesPerSecond: number;
}

/**
 * Batches end in pairs, early or late: each point is the speed over the time before it, one second
 * or one batch, whichever is longer; at the beginning, what there is.
 */
const WINDOW_MS = 1000;

export class RateHistory {
  readonly #steps: { ms: number; hashes: number }[] = [{ ms: 0, hashes: 0 }];
  readonly #points: RatePoint[] = [];

  get points(): readonly RatePoint[] {
    return this.#points;
  }

  add({ elapsedMs, hashes }: BenchmarkProgress): void {
    const steps = this.#steps;
    const last = steps.at(-1)!;
    // A coarse clock may show two batches at once: they are one step.
    if (elapsedMs <= last.ms) {
      last.hashes = hashes;
      return;
    }
    steps.push({ ms: elapsedMs, hashes });
    const from = steps.findLast(({ ms }) => ms <= elapsedMs - WINDOW_MS) ?? steps[0]!;
    this.#points.push({
      seconds: elapsedMs / 1000,
      hashesPerSecond: (1000 * (hashes - from.hashes)) / (elapsedMs - from.ms),
    });
  }
}

/** The round number at or above `value` that a scale ends with: 1, 2, 2.5 or 5 times a power of ten. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((each) => each * power >= value * (1 - 1e-9));
  return (factor ?? 10) * power;
}
