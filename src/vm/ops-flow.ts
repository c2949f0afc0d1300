/**
 * Opcodes that push what stands in the program, and those that decide where it goes on.
 * Bytom 1.x consensus: "BVM".
 */
import { fail, Machine, type Operation, type Operations } from './machine.ts';
import { lengthBytes, readLittleEndian } from './program.ts';
import { intToBytes } from './value.ts';

const CHECKPREDICATE_COST = 256;
const CHECKPREDICATE_REFUND = 192;
/** Making a machine is worth this many bytes of copying. */
const MACHINE_WORK = 4000;

/** DATA_1 … DATA_75 and PUSHDATA. */
export const pushOperand: Operation = (machine) => {
  machine.charge(1);
  const { program, pc, nextPc } = machine;
  machine.pushNow(program.subarray(pc + 1 + lengthBytes(program[pc]!), nextPc));
};

export const FLOW_OPS: Operations = {
  FALSE: pushConstant(0n),
  '1NEGATE': pushConstant(-1n),
  ...Object.fromEntries(
    Array.from({ length: 16 }, (_, i) => [`${i + 1}`, pushConstant(BigInt(i + 1))]),
  ),
  PUSHDATA1: pushOperand,
  PUSHDATA2: pushOperand,
  PUSHDATA4: pushOperand,
  NOP: (machine) => machine.charge(1),
  JUMP: (machine) => {
    machine.charge(1);
    jump(machine);
  },
  JUMPIF: (machine) => {
    machine.charge(1);
    if (machine.popTruth()) jump(machine);
  },
  VERIFY: (machine) => {
    machine.charge(1);
    if (!machine.popTruth()) fail('VERIFY failed');
  },
  FAIL: (machine) => {
    machine.charge(1);
    fail('FAIL executed');
  },
  CHECKPREDICATE: callPredicate,
};

/** Any byte that is no opcode. */
export const expansion: Operation = (machine) => {
  if (machine.expansionReserved) fail('disallowed opcode');
  machine.charge(1);
};

function pushConstant(value: bigint): Operation {
  const item = intToBytes(value);
  return (machine) => {
    machine.charge(1);
    machine.pushNow(item);
  };
}

/** A target beyond the end ends the program. */
function jump(machine: Machine): void {
  machine.nextPc = readLittleEndian(machine.program, machine.pc + 1, 4);
}

/** CHECKPREDICATE up to the point where the child runs; `finishPredicate` does the rest. */
function callPredicate(machine: Machine): void {
  machine.charge(CHECKPREDICATE_COST);
  machine.pending -= CHECKPREDICATE_REFUND;
  const limit = machine.popInt();
  const predicate = machine.pop();
  const count = machine.popInt();
  if (limit < 0n) fail('bad value');
  const { stack } = machine;
  if (count > BigInt(stack.length)) fail('data stack underflow');
  const items = count < 0n ? stack.length : Number(count);
  const gas = limit === 0n ? machine.gas : Number(limit);
  machine.charge(gas);
  machine.meter.useWork(MACHINE_WORK + items);
  machine.child = new Machine({
    context: machine.context,
    program: predicate,
    gas,
    expansionReserved: false,
    meter: machine.meter,
    stack: stack.splice(stack.length - items),
    parent: machine,
  });
}

/** Takes back what the child has left. Its fault is nothing but a false result. */
export function finishPredicate(machine: Machine, child: Machine): void {
  machine.pending -= child.gas + child.heldGas();
  machine.pushBool(child.fault === undefined && hasTrueResult(child));
}

export function hasTrueResult(machine: Machine): boolean {
  const top = machine.stack.at(-1);
  return top !== undefined && machine.isTrue(top);
}
