/** A block as the object that `get-block` shows. Bytom 1.x mining interfaces, A.5. */
import { z } from 'zod';
import { encodeAddress, programHash } from '../../chain/address.ts';
import type { Block } from '../../chain/block.ts';
import type { Tx, TxInput } from '../../chain/tx.ts';
import { signatureHash } from '../../chain/tx-entries.ts';
import { blockWork } from '../../consensus/difficulty.ts';
import { bytesToHex } from '../../util/bytes.ts';
import { COUNT, DECIMAL, HASH, HEX, UINT64 } from './schemas.ts';

const DEFINITION = z.record(z.string(), z.unknown());
const LINK = { asset_id: HASH, asset_definition: DEFINITION, amount: UINT64 };

const INPUT = z.strictObject({
  type: z.enum(['coinbase', 'spend', 'issue']),
  ...LINK,
  issuance_program: HEX.optional(),
  control_program: HEX.optional(),
  address: z.string().optional(),
  spent_output_id: HASH.optional(),
  arbitrary: HEX.optional(),
  input_id: HASH,
  witness_arguments: z.array(HEX).nullable(),
  sign_data: HASH,
});

const OUTPUT = z.strictObject({
  type: z.enum(['control', 'retire']),
  id: HASH,
  position: COUNT,
  ...LINK,
  control_program: HEX,
  address: z.string().optional(),
});

export const BLOCK_OBJECT: z.ZodType = z.strictObject({
  hash: HASH,
  /** Of the block's hex text: twice its bytes. */
  size: COUNT,
  version: COUNT,
  height: COUNT,
  previous_block_hash: HASH,
  timestamp: COUNT,
  nonce: UINT64,
  bits: UINT64,
  difficulty: DECIMAL,
  transaction_merkle_root: HASH,
  transaction_status_hash: HASH,
  transactions: z.array(
    z.strictObject({
      id: HASH,
      version: UINT64,
      size: COUNT,
      time_range: UINT64,
      inputs: z.array(INPUT),
      outputs: z.array(OUTPUT),
      status_fail: z.boolean(),
      mux_id: HASH,
    }),
  ),
});

/**
 * `statusFail` says of each transaction whether it failed; `size` is that of the wire form in bytes;
 * addresses get `addressPrefix`.
 */
export function blockObject(
  block: Block,
  facts: { readonly statusFail: readonly boolean[]; readonly size: number },
  addressPrefix: string,
): Record<string, unknown> {
  const { hash, header, transactions } = block;
  return {
    hash: bytesToHex(hash),
    size: 2 * facts.size,
    version: header.version,
    height: header.height,
    previous_block_hash: bytesToHex(header.previousBlockHash),
    timestamp: header.timestamp,
    nonce: header.nonce,
    bits: header.bits,
    difficulty: `${blockWork(header.bits)}`,
    transaction_merkle_root: bytesToHex(header.transactionsMerkleRoot),
    transaction_status_hash: bytesToHex(header.transactionStatusHash),
    transactions: transactions.map((tx, i) => ({
      id: bytesToHex(tx.id),
      version: tx.version,
      size: tx.raw.length,
      time_range: tx.timeRange,
      inputs: tx.inputs.map((input, k) => inputObject(tx, input, k, addressPrefix)),
      outputs: tx.outputs.map((_, k) => outputObject(tx, k, addressPrefix)),
      status_fail: facts.statusFail[i] ?? false,
      mux_id: bytesToHex(tx.muxId),
    })),
  };
}

const ZERO_HASH = '00'.repeat(32);

function inputObject(
  tx: Tx,
  input: TxInput,
  index: number,
  addressPrefix: string,
): Record<string, unknown> {
  const id = tx.inputIds[index]!;
  if (input.type === 'coinbase') {
    return {
      type: 'coinbase',
      asset_id: ZERO_HASH,
      asset_definition: {},
      amount: 0,
      ...hexUnlessEmpty('arbitrary', input.arbitrary),
      input_id: bytesToHex(id),
      witness_arguments: null,
      sign_data: ZERO_HASH,
    };
  }
  const { arguments: args } = input;
  const spent = tx.spentOutputIds[index];
  return {
    type: input.type === 'spend' ? 'spend' : 'issue',
    asset_id: bytesToHex(input.assetId),
    asset_definition: input.type === 'issuance' ? definitionObject(input.assetDefinition) : {},
    amount: input.amount,
    ...(input.type === 'spend'
      ? {
          ...hexUnlessEmpty('control_program', input.controlProgram),
          ...addressOf(input.controlProgram, addressPrefix),
        }
      : hexUnlessEmpty('issuance_program', input.issuanceProgram)),
    ...(spent === undefined ? {} : { spent_output_id: bytesToHex(spent) }),
    input_id: bytesToHex(id),
    witness_arguments: args.length === 0 ? null : args.map(bytesToHex),
    sign_data: bytesToHex(signatureHash(id, tx.id)),
  };
}

function outputObject(tx: Tx, position: number, addressPrefix: string): Record<string, unknown> {
  const { assetId, amount, controlProgram } = tx.outputs[position]!;
  const { id, retirement } = tx.results[position]!;
  return {
    type: retirement ? 'retire' : 'control',
    id: bytesToHex(id),
    position,
    asset_id: bytesToHex(assetId),
    asset_definition: {},
    amount,
    control_program: bytesToHex(controlProgram),
    ...addressOf(controlProgram, addressPrefix),
  };
}

function hexUnlessEmpty(name: string, bytes: Uint8Array): Record<string, string> {
  return bytes.length === 0 ? {} : { [name]: bytesToHex(bytes) };
}

function addressOf(program: Uint8Array, prefix: string): { readonly address?: string } {
  return programHash(program) === undefined ? {} : { address: encodeAddress(prefix, program) };
}

/** The definition if it is a JSON object, its numbers as they were written; or an empty one. */
function definitionObject(definition: Uint8Array): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };
  const asWritten = (
    _key: string,
    value: unknown,
    context?: { readonly source?: string },
  ): unknown =>
    typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value;
  const parse = JSON.parse as (text: string, reviver: unknown) => unknown;
  try {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(definition);
    return isObjectText(text) ? parse(text, asWritten) : {};
  } catch {
    return {};
  }
}

/** Whether it is an object if it is JSON. */
function isObjectText(text: string): boolean {
  return /^[ \t\r\n]*\{/.test(text) && nesting(text) <= MAX_NESTING;
}

/** Anybody can issue an asset: its definition must not exhaust the stack of whoever writes it out. */
const MAX_NESTING = 200;

/** How deep brackets are nested at most. Those in strings count too, which is no matter here. */
function nesting(text: string): number {
  let depth = 0;
  let most = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    most = Math.max(most, depth);
  }
  return most;
}
