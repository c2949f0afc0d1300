/** Figures of a benchmark: each measured several times, shown as median and range beside its target. */
export class Samples {
  readonly #samples = new Map<string, { readonly target: string; readonly values: number[] }>();
  readonly #digits: number;

  /** `digits` after the point. */
  constructor(digits = 1) {
    this.#digits = digits;
  }

  /** One measurement; `name` ends with its unit in brackets. */
  add(name: string, value: number, target = ''): void {
    const sample = this.#samples.get(name);
    if (sample === undefined) this.#samples.set(name, { target, values: [value] });
    else sample.values.push(value);
  }

  count(name: string): number {
    return this.#samples.get(name)?.values.length ?? 0;
  }

  /** A table, in the order in which the names came. */
  text(): string {
    const width = Math.max(0, ...[...this.#samples.keys()].map((name) => name.length));
    const lines = [...this.#samples].map(([name, { target, values }]) => {
      const sorted = [...values].sort((a, b) => a - b);
      const shown = [median(sorted), sorted[0]!, sorted.at(-1)!].map((value) =>
        value.toFixed(this.#digits).padStart(8),
      );
      const count = String(values.length).padStart(6);
      return `${name.padEnd(width)} ${shown.join(' ')} ${count}   ${target}`.trimEnd();
    });
    return [`${''.padEnd(width)}   median      min      max   runs   target`, ...lines].join('\n');
  }
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
