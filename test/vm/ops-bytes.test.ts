import { describe, expect, it } from 'vitest';
import { bytesToHex } from '../../src/util/bytes.ts';
import { run, stackOf } from './programs.ts';

describe('byte string opcodes', () => {
  it('never change a value that stands somewhere else', () => {
    const value = Uint8Array.of(1, 2, 3, 4);
    // `after` lies behind `value` in the same memory, as arguments of a transaction do.
    const memory = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const neighbours = [memory.subarray(0, 4), memory.subarray(4)];
    for (const text of ['2DUP CAT', '2DUP CATPUSHDATA', 'DUP INVERT', '2DUP XOR', '2DUP AND']) {
      const outcome = run(text, { arguments: neighbours });
      expect(stackOf(outcome).slice(0, 2), text).toEqual(['01020304', '05060708']);
      expect(bytesToHex(memory), text).toBe('0102030405060708');
    }
    expect(stackOf(run('DUP 2 LEFT 0x0909 CAT', { arguments: [value] }))).toEqual([
      '01020304',
      '01020909',
    ]);
  });

  it('keep no large string in memory for a small part of it', () => {
    const large = new Uint8Array(1000).fill(1);
    const small = run('10 LEFT', { arguments: [large] }).stack[0]!;
    expect([small.length, small.buffer.byteLength]).toEqual([10, 10]);
    // A large part shares it: cutting costs no gas for its length.
    const most = run('900 LEFT', { arguments: [large] }).stack[0]!;
    expect([most.length, most.buffer]).toEqual([900, large.buffer]);
  });

  it('cut exactly what is asked for', () => {
    const arguments_ = { arguments: [new TextEncoder().encode('hello')] };
    const cut = (text: string) => {
      const { fault, stack } = run(text, arguments_);
      return fault === 'bad value' ? fault : new TextDecoder().decode(stack.at(-1));
    };
    expect(cut('0 5 SUBSTR')).toBe('hello');
    expect(cut('1 3 SUBSTR')).toBe('ell');
    expect(cut('5 0 SUBSTR')).toBe('');
    expect(cut('5 1 SUBSTR')).toBe('bad value');
    expect(cut('6 0 SUBSTR')).toBe('bad value');
    expect(cut('9223372036854775807 1 SUBSTR')).toBe('bad value');
    expect(cut('5 LEFT')).toBe('hello');
    expect(cut('5 RIGHT')).toBe('hello');
    expect(cut('2 RIGHT')).toBe('lo');
    expect(cut('0 RIGHT')).toBe('');
    expect(cut('6 LEFT')).toBe('bad value');
    expect(cut('6 RIGHT')).toBe('bad value');
  });

  it('write pushes of every length with CATPUSHDATA', () => {
    const heads: readonly [number, string][] = [
      [0, '00'],
      [75, '4b'],
      [76, '4c4c'],
      [255, '4cff'],
      [256, '4d0001'],
    ];
    for (const [length, head] of heads) {
      const items = [Uint8Array.of(0xaa), new Uint8Array(length)];
      const [joined] = stackOf(run('CATPUSHDATA', { arguments: items }));
      expect(joined, `${length}`).toBe(`aa${head}${'00'.repeat(length)}`);
    }
    const empty = stackOf(run("0 '' CATPUSHDATA"));
    expect(empty).toEqual(['00']);
  });
});
