/**
 * One running program: its stacks, its gas, and the two ways in which operations account for what
 * they push and pop. Bytom 1.x consensus: "BVM".
 *
 * Whoever stands on a stack costs 8 + its length in gas and gives that back when it leaves. "Now"
 * is at once; otherwise it is collected and settled when the instruction has succeeded. A fault
 * rolls nothing back: what was popped stays popped, what was pushed but not yet paid stays there.
 * A parent gets gas for everything a child leaves behind, so all of this decides verdicts.
 */
import type { VmContext, VmFault } from './context.ts';
import type { OpcodeName } from './opcodes.ts';
import { boolToBytes, bytesToInt, intToBytes, isTrue, MAX_INT64 } from './value.ts';

/** Gas for standing on a stack, beside one per byte. */
const ITEM_COST = 8;

/** What one opcode does. Ends by returning, or by `fail`. */
export type Operation = (machine: Machine) => void;
export type Operations = { readonly [name in OpcodeName]?: Operation };

/** Ends the machine it is thrown in. No `Error`: hostile programs make thousands of these. */
export class Fault {
  readonly reason: VmFault;

  constructor(reason: VmFault) {
    this.reason = reason;
  }
}

export function fail(reason: VmFault): never {
  throw new Fault(reason);
}

/** What a run, all its machines together, may do whatever its gas says; see `RUN_BOUNDS` in run.ts. */
export interface RunBounds {
  /** In bytes copied, or what takes as long. */
  readonly work: number;
  /** Items on all stacks. */
  readonly items: number;
  /** Bytes of the long items on all stacks, each counted once however often it stands there. */
  readonly bytes: number;
  /**
   * False: CAT and CATPUSHDATA are out of bounds where they join anything. The reference node joins in
   * place, and may so change other values, its program's code among them: what such a program comes to
   * there need not be what it comes to here. Default true.
   */
  readonly joins?: boolean;
}

/** Thrown when a run is out of bounds: ends all its machines. */
export class OutOfBounds {}

/** Counts the work of a run, in all its machines. */
export class RunMeter {
  /** Left of the bound. */
  #left: number;
  /** Left of the slice. */
  #slice = 0;

  readonly #joins: boolean;

  constructor({ work, joins = true }: Pick<RunBounds, 'work' | 'joins'>) {
    this.#left = work;
    this.#joins = joins;
  }

  /** From here on, `isSpent` after so much work. */
  beginSlice(work: number): void {
    this.#slice = work;
  }

  get isSpent(): boolean {
    return this.#slice <= 0;
  }

