import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/util/bytes.ts';
import { assemble } from '../../src/vm/assemble.ts';
import type { VmOutcome } from '../../src/vm/context.ts';
import type { RunBounds } from '../../src/vm/machine.ts';
import { ProgramRun, RUN_BOUNDS, runProgram } from '../../src/vm/run.ts';
import { vmContext } from './programs.ts';

/** The most gas that a transaction is given. */
const MOST_GAS = 200_000;

/** Work says how long a run takes without asking a clock; this much is a tenth of a second or two. */
const QUICK: RunBounds = { ...RUN_BOUNDS, work: 600_000_000 };

function runBytes(
  program: Uint8Array,
  bounds: RunBounds,
  items: readonly Uint8Array[] = [],
  gas: number = MOST_GAS,
): VmOutcome {
  return runProgram(vmContext({ program, arguments: items }), gas, bounds);
}

/** `program` again and again, as one long program of `length` bytes. */
function repeated(text: string, length: number): Uint8Array {
  const once = assemble(text);
  return Uint8Array.from({ length }, (_, i) => once[i % once.length]!);
}

describe('a hostile program', () => {
  const big = new Uint8Array(60_000);
  const cases: readonly [name: string, program: Uint8Array, items?: readonly Uint8Array[]][] = [
    ['loops on the spot', assemble('$a JUMP:$a')],
    ['loops over a predicate that fails', assemble('$a 0 0x6a 1 CHECKPREDICATE DROP JUMP:$a')],
    ['looks for a one in 100,000 zeros', repeated('IFDUP', 150_000), [new Uint8Array(100_000)]],
    ['looks in copies', assemble('$a DUP JUMPIF:$a JUMP:$a'), [big]],
    ['cuts and looks', assemble('$a DUP 10000 LEFT IFDUP DROP JUMP:$a'), [big]],
    ['keeps small parts of large strings', repeated('DUP 10000 LEFT 1 LEFT SWAP', 90_000), [big]],
    ['joins with nothing', repeated('FALSE CAT', 90_000), [big]],
    ['digs at the bottom of 5,000 items', deepRoll(5000)],
    ['moves all items to children', assemble('$a 1 1 1 1 -1 0 0 CHECKPREDICATE JUMP:$a')],
    ['hashes all it can', assemble('$a DUP SHA3 DROP JUMP:$a'), [big]],
    ['asks for 2^50 signatures', assemble('0 1125899906842624 CHECKMULTISIG')],
  ];

  it.each(cases)('%s, and is soon out of gas', (_name, program, items) => {
    expect(runBytes(program, QUICK, items).fault).toBe('run limit exceeded');
  });

  it('joins strings where that is out of bounds', () => {
    const bounds: RunBounds = { ...QUICK, joins: false };
    for (const [text, fault] of [
      ['1 2 CAT', 'out of bounds'],
      ['0 2 CAT', 'out of bounds'],
      ['1 0 CATPUSHDATA', 'out of bounds'],
      ['0 0x51 0 CHECKPREDICATE', undefined],
      // Not to be hidden by a child that may fail.
      ['1 2 2 0x7e 0 CHECKPREDICATE DROP 1', 'out of bounds'],
      ['1 0 CAT', undefined],
    ] as const) {
      const program = assemble(text);
      expect(runBytes(program, bounds).fault, text).toBe(fault);
      expect(runBytes(program, QUICK).fault, text).not.toBe('out of bounds');
    }
  });

  it('nests predicates as deep as its gas reaches, without using our stack', () => {
    const program = assemble('0 PROGRAM 0 CHECKPREDICATE');
    expect(runBytes(program, QUICK).fault).toBe('false result');
    // 35,000 levels: a recursive machine would not survive them.
    expect(runBytes(program, QUICK, [], 10_000_000).fault).toBe('false result');
  });

  it('pushes what it does not have: refused before anything is allocated', () => {
    for (const text of ['0x4effffffff', '0x4e00000080', '0x4dffff', '0x4cff', '0x4b']) {
      const program = assemble(text).subarray(1);
      expect(runBytes(program, QUICK).fault, text).toBe('unexpected end of program');
    }
    for (const text of ['9007199254740993 LEFT', '9223372036854775807 1 SUBSTR']) {
      expect(runBytes(assemble(`'abc' 0 ${text}`), QUICK).fault, text).toBeDefined();
    }
  });

  it('that is as dear as 200,000 gas can buy still ends by its gas', () => {
    const outcome = runBytes(repeated('1 CAT', 60_000), RUN_BOUNDS, [new Uint8Array(45_000)]);
    expect([outcome.fault, outcome.gasLeft]).toEqual(['run limit exceeded', 0]);
  });
});

