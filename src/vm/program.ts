/**
 * Programs as instructions: reading and building them, the forms that outputs may have, and what
 * runs for them. Bytom 1.x consensus: "BVM", "Transaction validation".
 *
 * The forms are recognised by their instructions, not by the bytes people usually write: `51 14 …`
 * and `4c 00 14 …` are standard as well, and since they are not converted anyone can spend them.
 */
import { KEY_HASH_BYTES, programHash, SCRIPT_HASH_BYTES } from '../chain/address.ts';
import { concatBytes, hexToBytes } from '../util/bytes.ts';
import { OP } from './opcodes.ts';
import { intToBytes } from './value.ts';

const KEY_BYTES = 32;

export interface Instruction {
  readonly opcode: number;
  /** What a push pushes from the program, or the target of a jump; else empty. A view. */
  readonly data: Uint8Array;
  /** Position after it. */
  readonly end: number;
}

/** The instruction at `pc`; `undefined` if it runs past the end of the program, or starts there. */
export function parseInstruction(program: Uint8Array, pc: number): Instruction | undefined {
  const end = instructionEnd(program, pc);
  if (end === undefined) return undefined;
  const opcode = program[pc]!;
  return { opcode, data: program.subarray(pc + 1 + lengthBytes(opcode), end), end };
}

/** All instructions, one after the other; `undefined` if the last one is cut short. */
export function parseProgram(program: Uint8Array): Instruction[] | undefined {
  const instructions: Instruction[] = [];
  for (let pc = 0; pc < program.length; ) {
    const instruction = parseInstruction(program, pc);
    if (instruction === undefined) return undefined;
    instructions.push(instruction);
    pc = instruction.end;
  }
  return instructions;
}

/** Where the instruction at `pc` ends; `undefined` if that is past the end of the program. */
export function instructionEnd(program: Uint8Array, pc: number): number | undefined {
  const left = program.length - pc - 1;
  if (left < 0) return undefined;
  const opcode = program[pc]!;
  const head = lengthBytes(opcode);
  if (left < head) return undefined;
  // Below 2^53 whatever the program says: nothing wraps.
  const operand = head === 0 ? fixedOperandBytes(opcode) : readLittleEndian(program, pc + 1, head);
  return left < head + operand ? undefined : pc + 1 + head + operand;
}

/** How many bytes after `opcode` give the length of what it pushes. */
export function lengthBytes(opcode: number): 0 | 1 | 2 | 4 {
  switch (opcode) {
    case OP.PUSHDATA1:
      return 1;
    case OP.PUSHDATA2:
      return 2;
    case OP.PUSHDATA4:
      return 4;
    default:
      return 0;
  }
}

/** An unsigned integer of up to 4 bytes. */
export function readLittleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}

function fixedOperandBytes(opcode: number): number {
  if (opcode <= OP.DATA_75) return opcode;
  return opcode === OP.JUMP || opcode === OP.JUMPIF ? 4 : 0;
}

/**
 * A program that BTM may be sent to: TRUE, FAIL, or one push-like opcode (any byte up to 60) and
 * a push of exactly 20 bytes by DATA_20 or 32 by DATA_32.
 */
export function isStandardProgram(program: Uint8Array): boolean {
  const firstEnd = instructionEnd(program, 0);
  if (firstEnd === undefined) return false;
  const first = program[0]!;
  if (firstEnd === program.length) return first === OP['1'] || first === OP.FAIL;
  if (first > OP['16']) return false;
  const second = program[firstEnd]!;
  return (
    (second === KEY_HASH_BYTES || second === SCRIPT_HASH_BYTES) &&
    instructionEnd(program, firstEnd) === program.length
  );
}

/**
 * What runs to spend an output, or to issue, under `controlProgram`: the two hash forms stand for
 * longer programs, every other one is itself.
 */
export function executedProgram(controlProgram: Uint8Array): Uint8Array {
  const hash = programHash(controlProgram);
  if (hash === undefined) return controlProgram;
  return hash.length === KEY_HASH_BYTES ? keyHashCheck(hash) : scriptHashCheck(hash);
}