  /** Before two strings are joined. */
  join(): void {
    if (!this.#joins) throw new OutOfBounds();
  }

  useWork(units: number): void {
    this.#slice -= units;
    this.#left -= units;
    if (this.#left < 0) throw new OutOfBounds();
  }
}

/** Whether long strings are true: looking costs no gas and takes as long as the string is. */
const longTruths = new WeakMap<Uint8Array, boolean>();
const LONG_STRING = 64;

interface MachineOptions {
  readonly context: VmContext;
  readonly program: Uint8Array;
  readonly gas: number;
  /** Whether unassigned opcodes fail. */
  readonly expansionReserved: boolean;
  readonly meter: RunMeter;
  /** Taken over; the top is the last. */
  readonly stack: Uint8Array[];
  readonly parent: Machine | undefined;
}

export class Machine {
  readonly context: VmContext;
  readonly program: Uint8Array;
  readonly expansionReserved: boolean;
  readonly meter: RunMeter;
  readonly parent: Machine | undefined;
  /** The top is the last. */
  readonly stack: Uint8Array[];
  readonly altStack: Uint8Array[] = [];
  gas: number;
  /** Position of the instruction that runs, and of the one after it; jumps set the latter. */
  pc = 0;
  nextPc = 0;
  /** Gas that falls due when the instruction has succeeded; below 0: is given back. */
  pending = 0;
  /** Runs before this machine goes on. */
  child: Machine | undefined = undefined;
  /** Its program has begun. */
  started = false;
  fault: VmFault | undefined = undefined;

  constructor(options: MachineOptions) {
    this.context = options.context;
    this.program = options.program;
    this.expansionReserved = options.expansionReserved;
    this.meter = options.meter;
    this.parent = options.parent;
    this.stack = options.stack;
    this.gas = options.gas;
  }

  /** Takes gas at once. Too little: all of it is lost. */
  charge(cost: number): void {
    if (cost > this.gas) {
      this.gas = 0;
      fail('run limit exceeded');
    }
    this.gas -= cost;
  }

  /** Takes gas at once and gives it back when the instruction has succeeded. */
  lend(cost: number): void {
    this.charge(cost);
    this.pending -= cost;
  }

  /** Ends an instruction that succeeded. */
  settle(): void {
    const cost = this.pending;
    this.pending = 0;
    // What this instruction pushed stays on the stack if it cannot be paid, and a parent gets gas for it.
    this.charge(cost);
    this.pc = this.nextPc;
  }

  push(item: Uint8Array): void {
    this.pending += itemCost(item);
    this.stack.push(item);
  }

  pushInt(value: bigint): void {
    this.push(intToBytes(value));
  }

  pushBool(value: boolean): void {
    this.push(boolToBytes(value));
  }

  pushNow(item: Uint8Array): void {
    this.charge(itemCost(item));
    this.stack.push(item);
  }

  pop(): Uint8Array {
    const item = this.take();
    this.pending -= itemCost(item);
    return item;
  }

  popNow(): Uint8Array {
    const item = this.take();
    this.gas += itemCost(item);
    return item;
  }

  popInt(): bigint {
    return bytesToInt(this.pop()) ?? fail('bad value');
  }

  popIntNow(): bigint {
    return bytesToInt(this.popNow()) ?? fail('bad value');
  }

  /** An integer that must not be negative. Above 2^53 it is rounded, which is above everything. */
  popSize(): number {
    return size(this.popInt());
  }

  /** How far below the top, once this is gone itself. */
  popDepthNow(): number {
    const depth = this.popIntNow();
    return depth === MAX_INT64 ? fail('bad value') : size(depth);
  }

  popTruth(): boolean {
    return this.isTrue(this.pop());
  }

  /** Some byte is not zero. */
  isTrue(item: Uint8Array): boolean {
    if (item.length <= LONG_STRING) return isTrue(item);
    let known = longTruths.get(item);
    if (known === undefined) {
      this.meter.useWork(item.length);
      known = isTrue(item);
      longTruths.set(item, known);
    }
    return known;
  }

  /** Takes the top off without accounting. */
  take(): Uint8Array {
    return this.stack.pop() ?? fail('data stack underflow');
  }

  /** The item `depth` below the top, which stays. */
  peek(depth = 0): Uint8Array {
    return this.stack[this.stack.length - 1 - depth] ?? fail('data stack underflow');
  }

  need(items: number): void {
    if (this.stack.length < items) fail('data stack underflow');
  }

  /** Moves the item `depth` below the top to the top, without accounting. */
  roll(depth: number): void {
    this.need(depth + 1);
    const { stack } = this;
    // Both are the same; the first is for the near ones, which are nearly all.
    if (depth < 8) {
      const last = stack.length - 1;
      const item = stack[last - depth]!;
      for (let i = last - depth; i < last; i++) stack[i] = stack[i + 1]!;
      stack[last] = item;
    } else {
      this.meter.useWork(depth);
      stack.push(...stack.splice(stack.length - 1 - depth, 1));
    }
  }

  /** The gas that everything on both stacks stands for. */
  heldGas(): number {
    let gas = 0;
    for (const item of this.stack) gas += itemCost(item);
    for (const item of this.altStack) gas += itemCost(item);
    return gas;
  }
}

function itemCost(item: Uint8Array): number {
  return ITEM_COST + item.length;
}

function size(value: bigint): number {
  return value < 0n ? fail('bad value') : Number(value);
}
