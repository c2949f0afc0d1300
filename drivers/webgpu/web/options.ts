/** What the page's address may ask for: `?run&kernel=dp4a-64&hashes=64` or `?seconds=30`. */
import type { BenchmarkGoal } from '../../benchmark.ts';

export interface PageOptions {
  /** Only this kernel is tried. */
  readonly kernel: string | undefined;
  readonly goal: BenchmarkGoal;
  /** Start without being asked. */
  readonly startsAtOnce: boolean;
  /** What was asked for and cannot be, one line each. */
  readonly problems: readonly string[];
}

const DEFAULT_SECONDS = 10;
const MAX_SECONDS = 3600;
const MAX_HASHES = 100_000_000;

/** Reads the part of an address behind its `?`. What it does not understand is left out and told. */
export function readPageOptions(query: string): PageOptions {
  const given = new URLSearchParams(query);
  const problems: string[] = [];
  const wholeNumber = (name: string, max: number): number | undefined => {
    const text = given.get(name);
    if (text === null) return undefined;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= max) return value;
    problems.push(`${name}: expected a whole number from 1 to ${max}, got "${clipped(text)}"`);
    return undefined;
  };
  for (const name of new Set(given.keys())) {
    if (!['run', 'kernel', 'hashes', 'seconds'].includes(name)) {
      problems.push(`${clipped(name)}: no such option; there are run, kernel, hashes and seconds`);
    }
  }
  const hashes = wholeNumber('hashes', MAX_HASHES);
  const seconds = wholeNumber('seconds', MAX_SECONDS);
  if (hashes !== undefined && seconds !== undefined) {
    problems.push('hashes and seconds exclude each other: seconds is ignored');
  }
  return {
    kernel: given.get('kernel') || undefined,
    goal:
      hashes === undefined
        ? { kind: 'time', ms: 1000 * (seconds ?? DEFAULT_SECONDS) }
        : { kind: 'hashes', hashes },
    startsAtOnce: given.has('run'),
    problems,
  };
}

function clipped(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
