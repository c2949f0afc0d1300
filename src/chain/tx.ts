/**
 * Transactions as data, with the entry ids that name them and their parts.
 * Bytom 1.x consensus: "Transaction" and "Entry ids". The wire codec is `tx-codec.ts`, the ids are
 * computed in `tx-entries.ts`.
 *
 * Only asset version 1 exists: an input or output of any other is refused at decoding (the
 * reference node either refuses or crashes on them).
 */

/** An amount of an asset, in its smallest unit (BTM: neu). */
export interface AssetAmount {
  /** 32 bytes; 32 × ff is BTM. */
  readonly assetId: Uint8Array;
  /** 0 … 2^63−1. */
  readonly amount: bigint;
}

/** Creates an amount of an asset; `nonce` only makes ids distinct. */
export interface IssuanceInput extends AssetAmount {
  readonly type: 'issuance';
  readonly nonce: Uint8Array;
  readonly assetDefinition: Uint8Array;
  /** Any value parses; only 1 can run. */
  readonly vmVersion: bigint;
  readonly issuanceProgram: Uint8Array;
  readonly arguments: readonly Uint8Array[];
}

/** Spends an output, which it repeats in full: the id of that copy names the coin. */
export interface SpendInput extends AssetAmount {
  readonly type: 'spend';
  /** Mux id of the transaction that made the output. */
  readonly sourceId: Uint8Array;
  /** Which of its outputs. */
  readonly sourcePosition: bigint;
  /** Its vm version is always 1. */
  readonly controlProgram: Uint8Array;
  readonly arguments: readonly Uint8Array[];
}

/** Creates the block reward; its value is that of output 0. */
export interface CoinbaseInput {
  readonly type: 'coinbase';
  readonly arbitrary: Uint8Array;
}

export type TxInput = IssuanceInput | SpendInput | CoinbaseInput;

/** Its vm version is always 1. */
export interface TxOutput extends AssetAmount {
  readonly controlProgram: Uint8Array;
}

/** What a transaction says. */
export interface TxData {
  readonly version: bigint;
  /** Highest block it may stand in; 0: any. */
  readonly timeRange: bigint;
  readonly inputs: readonly TxInput[];
  readonly outputs: readonly TxOutput[];
}

/** Output `k` of a transaction as an entry. A retirement destroys its value and is never a coin. */
export interface TxResult {
  readonly id: Uint8Array;
  readonly retirement: boolean;
}

/** A transaction: what it says, the bytes that said it, and the ids that follow from them. */
export interface Tx extends TxData {
  /**
   * The bytes it was read from, unknown suffixes and non-minimal varints included. They are what is
   * stored and sent on, and their number is the size that gas is charged for.
   */
  readonly raw: Uint8Array;
  /** Entry id of the transaction header. Covers no witness data. */
  readonly id: Uint8Array;
  readonly muxId: Uint8Array;
  /** Entry id of input i. */
  readonly inputIds: readonly Uint8Array[];
  /** Id of the output that input i spends; `undefined` if it is no spend. */
  readonly spentOutputIds: readonly (Uint8Array | undefined)[];
  /** One for each output. */
  readonly results: readonly TxResult[];
}
