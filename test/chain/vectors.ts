/** The vectors of blocks and transactions, as they stand in their files. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { hexToBytes } from '../../src/util/bytes.ts';

export interface TxVector {
  readonly raw_transaction: string;
  readonly tx_id: string;
  readonly size: number;
  readonly mux_id: string;
  readonly input_ids: readonly string[];
  readonly spent_output_ids: readonly (string | null)[];
  readonly result_ids: readonly string[];
  readonly signature_hashes: readonly string[];
}

export interface TxValidationVector {
  readonly name: string;
  readonly raw_transaction: string;
  readonly result: 'ok' | 'status_fail' | 'invalid' | 'parse_error' | 'crash';
  readonly tx_id?: string;
}

export interface ChainVector {
  readonly height: number;
  readonly hash: string;
  readonly raw_block: string;
  /** Indexes of the transactions that failed. */
  readonly status_fail: readonly number[];
}

export interface ScenarioVector {
  readonly name: string;
  readonly height: number;
  readonly block_hash: string;
  readonly raw_block: string;
}

export interface GenesisVector {
  readonly hash: string;
  readonly raw_block: string;
  readonly raw_header: string;
  readonly coinbase_tx_id: string;
  readonly coinbase_output_id: string;
  readonly coinbase_amount: string;
}

/** `transactions.json`. */
export function txVectors(): readonly TxVector[] {
  return (load('transactions.json') as { cases: TxVector[] }).cases;
}

/** `tx_validation.json`. */
export function txValidationVectors(): readonly TxValidationVector[] {
  return (load('tx_validation.json') as { cases: TxValidationVector[] }).cases;
}

/** `solonet-chain.json.gz`: blocks 0 … 2030. */
export function chainVectors(): readonly ChainVector[] {
  return (load('solonet-chain.json.gz') as { blocks: ChainVector[] }).blocks;
}

/** `chain_scenario.json.gz`: good and bad blocks. */
export function scenarioVectors(): readonly ScenarioVector[] {
  return (load('chain_scenario.json.gz') as { steps: ScenarioVector[] }).steps;
}

/** `genesis.json`, by the name of the network. */
export function genesisVectors(): readonly (readonly [string, GenesisVector])[] {
  const file = load('genesis.json') as Record<string, GenesisVector>;
  return ['mainnet', 'wisdom', 'solonet'].map((network) => [network, file[network]!]);
}

/** A file of `test/vectors`, parsed. */
export function load(name: string): unknown {
  const bytes = readFileSync(new URL(`../vectors/${name}`, import.meta.url));
  return JSON.parse((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
}

export const bytesOf = (hex: string): Uint8Array => hexToBytes(hex, 'vector');
