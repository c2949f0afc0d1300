/** What the tests of the VM run programs with: the context of `bvm.json`, and short ways to run. */

import { readFileSync } from 'node:fs';
import { bytesEqual, bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { assemble } from '../../src/vm/assemble.ts';
import type { OutputClaim, VmContext, VmOutcome } from '../../src/vm/context.ts';
import { runProgram } from '../../src/vm/run.ts';

/** A program of `bvm.json` and how it ended in the reference node. */
export interface BvmCase {
  readonly name: string;
  readonly asm?: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly gas_limit: number;
  readonly tx_version: number;
  readonly vm_version: number;
  /** Empty: accepted. */
  readonly error: string;
  readonly gas_left: number;
  readonly final_stack_top_first?: readonly string[];
}

/** A row of `bvm_children.json`; the fault in our words, empty if there is none. */
export type BvmRow = readonly [
  program: string,
  args: readonly string[],
  gasLimit: number,
  txVersion: number,
  fault: string,
  gasLeft: number,
  stack: readonly string[],
];

export const bvm = readVectors<{
  readonly cases: readonly BvmCase[];
  readonly reference_quirks: readonly BvmCase[];
  readonly opcode_names: readonly { readonly name: string; readonly op: string }[];
  readonly context: {
    readonly amount: number;
    readonly asset_id: string;
    readonly block_height: number;
    readonly dest_pos: number;
    readonly entry_id: string;
    readonly spent_output_id: string;
    readonly tx_sig_hash: string;
  };
}>('bvm.json');

export const bvmChildren = readVectors<{ readonly cases: readonly BvmRow[] }>('bvm_children.json');

const ASSET_ID = hexToBytes(bvm.context.asset_id, 'asset_id');
const OUTPUT_PROGRAM = new TextEncoder().encode('controlprog');

const GAS = 50_000;

/** The context that the vectors ran in, with `changes`. */
export function vmContext(changes: Partial<VmContext> = {}): VmContext {
  return {
    vmVersion: 1n,
    program: new Uint8Array(0),
    arguments: [],
    txVersion: 1n,
    blockHeight: bvm.context.block_height,
    inputIndex: bvm.context.dest_pos,
    assetId: ASSET_ID,
    amount: BigInt(bvm.context.amount),
    entryId: hexToBytes(bvm.context.entry_id, 'entry_id'),
    spentOutputId: hexToBytes(bvm.context.spent_output_id, 'spent_output_id'),
    signatureHash: () => hexToBytes(bvm.context.tx_sig_hash, 'tx_sig_hash'),
    checkOutput,
    ...changes,
  };
}

/** As the vectors describe it: ten results, of which number 4 is 7 of the asset to `controlprog`. */
function checkOutput(claim: OutputClaim): boolean | undefined {
  if (claim.index >= 10n) return undefined;
  return (
    claim.index === 4n &&
    claim.amount === 7n &&
    bytesEqual(claim.assetId, ASSET_ID) &&
    claim.vmVersion === 1n &&
    bytesEqual(claim.program, OUTPUT_PROGRAM)
  );
}

/** Runs a program text, or a program. */
export function run(
  program: string | Uint8Array,
  changes: Partial<VmContext> = {},
  gas: number = GAS,
): VmOutcome {
  const bytes = typeof program === 'string' ? assemble(program) : program;
  return runProgram(vmContext({ program: bytes, ...changes }), gas);
}

/** What is left on the data stack in hex, the top last. */
export function stackOf(outcome: VmOutcome): string[] {
  return outcome.stack.map(bytesToHex);
}

function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}