describe('a program that gains gas', () => {
  // The child has 1 gas, pushes the program (of 300 bytes and more) and cannot pay: the parent is
  // given 8 gas and one for each byte, where a round costs less than 100.
  const round = '0 0xc4 1 CHECKPREDICATE DROP';
  const loop = concatBytes(assemble(`$a ${round} JUMP:$a`), new Uint8Array(300));

  it('ends with more than it was given', () => {
    // 32 bytes of which 1 gas was paid for: the parent is given 40.
    const limited = runBytes(assemble('0 0xc2 1 CHECKPREDICATE'), QUICK, [], 1000);
    const unlimited = runBytes(assemble('0 0x6a 1 CHECKPREDICATE'), QUICK, [], 1000);
    expect(limited.gasLeft - unlimited.gasLeft).toBe(40);
    const program = concatBytes(assemble(`${round} JUMP:400`), new Uint8Array(300));
    expect(runBytes(program, QUICK, [], 1000).gasLeft).toBeGreaterThan(1200);
  });

  it('may do so a million times, if it comes to an end', () => {
    // What a round gains is nearly what it costs, and a counter ends it.
    const text = '1000000 $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:400';
    const program = concatBytes(assemble(text), new Uint8Array(300));
    const outcome = runBytes(program, RUN_BOUNDS);
    expect(outcome.fault).toBeUndefined();
    expect(outcome.gasLeft).toBeGreaterThan(MOST_GAS);
  });

  it('can be run in steps, to the same end', () => {
    const text = '300 $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:400';
    const program = concatBytes(assemble(text), new Uint8Array(300));
    const context = vmContext({ program, arguments: [] });
    const whole = runProgram(context, MOST_GAS);
    for (const work of [1, 100, 5000, 1e7]) {
      const run = new ProgramRun(context, MOST_GAS);
      let steps = 1;
      let outcome = run.step(work);
      for (; outcome === undefined; steps++) outcome = run.step(work);
      expect(outcome, `${work} a step`).toEqual(whole);
      expect(steps > 1, `${work} a step`).toBe(work < 1e7);
    }
  });

  it('is stopped at the most work, as a whole, from inside a predicate', () => {
    expect(runBytes(loop, { ...RUN_BOUNDS, work: 10_000_000 }).fault).toBe('out of bounds');
    const inside = concatBytes(assemble('0 PROGRAM 0 CHECKPREDICATE'), new Uint8Array(300));
    expect(runBytes(inside, { ...RUN_BOUNDS, work: 1000 }).fault).toBe('out of bounds');
  });

  it('is stopped at the most items, and at the most bytes', () => {
    const pile = concatBytes(assemble(`$a ${round} DUP JUMP:$a`), new Uint8Array(300));
    const item = [Uint8Array.of(1)];
    expect(runBytes(pile, { ...RUN_BOUNDS, items: 30_000 }, item).fault).toBe('out of bounds');
    // New strings of 60,000 bytes each, paid for by a program as long as that.
    const copies = concatBytes(assemble(`$a ${round} DUP INVERT JUMP:$a`), new Uint8Array(200_000));
    const bytes = { ...RUN_BOUNDS, bytes: 50_000_000 };
    expect(runBytes(copies, bytes, [new Uint8Array(60_000)]).fault).toBe('out of bounds');
  });
});

/** `count` items, then ROLL from the bottom until the gas is gone. */
function deepRoll(count: number): Uint8Array {
  const rolls = repeated(`${count - 1} ROLL`, 250_000);
  return concatBytes(new Uint8Array(count), rolls);
}
