/**
 * Opcodes on integers and truth values. Bytom 1.x consensus: "BVM".
 * Everything is computed exactly; a result outside of signed 64 bits is a range error.
 */
import { fail, type Operation, type Operations } from './machine.ts';
import { MAX_INT64, MIN_INT64 } from './value.ts';

export const NUMERIC_OPS: Operations = {
  '1ADD': unary((n) => n + 1n),
  '1SUB': unary((n) => n - 1n),
  '2MUL': unary((n) => n * 2n),
  '2DIV': unary((n) => n >> 1n),
  NEGATE: unary((n) => -n),
  ABS: unary((n) => (n < 0n ? -n : n)),
  NOT: unary((n) => (n === 0n ? 1n : 0n)),
  '0NOTEQUAL': unary((n) => (n === 0n ? 0n : 1n)),
  ADD: binary(2, (x, y) => x + y),
  SUB: binary(2, (x, y) => x - y),
  MUL: binary(8, (x, y) => x * y),
  DIV: binary(8, (x, y) => x / divisor(y)),
  MOD: binary(8, modulo),
  LSHIFT: (machine) => {
    machine.charge(8);
    // Looked at before x is popped, unlike in RSHIFT.
    const y = shiftCount(machine.popInt());
    const x = machine.popInt();
    // Of a large count only what it does to 0 is defined; nor could the product be held.
    machine.pushInt(x === 0n ? x : y > 63n ? fail('range error') : inRange(x << y));
  },
  RSHIFT: binary(8, (x, y) => (shiftCount(y) > 63n ? x >> 63n : x >> y)),
  BOOLAND: (machine) => {
    machine.charge(2);
    const b = machine.popTruth();
    const a = machine.popTruth();
    machine.pushBool(a && b);
  },
  BOOLOR: (machine) => {
    machine.charge(2);
    const b = machine.popTruth();
    const a = machine.popTruth();
    machine.pushBool(a || b);
  },
  NUMEQUAL: comparison((x, y) => x === y),
  NUMEQUALVERIFY: (machine) => {
    machine.charge(2);
    const y = machine.popInt();
    const x = machine.popInt();
    if (x !== y) fail('VERIFY failed');
  },
  NUMNOTEQUAL: comparison((x, y) => x !== y),
  LESSTHAN: comparison((x, y) => x < y),
  GREATERTHAN: comparison((x, y) => x > y),
  LESSTHANOREQUAL: comparison((x, y) => x <= y),
  GREATERTHANOREQUAL: comparison((x, y) => x >= y),
  MIN: binary(2, (x, y) => (x < y ? x : y)),
  MAX: binary(2, (x, y) => (x > y ? x : y)),
  WITHIN: (machine) => {
    machine.charge(4);
    const max = machine.popInt();
    const min = machine.popInt();
    const x = machine.popInt();
    machine.pushBool(min <= x && x < max);
  },
};

function unary(compute: (n: bigint) => bigint): Operation {
  return (machine) => {
    machine.charge(2);
    machine.pushInt(inRange(compute(machine.popInt())));
  };
}

/** x y → compute(x, y). */
function binary(cost: number, compute: (x: bigint, y: bigint) => bigint): Operation {
  return (machine) => {
    machine.charge(cost);
    const y = machine.popInt();
    const x = machine.popInt();
    machine.pushInt(inRange(compute(x, y)));
  };
}

function comparison(compare: (x: bigint, y: bigint) => boolean): Operation {
  return binary(2, (x, y) => (compare(x, y) ? 1n : 0n));
}

function inRange(value: bigint): bigint {
  return value < MIN_INT64 || value > MAX_INT64 ? fail('range error') : value;
}

function divisor(y: bigint): bigint {
  return y === 0n ? fail('division by zero') : y;
}

/** The remainder with the sign of the divisor. */
function modulo(x: bigint, y: bigint): bigint {
  // The quotient has no place in 64 bits, though the remainder, 0, would.
  if (x === MIN_INT64 && y === -1n) fail('range error');
  const remainder = x % divisor(y);
  return remainder !== 0n && x < 0n !== y < 0n ? remainder + y : remainder;
}

function shiftCount(y: bigint): bigint {
  return y < 0n ? fail('bad value') : y;
}
