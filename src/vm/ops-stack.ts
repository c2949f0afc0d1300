/** Opcodes that move, copy and drop stack items. Bytom 1.x consensus: "BVM". */
import { fail, type Machine, type Operation, type Operations } from './machine.ts';
import { intToBytes } from './value.ts';

export const STACK_OPS: Operations = {
  TOALTSTACK: (machine) => {
    machine.charge(2);
    machine.altStack.push(machine.take());
  },
  FROMALTSTACK: (machine) => {
    machine.charge(2);
    machine.stack.push(machine.altStack.pop() ?? fail('alt stack underflow'));
  },
  '2DROP': (machine) => {
    machine.charge(2);
    machine.popNow();
    machine.popNow();
  },
  DROP: (machine) => {
    machine.charge(1);
    machine.popNow();
  },
  DUP: copyTop(1),
  '2DUP': copyTop(2),
  '3DUP': copyTop(3),
  '2OVER': (machine) => {
    machine.charge(2);
    machine.pushNow(machine.peek(3));
    machine.pushNow(machine.peek(3));
  },
  '2ROT': (machine) => {
    machine.charge(2);
    machine.roll(5);
    machine.roll(5);
  },
  '2SWAP': (machine) => {
    machine.charge(2);
    machine.roll(3);
    machine.roll(3);
  },
  IFDUP: (machine) => {
    machine.charge(1);
    const top = machine.peek();
    if (machine.isTrue(top)) machine.pushNow(top);
  },
  DEPTH: (machine) => {
    machine.charge(1);
    machine.pushNow(intToBytes(BigInt(machine.stack.length)));
  },
  NIP: (machine) => {
    machine.charge(1);
    // Of a single item nothing remains: it is off the stack when the second is missed.
    const top = machine.take();
    machine.popNow();
    machine.stack.push(top);
  },
  OVER: (machine) => {
    machine.charge(1);
    machine.pushNow(machine.peek(1));
  },
  PICK: (machine) => {
    machine.charge(2);
    machine.pushNow(machine.peek(machine.popDepthNow()));
  },
  ROLL: (machine) => {
    machine.charge(2);
    machine.roll(machine.popDepthNow());
  },
  ROT: (machine) => {
    machine.charge(2);
    machine.roll(2);
  },
  SWAP: (machine) => {
    machine.charge(1);
    machine.roll(1);
  },
  TUCK: (machine) => {
    machine.charge(1);
    machine.need(2);
    // Both are gone if the copy cannot be paid.
    const top = machine.take();
    const second = machine.take();
    machine.pushNow(top);
    machine.stack.push(second, top);
  },
};

/** Copies the top `count` items; each costs as much as it copies. */
function copyTop(count: number): Operation {
  return (machine: Machine) => {
    machine.charge(count);
    for (let i = 0; i < count; i++) machine.pushNow(machine.peek(count - 1));
  };
}
