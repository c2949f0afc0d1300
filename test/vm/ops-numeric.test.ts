import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/util/bytes.ts';
import { OP, type OpcodeName } from '../../src/vm/opcodes.ts';
import { pushInt } from '../../src/vm/program.ts';
import { bytesToInt, MAX_INT64, MIN_INT64 } from '../../src/vm/value.ts';
import { seededRandom } from '../support/random.ts';
import { run } from './programs.ts';

/** What an opcode makes of its integers; `undefined` where it fails. Exact, as if there were no edge. */
type Model = (...operands: bigint[]) => bigint | undefined;

const bool = (value: boolean) => (value ? 1n : 0n);

const UNARY: Readonly<Record<string, Model>> = {
  '1ADD': (n) => n! + 1n,
  '1SUB': (n) => n! - 1n,
  '2MUL': (n) => n! + n!,
  '2DIV': (n) => floorDivide(n!, 2n),
  NEGATE: (n) => 0n - n!,
  ABS: (n) => (n! < 0n ? 0n - n! : n),
  NOT: (n) => bool(n === 0n),
  '0NOTEQUAL': (n) => bool(n !== 0n),
};

const BINARY: Readonly<Record<string, Model>> = {
  ADD: (x, y) => x! + y!,
  SUB: (x, y) => x! - y!,
  MUL: (x, y) => x! * y!,
  DIV: (x, y) => (y === 0n ? undefined : truncatedDivide(x!, y!)),
  // x = floor(x / y) · y + MOD, but where the quotient has no place there is no remainder either.
  MOD: (x, y) =>
    y === 0n || !fits(truncatedDivide(x!, y!)) ? undefined : x! - floorDivide(x!, y!) * y!,
  LSHIFT: (x, y) => (y! < 0n ? undefined : x === 0n ? 0n : y! > 200n ? undefined : x! * 2n ** y!),
  RSHIFT: (x, y) => (y! < 0n ? undefined : floorDivide(x!, 2n ** (y! > 200n ? 200n : y!))),
  BOOLAND: (x, y) => bool(x !== 0n && y !== 0n),
  BOOLOR: (x, y) => bool(x !== 0n || y !== 0n),
  NUMEQUAL: (x, y) => bool(x === y),
  NUMNOTEQUAL: (x, y) => bool(x !== y),
  LESSTHAN: (x, y) => bool(x! < y!),
  GREATERTHAN: (x, y) => bool(x! > y!),
  LESSTHANOREQUAL: (x, y) => bool(!(x! > y!)),
  GREATERTHANOREQUAL: (x, y) => bool(!(x! < y!)),
  MIN: (x, y) => (x! < y! ? x : y),
  MAX: (x, y) => (x! < y! ? y : x),
};

const EDGES: readonly bigint[] = [
  ...[MIN_INT64, MIN_INT64 + 1n, MIN_INT64 / 2n, MIN_INT64 / 2n - 1n, -(2n ** 32n)],
  ...[-65n, -64n, -63n, -3n, -2n, -1n, 0n, 1n, 2n, 3n, 7n, 62n, 63n, 64n, 65n],
  ...[127n, 128n, 255n, 256n, 2n ** 31n, 2n ** 32n, 3037000499n, 3037000500n, 2n ** 53n + 1n],
  ...[MAX_INT64 / 2n, MAX_INT64 / 2n + 1n, MAX_INT64 - 1n, MAX_INT64],
];

function randomInt(random: () => number): bigint {
  const word = () => BigInt(Math.floor(random() * 2 ** 32));
  return BigInt.asIntN(64, (word() << 32n) | word()) >> BigInt(Math.floor(random() * 64));
}

/** What the machine leaves, read as an integer; `undefined` if it failed. */
function evaluate(name: string, operands: readonly bigint[]): bigint | undefined {
  const opcode = Uint8Array.of(OP[name as OpcodeName]);
  const outcome = run(concatBytes(...operands.map(pushInt), opcode));
  // A result of 0 is a false result, not a failure.
  if (outcome.fault !== undefined && outcome.fault !== 'false result') return undefined;
  expect(outcome.stack).toHaveLength(1);
  return bytesToInt(outcome.stack[0]!);
}

function check(name: string, model: Model, operands: readonly bigint[]): void {
  const exact = model(...operands);
  const expected = exact !== undefined && fits(exact) ? exact : undefined;
  const got = evaluate(name, operands);
  if (got !== expected) expect.fail(`${operands.join(' ')} ${name}: ${got}, not ${expected}`);
}

describe('numeric opcodes', () => {
  it.each(Object.entries(UNARY))('%s is exact or fails', (name, model) => {
    const random = seededRandom(1);
    for (const n of EDGES) check(name, model, [n]);
    for (let i = 0; i < 200; i++) check(name, model, [randomInt(random)]);
  });

  it.each(Object.entries(BINARY))('%s is exact or fails', (name, model) => {
    const random = seededRandom(2);
    for (const x of EDGES) for (const y of EDGES) check(name, model, [x, y]);
    for (let i = 0; i < 500; i++) check(name, model, [randomInt(random), randomInt(random)]);
  });

  it('WITHIN takes its lower end in and its upper end out', () => {
    const model: Model = (x, min, max) => bool(min! <= x! && x! < max!);
    for (const [x, min, max] of [
      [4n, 5n, 7n],
      [5n, 5n, 7n],
      [6n, 5n, 7n],
      [7n, 5n, 7n],
      [5n, 5n, 5n],
      [6n, 7n, 5n],
      [MIN_INT64, MIN_INT64, MAX_INT64],
      [MAX_INT64, MIN_INT64, MAX_INT64],
    ] as const) {
      check('WITHIN', model, [x, min, max]);
    }
  });

  it('NUMEQUALVERIFY leaves nothing, or fails', () => {
    expect(run('7 7 NUMEQUALVERIFY 1').stack).toHaveLength(1);
    expect(run('7 8 NUMEQUALVERIFY 1').fault).toBe('VERIFY failed');
  });

  it('take integers of up to 8 bytes, zeros at the end included', () => {
    expect(run('0x0500000000000000 5 NUMEQUAL').fault).toBeUndefined();
    expect(run('0x050000000000000000 5 NUMEQUAL').fault).toBe('bad value');
    // Shorter strings have no sign.
    expect(run('0xffffffffffffff 72057594037927935 NUMEQUAL').fault).toBeUndefined();
  });

  it('BOOLAND and BOOLOR take strings of any length', () => {
    expect(run('0x00000000000000000000000000000001 1 BOOLAND').fault).toBeUndefined();
    expect(run('0x00000000000000000000000000000000 0 BOOLOR').fault).toBe('false result');
  });

  it('LSHIFT looks at its count before there is anything to shift, RSHIFT after', () => {
    expect(run('-1 LSHIFT').fault).toBe('bad value');
    expect(run('-1 RSHIFT').fault).toBe('data stack underflow');
  });
});

function fits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** Division by magnitudes, sign apart: nothing of the machine's own. */
function truncatedDivide(x: bigint, y: bigint): bigint {
  const abs = (n: bigint) => (n < 0n ? -n : n);
  const quotient = abs(x) / abs(y);
  return x < 0n === y < 0n ? quotient : -quotient;
}

function floorDivide(x: bigint, y: bigint): bigint {
  const quotient = truncatedDivide(x, y);
  return quotient * y !== x && x < 0n !== y < 0n ? quotient - 1n : quotient;
}
