/**
 * Opcodes on byte strings: cutting, joining, bit by bit. Bytom 1.x consensus: "BVM".
 * A large cut shares its bytes with the whole; whatever changes bytes makes new ones.
 */
import { bytesEqual, concatBytes } from '../util/bytes.ts';
import { fail, type Machine, type Operation, type Operations } from './machine.ts';
import { pushData } from './program.ts';
import { intToBytes } from './value.ts';

/** A byte of a new string, copied or computed, is worth copying this many. */
const COPY_WORK = 4;
const COMPUTE_WORK = 8;

export const BYTES_OPS: Operations = {
  CAT: join((b) => b),
  CATPUSHDATA: join(pushData),
  SUBSTR: (machine) => {
    const size = popLength(machine);
    const offset = machine.popSize();
    pushPart(machine, machine.pop(), offset, size);
  },
  LEFT: (machine) => {
    const size = popLength(machine);
    pushPart(machine, machine.pop(), 0, size);
  },
  RIGHT: (machine) => {
    const size = popLength(machine);
    const whole = machine.pop();
    pushPart(machine, whole, whole.length - size, size);
  },
  SIZE: (machine) => {
    machine.charge(1);
    machine.push(intToBytes(BigInt(machine.peek().length)));
  },
  INVERT: (machine) => {
    machine.charge(1);
    const top = machine.peek();
    machine.charge(top.length);
    machine.stack[machine.stack.length - 1] = allocate(machine, top.length, (i) => ~top[i]!);
  },
  AND: (machine) => {
    machine.charge(1);
    const b = machine.pop();
    const a = machine.pop();
    const length = Math.min(a.length, b.length);
    machine.charge(length);
    machine.push(allocate(machine, length, (i) => a[i]! & b[i]!));
  },
  OR: padded((a, b) => a | b),
  XOR: padded((a, b) => a ^ b),
  EQUAL: (machine) => machine.pushBool(popEqual(machine)),
  EQUALVERIFY: (machine) => {
    if (!popEqual(machine)) fail('VERIFY failed');
  },
};

/** a b → a ‖ form(b). The cost does not know of the form. */
function join(form: (b: Uint8Array) => Uint8Array): Operation {
  return (machine) => {
    machine.charge(4);
    const b = machine.pop();
    const a = machine.pop();
    machine.lend(a.length + b.length);
    const tail = form(b);
    if (tail.length > 0) machine.meter.join();
    // One of them empty: no copy, or long strings could be copied for next to no gas.
    if (a.length === 0 || tail.length === 0) {
      machine.push(a.length === 0 ? tail : a);
      return;
    }
    machine.meter.useWork(COPY_WORK * (a.length + tail.length));
    machine.push(concatBytes(a, tail));
  };
}

/** The length of a part, which is lent before anything else is looked at. */
function popLength(machine: Machine): number {
  machine.charge(4);
  const size = machine.popSize();
  machine.lend(size);
  return size;
}

function pushPart(machine: Machine, whole: Uint8Array, offset: number, size: number): void {
  if (offset < 0 || offset + size > whole.length) fail('bad value');
  machine.push(cut(machine, whole, offset, size));
}

/** A small part keeps no large whole in memory: only the part is paid for. */
function cut(machine: Machine, whole: Uint8Array, offset: number, size: number): Uint8Array {
  if (2 * size >= whole.buffer.byteLength) return whole.subarray(offset, offset + size);
  machine.meter.useWork(COPY_WORK * size);
  return whole.slice(offset, offset + size);
}

/** Byte by byte over the longer one, the shorter with zeros at its end. */
function padded(combine: (a: number, b: number) => number): Operation {
  return (machine) => {
    machine.charge(1);
    const b = machine.pop();
    const a = machine.pop();
    const length = Math.max(a.length, b.length);
    machine.charge(length);
    machine.push(allocate(machine, length, (i) => combine(a[i] ?? 0, b[i] ?? 0)));
  };
}

function popEqual(machine: Machine): boolean {
  machine.charge(1);
  const b = machine.pop();
  const a = machine.pop();
  const length = Math.min(a.length, b.length);
  machine.charge(length);
  machine.meter.useWork(length);
  return bytesEqual(a, b);
}

function allocate(machine: Machine, length: number, byte: (i: number) => number): Uint8Array {
  machine.meter.useWork(COMPUTE_WORK * length);
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = byte(i);
  return out;
}
