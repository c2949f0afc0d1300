/** Figures with targets: each measured several times, shown with its spread and whether it was reached. */

export interface FigureTarget {
  readonly most?: number;
  readonly least?: number;
}

export interface FigureSummary {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly target?: FigureTarget;
  /** By the median. */
  readonly reached?: boolean;
}

/** What every part of the benchmark works with. */
export interface PoolBench {
  readonly figures: Figures;
  /** The path of a new folder, not made yet, on the disk that is measured. */
  folder(): string;
  /** Throws unless they are the same: then nothing is printed. */
  check(what: string, expected: unknown, got: unknown): void;
}

interface Figure {
  readonly unit: string;
  readonly target: FigureTarget | undefined;
  readonly values: number[];
}

export class Figures {
  readonly #figures = new Map<string, Figure>();
  readonly #isJudged: boolean;

  /** `isJudged: false`: targets are shown, and not said to be reached or not. */
  constructor({ isJudged }: { readonly isJudged: boolean }) {
    this.#isJudged = isJudged;
  }

  /** One measurement. */
  add(name: string, unit: string, value: number, target?: FigureTarget): void {
    const figure = this.#figures.get(name);
    if (figure === undefined) this.#figures.set(name, { unit, target, values: [value] });
    else figure.values.push(value);
  }

  summary(): readonly FigureSummary[] {
    return [...this.#figures].map(([name, { unit, target, values }]) => {
      const sorted = values.toSorted((a, b) => a - b);
      const middle = median(sorted);
      return {
        name,
        unit,
        median: middle,
        min: sorted[0]!,
        max: sorted.at(-1)!,
        runs: sorted.length,
        ...(target === undefined ? {} : { target }),
        ...(target === undefined || !this.#isJudged ? {} : { reached: holds(target, middle) }),
      };
    });
  }

  /** A table, in the order in which the names came. */
  text(): string {
    const all = this.summary();
    const title = ({ name, unit }: FigureSummary): string =>
      unit === '' ? name : `${name} [${unit}]`;
    const width = Math.max(0, ...all.map((each) => title(each).length));
    const head = `${''.padEnd(width)}   median      min      max   runs   target`;
    const lines = all.map((each) => {
      const numbers = [each.median, each.min, each.max].map((value) => shown(value).padStart(8));
      const target = each.target === undefined ? '' : targetText(each.target);
      const verdict = each.reached === undefined ? '' : each.reached ? 'reached' : 'NOT REACHED';
      return `${title(each).padEnd(width)} ${numbers.join(' ')} ${String(each.runs).padStart(6)}   ${target.padEnd(10)} ${verdict}`.trimEnd();
    });
    return [head, ...lines].join('\n');
  }
}

/** Of sorted values, the one that `part` of them are at most. */
export function quantile(sorted: readonly number[], part: number): number {
  if (sorted.length === 0) throw new RangeError('"sorted" expected values, got none');
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
}

export function sortedCopy(values: readonly number[]): readonly number[] {
  return values.toSorted((a, b) => a - b);
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function holds({ most, least }: FigureTarget, value: number): boolean {
  return (most === undefined || value <= most) && (least === undefined || value >= least);
}

function targetText({ most, least }: FigureTarget): string {
  return most === undefined ? `≥ ${least}` : `≤ ${most}`;
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}
