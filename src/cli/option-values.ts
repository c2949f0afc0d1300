/** Readers of option values. Each throws an `InputError` that names the option. */
import { CommanderError } from 'commander';
import { InputError } from '../util/errors.ts';

/** A whole number from `min` to `max`. */
export function wholeNumber(
  field: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new InputError(field, `a whole number ${range}`, `"${text}"`);
  };
}

/** Seconds, fractions allowed, as milliseconds; above zero, or from zero if that is allowed. */
export function seconds(
  field: string,
  { zero = false }: { readonly zero?: boolean } = {},
): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    const ms = Math.round(value * 1000);
    // Node's timers take at most 2^31−1 ms.
    if (value < 2_147_483 && (ms > 0 || (zero && value === 0))) return ms;
    throw new InputError(
      field,
      `seconds ${zero ? 'from 0' : 'from 0.001'} to below 2147483`,
      `"${text}"`,
    );
  };
}

/** A difficulty: a whole number from 1, also with k, M, G or T behind it. */
export function difficulty(field: string): (text: string) => bigint {
  const factors: Readonly<Record<string, bigint>> = {
    '': 1n,
    k: 1_000n,
    m: 1_000_000n,
    g: 1_000_000_000n,
    t: 1_000_000_000_000n,
  };
  return (text) => {
    const parts = /^(\d{1,30})([kmgt]?)$/i.exec(text);
    const value = BigInt(parts?.[1] ?? 0) * (factors[parts?.[2]?.toLowerCase() ?? ''] ?? 0n);
    if (value >= 1n) return value;
    throw new InputError(field, 'a whole number from 1, like 128 or 1M', `"${text}"`);
  };
}

/** One of some words. */
export function oneOf<T extends string>(field: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new InputError(field, `one of ${words.join(', ')}`, `"${text}"`);
  };
}

/** Collects the values of an option that may be repeated. */
export function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** The same, where one text may hold several with commas between them. */
export function repeatedList(
  field: string,
): (text: string, before: readonly string[] | undefined) => readonly string[] {
  return (text, before) => {
    const items = text.split(',').map((item) => item.trim());
    if (items.every((item) => item !== '')) return [...(before ?? []), ...items];
    throw new InputError(field, 'a text, or several with commas between them', `"${text}"`);
  };
}

/** Text that people read: one line, up to `max` characters, at least one. */
export function oneLineText(field: string, max: number): (text: string) => string {
  return (text) => {
    const { length } = [...text];
    if (length >= 1 && length <= max && !/\p{C}/u.test(text)) return text;
    const expected = `1 to ${max} characters without control characters`;
    throw new InputError(field, expected, `"${text}"`);
  };
}

/** A comma-separated list of percents from 1 to 100, `*` standing for "as it is". */
export function intensities(field: string): (text: string) => readonly (number | undefined)[] {
  return (text) =>
    text.split(',').map((item) => {
      const trimmed = item.trim();
      if (trimmed === '*') return undefined;
      const value = /^\d{1,3}$/.test(trimmed) ? Number(trimmed) : 0;
      if (value >= 1 && value <= 100) return value;
      throw new InputError(field, 'percents from 1 to 100 or *, like 80,*,60', `"${text}"`);
    });
}

/** Ends as commander does on a wrong option: one line, exit code 2. */
export function optionError(message: string, options?: ErrorOptions): CommanderError {
  const error = new CommanderError(2, 'options', message);
  if (options !== undefined) error.cause = options.cause;
  return error;
}

/** What `read` returns; `place` goes before the message of an `InputError` that it throws. */
export function readAt<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw optionError(`${place}: ${error.message}`, { cause: error });
  }
}
