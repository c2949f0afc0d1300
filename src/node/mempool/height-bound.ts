/**
 * Whether the verdict on a transaction can be another at another height, its time range apart. It can
 * where a program asks for BLOCKHEIGHT. Most programs are seen not to: the check of a key never does,
 * and neither does a script that runs from its beginning to its end without that instruction. One that
 * jumps (perhaps into its own data) or runs predicates (perhaps computed ones) is taken to ask.
 */
import { programHash, SCRIPT_HASH_BYTES } from '../../chain/address.ts';
import type { Tx } from '../../chain/tx.ts';
import { OP } from '../../vm/opcodes.ts';
import { parseInstruction } from '../../vm/program.ts';

/** False only if the verdict is the same at every height within its time range. */
export function isHeightBound(tx: Tx): boolean {
  return tx.inputs.some((input) => {
    if (input.type === 'coinbase') return true;
    const program = input.type === 'spend' ? input.controlProgram : input.issuanceProgram;
    const hash = programHash(program);
    if (hash === undefined) return mayAskHeight(program);
    // The check of a script runs the last argument and nothing else.
    if (hash.length !== SCRIPT_HASH_BYTES) return false;
    const script = input.arguments.at(-1);
    return script !== undefined && mayAskHeight(script);
  });
}

/** What follows an instruction that is cut short never runs, as nothing here jumps over it. */
function mayAskHeight(program: Uint8Array): boolean {
  for (let pc = 0; pc < program.length; ) {
    const instruction = parseInstruction(program, pc);
    if (instruction === undefined) return false;
    if (ASKING.has(instruction.opcode)) return true;
    pc = instruction.end;
  }
  return false;
}

const ASKING: ReadonlySet<number> = new Set([
  OP.BLOCKHEIGHT,
  OP.CHECKPREDICATE,
  OP.JUMP,
  OP.JUMPIF,
]);
