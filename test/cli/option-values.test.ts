import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  difficulty,
  intensities,
  oneOf,
  optionError,
  readAt,
  repeated,
  seconds,
  wholeNumber,
} from '../../src/cli/option-values.ts';
import { InputError } from '../../src/util/errors.ts';

/** Each of `bad` is refused with a message that begins so and ends with what was got. */
function expectRefused(
  read: (text: string) => unknown,
  bad: readonly string[],
  begin: string,
): void {
  for (const text of bad) {
    expect(() => read(text), text).toThrow(InputError);
    expect(() => read(text), text).toThrow(`${begin}, got "${text}"`);
  }
}

describe('a whole number', () => {
  it('lies in its range and is nothing but digits', () => {
    const read = wholeNumber('threads', 1, 1024);
    expect(['1', '007', '1024'].map(read)).toEqual([1, 7, 1024]);
    const bad = ['', '0', '1025', '-1', '+1', '1.0', '1e2', '0x10', ' 1', '1 ', '9'.repeat(40)];
    expectRefused(read, bad.slice(0, -1), 'threads: expected a whole number from 1 to 1024');
    expect(() => read(bad.at(-1) ?? '')).toThrow(InputError);
  });

  it('without an upper end goes up to what a number can hold exactly', () => {
    const read = wholeNumber('shares', 0);
    expect(read('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expectRefused(read, ['9007199254740992', '-0'], 'shares: expected a whole number from 0');
  });
});

describe('seconds', () => {
  it('become milliseconds, fractions included', () => {
    const read = seconds('retry-pause');
    expect(['1', '0.5', '0.001', '2147482'].map(read)).toEqual([1000, 500, 1, 2_147_482_000]);
    const bad = ['0', '0.0001', '-1', '', '1s', '.5', '2147483', 'Infinity', '1e3'];
    expectRefused(read, bad, 'retry-pause: expected seconds from 0.001 to below 2147483');
  });

  it('may be zero where that has a meaning', () => {
    const read = seconds('log-cycle', { zero: true });
    expect(['0', '0.0', '0.25'].map(read)).toEqual([0, 0, 250]);
    // Not rounded to "never".
    expectRefused(read, ['0.0001', '-1'], 'log-cycle: expected seconds from 0 to below 2147483');
  });
});

describe('a difficulty', () => {
  it('is exact, with the letters that miners use for thousands', () => {
    const read = difficulty('difficulty');
    expect(['1', '128', '4k', '1M', '2G', '3t'].map(read)).toEqual([
      1n,
      128n,
      4000n,
      1_000_000n,
      2_000_000_000n,
      3_000_000_000_000n,
    ]);
    expect(read('9007199254740993')).toBe(9_007_199_254_740_993n);
    const bad = ['0', '0k', '', 'k', '1.5', '-1', '1P', '1 k'];
    expectRefused(read, bad, 'difficulty: expected a whole number from 1, like 128 or 1M');
  });
});

describe('other values', () => {
  it('are one of the words', () => {
    const read = oneOf('log-format', ['text', 'json']);
    expect(read('json')).toBe('json');
    expectRefused(read, ['', 'JSON', 'text '], 'log-format: expected one of text, json');
  });

  it('add up where an option may be repeated', () => {
    expect(repeated('b', repeated('a', undefined))).toEqual(['a', 'b']);
  });

  it('are percents, a star standing for "all of it"', () => {
    const read = intensities('intensity');
    expect(read('80')).toEqual([80]);
    expect(read('100, * ,1')).toEqual([100, undefined, 1]);
    const bad = ['', '0', '101', '80,', '80;60', '50%', '1.5', '**'];
    expectRefused(read, bad, 'intensity: expected percents from 1 to 100 or *, like 80,*,60');
  });
});

describe('readAt', () => {
  const wrong = new InputError('threads', 'a number', '"x"');

  it('says where a wrong value stands', () => {
    const read = (): never => {
      throw wrong;
    };
    const reading = (): unknown => readAt('config a.json', read);
    expect(reading).toThrow(CommanderError);
    expect(reading).toThrow('config a.json: threads: expected a number, got "x"');
  });

  it('lets other errors and results through', () => {
    const other = new TypeError('bug');
    const read = (): never => {
      throw other;
    };
    expect(() => readAt('a', read)).toThrow(other);
    expect(readAt('a', () => 7)).toBe(7);
  });

  it('keeps the cause', () => {
    expect(optionError('a', { cause: wrong }).cause).toBe(wrong);
  });
});
