import { describe, expect, it } from 'vitest';
import { run, stackOf } from './programs.ts';

/** Twenty items that differ, 1 at the bottom. */
const ITEMS = Array.from({ length: 20 }, (_, i) => Uint8Array.of(i + 1));
const NAMES = stackOf(run('', { arguments: ITEMS }));

function stackAfter(text: string): string[] {
  return stackOf(run(text, { arguments: ITEMS }));
}

describe('stack opcodes', () => {
  it('PICK copies and ROLL moves the right item at every depth, near and far', () => {
    for (let depth = 0; depth < ITEMS.length; depth++) {
      const at = ITEMS.length - 1 - depth;
      expect(stackAfter(`${depth} PICK`), `${depth} PICK`).toEqual([...NAMES, NAMES[at]]);
      const rest = NAMES.toSpliced(at, 1);
      expect(stackAfter(`${depth} ROLL`), `${depth} ROLL`).toEqual([...rest, NAMES[at]]);
    }
    for (const text of ['20 PICK', '20 ROLL', '9007199254740993 ROLL']) {
      expect(run(text, { arguments: ITEMS }).fault, text).toBe('data stack underflow');
    }
    for (const text of ['-1 PICK', '-1 ROLL', '9223372036854775807 PICK']) {
      expect(run(text, { arguments: ITEMS }).fault, text).toBe('bad value');
    }
  });

  it.each([
    ['2DROP', 'abcd'],
    ['2DUP', 'abcdefef'],
    ['3DUP', 'abcdefdef'],
    ['2OVER', 'abcdefcd'],
    ['2ROT', 'cdefab'],
    ['2SWAP', 'abefcd'],
    ['DROP', 'abcde'],
    ['DUP', 'abcdeff'],
    ['NIP', 'abcdf'],
    ['OVER', 'abcdefe'],
    ['ROT', 'abcefd'],
    ['SWAP', 'abcdfe'],
    ['TUCK', 'abcdfef'],
    ['TOALTSTACK TOALTSTACK DROP FROMALTSTACK', 'abce'],
    ['IFDUP', 'abcdeff'],
  ])('%s makes %s of abcdef', (text, expected) => {
    const letters = [...'abcdef'].map((letter) => new TextEncoder().encode(letter));
    const { stack } = run(text, { arguments: letters });
    expect(stack.map((item) => new TextDecoder().decode(item)).join('')).toBe(expected);
  });

  it('DEPTH counts the data stack alone', () => {
    expect(stackAfter('TOALTSTACK DEPTH').at(-1)).toBe('13');
  });

  it('look at long strings as at short ones', () => {
    const zeros = new Uint8Array(1000);
    const late = zeros.with(999, 1);
    for (let times = 0; times < 2; times++) {
      expect(run('IFDUP', { arguments: [zeros] }).stack).toHaveLength(1);
      expect(run('IFDUP', { arguments: [late] }).stack).toHaveLength(2);
    }
    expect(run('', { arguments: [late] }).fault).toBeUndefined();
    expect(run('', { arguments: [zeros] }).fault).toBe('false result');
  });
});
