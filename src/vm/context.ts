/**
 * What a program can ask about the transaction it guards, and what a run ends with.
 * Bytom 1.x consensus: "BVM".
 */

export interface VmContext {
  /** Only 1 runs. */
  readonly vmVersion: bigint;
  /** The program that is executed: a P2W form is already converted. */
  readonly program: Uint8Array;
  /** Pushed in order, the last one on top. */
  readonly arguments: readonly Uint8Array[];
  /** With 1, unassigned opcodes fail ("expansion reserved"); with any other version they do nothing. */
  readonly txVersion: bigint;
  /** Height of the block being validated; in a memory pool, of the best block. */
  readonly blockHeight: number;
  readonly inputIndex: number;
  /** 32 bytes: what the input brings in. */
  readonly assetId: Uint8Array;
  readonly amount: bigint;
  /** Entry id of the input. */
  readonly entryId: Uint8Array;
  /** `undefined` for an issuance: OUTPUTID fails. */
  readonly spentOutputId: Uint8Array | undefined;
  /** The 32 bytes that TXSIGHASH pushes. Computed when asked for. */
  signatureHash(): Uint8Array;
  /** CHECKOUTPUT; `undefined` if there is no result `index`, which fails the run. All numbers are ≥ 0. */
  checkOutput(claim: OutputClaim): boolean | undefined;
}

/** What CHECKOUTPUT says of a result of the transaction. */
export interface OutputClaim {
  readonly index: bigint;
  readonly amount: bigint;
  readonly assetId: Uint8Array;
  readonly vmVersion: bigint;
  readonly program: Uint8Array;
  /** The machine's flag at this moment: off inside CHECKPREDICATE. */
  readonly expansionReserved: boolean;
}

/** Why a run failed. Only that it failed matters to the chain; the reason is for people. */
export type VmFault =
  | 'unsupported vm version'
  | 'run limit exceeded'
  | 'data stack underflow'
  | 'alt stack underflow'
  | 'unexpected end of program'
  | 'disallowed opcode'
  | 'bad value'
  | 'range error'
  | 'division by zero'
  | 'VERIFY failed'
  | 'FAIL executed'
  | 'unsupported in this context'
  | 'false result'
  // Ours alone: other nodes have no answer to a program that gains gas and goes on for ever.
  | 'out of bounds';

export interface VmOutcome {
  /** Run limit that is left; may exceed what was given. On a fault it matters only to CHECKPREDICATE. */
  readonly gasLeft: number;
  /** `undefined`: the program accepts. */
  readonly fault: VmFault | undefined;
  /** What the data stack held at the end, the top last. For people and tests. */
  readonly stack: readonly Uint8Array[];
}
