/**
 * Runs programs of Bytom's VM. Bytom 1.x consensus: "BVM".
 *
 * CHECKPREDICATE starts a child machine. Machines take turns instead of calling each other, so
 * that the depth of a program never becomes the depth of our own stack.
 *
 * Gas alone does not end every program. A child that fails for want of gas may leave an item behind
 * that it never paid for, and its parent is given gas for it: with `PROGRAM` and a long program that
 * can be more than the round costs, so a loop may run as long as it likes. One that comes to its end is
 * as good as any other, however long it took; a node that follows one without an end never answers.
 * So a run can be taken in steps, and what is beyond `RUN_BOUNDS` gets no verdict.
 */
import type { VmContext, VmOutcome } from './context.ts';
import {
  Fault,
  fail,
  Machine,
  type Operation,
  OutOfBounds,
  type RunBounds,
  RunMeter,
} from './machine.ts';
import { OP } from './opcodes.ts';
import { BYTES_OPS } from './ops-bytes.ts';
import { CONTEXT_OPS } from './ops-context.ts';
import { CRYPTO_OPS } from './ops-crypto.ts';
import { expansion, FLOW_OPS, finishPredicate, hasTrueResult, pushOperand } from './ops-flow.ts';
import { NUMERIC_OPS } from './ops-numeric.ts';
import { STACK_OPS } from './ops-stack.ts';
import { instructionEnd } from './program.ts';

/**
 * What one run may do at most. The work is half an hour; the dearest programs that 200,000 gas can pay
 * for, which join long strings a byte at a time, come to 3.4 · 10^9 in a tenth of a second. The memory
 * is some 2 GB.
 */
export const RUN_BOUNDS: RunBounds = { work: 2 ** 42, items: 2 ** 24, bytes: 2 ** 30 };

const INSTRUCTION_WORK = 64;
/** Memory is looked at after so much work, in which a run can take 0.5 GB more of it. */
const MEMORY_CHECK_WORK = 2 ** 28;
/** Items up to this length are of no account beside what any item takes. */
const SHORT_BYTES = 64;
/** Numbers are exact up to 2^53; no run comes near it between two looks. */
const MAX_GAS = 2 ** 52;

const OPERATIONS: readonly Operation[] = listOperations();

/**
 * Runs a program with `gasLimit` (0 … 2^53) to its end, however long that takes. Never throws for
 * anything a program can do; what the context throws goes through.
 */
export function runProgram(
  context: VmContext,
  gasLimit: number,
  bounds: RunBounds = RUN_BOUNDS,
): VmOutcome {
  const run = new ProgramRun(context, gasLimit, bounds);
  for (;;) {
    const outcome = run.step(MEMORY_CHECK_WORK);
    if (outcome !== undefined) return outcome;
  }
}

/** A program that is run step by step. */
export class ProgramRun {
  readonly #context: VmContext;
  readonly #bounds: RunBounds;
  readonly #meter: RunMeter;
  readonly #top: Machine;
  /** The one that runs; `undefined` when the program has come to its end. */
  #machine: Machine | undefined;
  #untilCheck = MEMORY_CHECK_WORK;

  constructor(context: VmContext, gasLimit: number, bounds: RunBounds = RUN_BOUNDS) {
    this.#context = context;
    this.#bounds = bounds;
    this.#meter = new RunMeter(bounds);
    this.#top = new Machine({
      context,
      program: context.program,
      gas: gasLimit,
      expansionReserved: context.txVersion === 1n,
      meter: this.#meter,
      stack: [],
      parent: undefined,
    });
    this.#machine = this.#top;
  }

  /** Runs on for about `work` (bytes copied, or what takes as long); `undefined` if there is more to do. */
  step(work: number): VmOutcome | undefined {
    const top = this.#top;
    if (this.#context.vmVersion !== 1n) {
      return { gasLeft: top.gas, fault: 'unsupported vm version', stack: [] };
    }
    try {
      this.#meter.beginSlice(work);
      while (this.#machine !== undefined) {
        this.#machine = advance(this.#machine);
        if (this.#machine !== undefined && this.#meter.isSpent) {
          this.#checkMemory(this.#machine, work);
          return undefined;
        }
      }
    } catch (error) {
      if (!(error instanceof OutOfBounds)) throw error;
      this.#machine = undefined;
      return { gasLeft: 0, fault: 'out of bounds', stack: top.stack };
    }
    const fault = top.fault ?? (hasTrueResult(top) ? undefined : 'false result');
    return { gasLeft: top.gas, fault, stack: top.stack };
  }

  #checkMemory(running: Machine, worked: number): void {
    this.#untilCheck -= worked;
    if (this.#untilCheck > 0) return;
    this.#untilCheck = MEMORY_CHECK_WORK;
    let items = 0;
    let bytes = 0;
    const long = new Set<ArrayBufferLike>();
    for (let machine: Machine | undefined = running; machine; machine = machine.parent) {
      if (machine.gas > MAX_GAS) throw new OutOfBounds();
      // A machine is worth a few items itself.
      items += 4 + machine.stack.length + machine.altStack.length;
      if (items > this.#bounds.items) throw new OutOfBounds();
      for (const stack of [machine.stack, machine.altStack]) {
        for (const item of stack) {
          if (item.length <= SHORT_BYTES || long.has(item.buffer)) continue;
          long.add(item.buffer);
          bytes += item.buffer.byteLength;
        }
      }
      if (bytes > this.#bounds.bytes) throw new OutOfBounds();
    }
  }
}

/**
 * Runs `machine` until it ends, has to wait for a child, or the meter is spent, and returns the machine
 * that is to run next; `undefined` after the last.
 */
function advance(machine: Machine): Machine | undefined {
  const { program, meter, child } = machine;
  try {
    if (child !== undefined) {
      machine.child = undefined;
      finishPredicate(machine, child);
      machine.settle();
    } else if (!machine.started) {
      machine.started = true;
      if (machine.parent === undefined) {
        for (const argument of machine.context.arguments) machine.pushNow(argument);
      }
    }
    while (machine.pc < program.length) {
      if (meter.isSpent) return machine;
      meter.useWork(INSTRUCTION_WORK);
      machine.nextPc = instructionEnd(program, machine.pc) ?? fail('unexpected end of program');
      OPERATIONS[program[machine.pc]!]!(machine);
      if (machine.child !== undefined) return machine.child;
      machine.settle();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    machine.fault = error.reason;
  }
  return machine.parent;
}

function listOperations(): Operation[] {
  const operations = new Array<Operation>(256).fill(expansion);
  operations.fill(pushOperand, OP.DATA_1, OP.DATA_75 + 1);
  const families = {
    ...FLOW_OPS,
    ...STACK_OPS,
    ...BYTES_OPS,
    ...NUMERIC_OPS,
    ...CRYPTO_OPS,
    ...CONTEXT_OPS,
  };
  for (const [name, byte] of Object.entries(OP)) {
    const operation = families[name as keyof typeof OP];
    if (operation !== undefined) operations[byte] = operation;
  }
  return operations;
}