/** Arguments: signature, public key. `hash` is the RIPEMD-160 of the 32-byte key. */
function keyHashCheck(hash: Uint8Array): Uint8Array {
  return concatBytes(KEY_HASH_HEAD, hash, KEY_HASH_TAIL);
}

/** Arguments: those of the script, then the script. `hash` is its SHA3-256. */
function scriptHashCheck(hash: Uint8Array): Uint8Array {
  return concatBytes(SCRIPT_HASH_HEAD, hash, SCRIPT_HASH_TAIL);
}

const KEY_HASH_HEAD = Uint8Array.of(OP.DUP, OP.HASH160, KEY_HASH_BYTES);
const KEY_HASH_TAIL = Uint8Array.of(OP.EQUALVERIFY, OP.TXSIGHASH, OP.SWAP, OP.CHECKSIG);
const SCRIPT_HASH_HEAD = Uint8Array.of(OP.DUP, OP.SHA3, SCRIPT_HASH_BYTES);
// EQUALVERIFY, -1, SWAP, 0, CHECKPREDICATE. The -1 is pushed as 8 bytes: with the one-byte opcode
// both the gas and what PROGRAM pushes would be different.
const SCRIPT_HASH_TAIL = hexToBytes('8808ffffffffffffffff7c00c0', 'script hash tail');

/** The shortest instruction that pushes `data`, of those that carry it. */
export function pushData(data: Uint8Array): Uint8Array {
  const { length } = data;
  if (length === 0) return Uint8Array.of(OP.FALSE);
  if (length <= OP.DATA_75) return concatBytes(Uint8Array.of(length), data);
  if (length < 0x100) return concatBytes(Uint8Array.of(OP.PUSHDATA1, length), data);
  if (length < 0x1_0000) {
    return concatBytes(Uint8Array.of(OP.PUSHDATA2, length, length >>> 8), data);
  }
  if (length > 0xffff_ffff) throw new RangeError(`expected at most 2^32−1 bytes, got ${length}`);
  return concatBytes(
    Uint8Array.of(OP.PUSHDATA4, length, length >>> 8, length >>> 16, length >>> 24),
    data,
  );
}

/** Pushes a signed 64-bit integer: 0 … 16 by their own opcodes, others as data. */
export function pushInt(value: bigint): Uint8Array {
  if (BigInt.asIntN(64, value) !== value) {
    throw new RangeError(`expected a signed 64-bit integer, got ${value}`);
  }
  if (value >= 1n && value <= 16n) return Uint8Array.of(OP['1'] - 1 + Number(value));
  return pushData(intToBytes(value));
}

/** Puts a program together: a number is an opcode, bytes are pushed, a bigint is pushed. */
export function buildProgram(...parts: readonly (number | bigint | Uint8Array)[]): Uint8Array {
  return concatBytes(
    ...parts.map((part) => {
      if (typeof part === 'bigint') return pushInt(part);
      if (typeof part !== 'number') return pushData(part);
      if (!Number.isInteger(part) || part < 0 || part > 0xff) {
        throw new RangeError(`expected an opcode 0 … 255, got ${part}`);
      }
      return Uint8Array.of(part);
    }),
  );
}

/**
 * Asks for `quorum` signatures by `keys` (32 bytes each), in the order of the keys; with
 * `beforeHeight`, only in blocks below it. Arguments: the signatures.
 */
export function multisigProgram(
  keys: readonly Uint8Array[],
  quorum: number,
  beforeHeight?: number,
): Uint8Array {
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > keys.length) {
    throw new RangeError(`"quorum" expected 1 … ${keys.length} (the keys), got ${quorum}`);
  }
  for (const [i, key] of keys.entries()) {
    if (key.length !== KEY_BYTES) {
      throw new RangeError(`"keys[${i}]" expected ${KEY_BYTES} bytes, got ${key.length}`);
    }
  }
  return buildProgram(
    ...(beforeHeight === undefined
      ? []
      : [BigInt(beforeHeight), OP.BLOCKHEIGHT, OP.GREATERTHAN, OP.VERIFY]),
    OP.TXSIGHASH,
    ...keys,
    BigInt(quorum),
    BigInt(keys.length),
    OP.CHECKMULTISIG,
  );
}
