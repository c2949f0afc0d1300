/**
 * The entry ids that follow from what a transaction says, and what is hashed with them.
 * Bytom 1.x consensus: "Entry ids" and "Assets".
 *
 * A body is encoded otherwise than the wire form: integers take 8 bytes, little-endian. An id of a
 * transaction covers no witness data: neither arguments nor definitions.
 */
import { bytesEqual } from '../util/bytes.ts';
import { sha3 } from '../util/sha3.ts';
import { ByteWriter } from './byte-writer.ts';
import { createEntryHasher } from './entry.ts';
import type {
  AssetAmount,
  IssuanceInput,
  SpendInput,
  Tx,
  TxData,
  TxInput,
  TxResult,
} from './tx.ts';

/** The asset that pays for everything. No program issues it. */
export const BTM_ASSET_ID: Uint8Array = new Uint8Array(32).fill(0xff);

export function isBtm(assetId: Uint8Array): boolean {
  return bytesEqual(assetId, BTM_ASSET_ID);
}

/** The ids of a `Tx`. */
export type TxIds = Pick<Tx, 'id' | 'muxId' | 'inputIds' | 'spentOutputIds' | 'results'>;

/**
 * Computes the ids of a transaction. Throws `RangeError` for a coinbase input in a transaction
 * without outputs, and for fields that have no body.
 */
export function txIds(data: TxData): TxIds {
  const body = new ByteWriter();
  const spentOutputIds: (Uint8Array | undefined)[] = [];
  const inputIds: Uint8Array[] = [];
  for (const input of data.inputs) {
    const spent = input.type === 'spend' ? outputIdOf(body, input) : undefined;
    spentOutputIds.push(spent);
    inputIds.push(inputId(body, input, spent));
  }
  const muxId = muxIdOf(body, data, inputIds);
  const results = data.outputs.map((output, position): TxResult => {
    const retirement = output.controlProgram[0] === OP_FAIL;
    body.clear();
    writeSource(body, muxId, output, BigInt(position));
    if (retirement) return { id: retirementEntryId(body.view()), retirement };
    writeProgram(body, 1n, output.controlProgram);
    return { id: outputEntryId(body.view()), retirement };
  });
  return { id: headerIdOf(body, data, results), muxId, inputIds, spentOutputIds, results };
}

/**
 * What input `index` brings in; a coinbase brings what output 0 takes. Throws `RangeError` if there
 * is no such input, or no output 0 for a coinbase.
 */
export function inputValue(tx: TxData, index: number): AssetAmount {
  const input = tx.inputs[index];
  if (input === undefined) {
    throw new RangeError(`"index" expected below ${tx.inputs.length}, got ${index}`);
  }
  if (input.type !== 'coinbase') return input;
  const first = tx.outputs[0];
  if (first === undefined) {
    throw new RangeError('"outputs" expected at least one beside a coinbase input, got none');
  }
  return first;
}

/** What the owner of an input signs (32 bytes). */
export function signatureHash(inputId: Uint8Array, txId: Uint8Array): Uint8Array {
  const message = new Uint8Array(64);
  message.set(inputId);
  message.set(txId, 32);
  return sha3(message);
}

/** The id of the output that an input spends. */
export function spentOutputId(input: SpendInput): Uint8Array {
  return outputIdOf(new ByteWriter(), input);
}

/** The asset that the issuance program of `vmVersion` creates under this definition. */
export function assetIdOf(
  vmVersion: bigint,
  issuanceProgram: Uint8Array,
  definition: Uint8Array,
): Uint8Array {
  const body = new ByteWriter();
  writeProgram(body, vmVersion, issuanceProgram);
  body.bytes(sha3(definition));
  return sha3(body.view());
}

const OP_FAIL = 0x6a;
const OP_TRUE = Uint8Array.of(0x51);

const headerEntryId = createEntryHasher('txheader');
const muxEntryId = createEntryHasher('mux1');
const outputEntryId = createEntryHasher('output1');
const retirementEntryId = createEntryHasher('retirement1');
const spendEntryId = createEntryHasher('spend1');
const issuanceEntryId = createEntryHasher('issuance1');
const coinbaseEntryId = createEntryHasher('coinbase1');

function inputId(body: ByteWriter, input: TxInput, spent: Uint8Array | undefined): Uint8Array {
  if (spent !== undefined) return spendEntryId(spent);
  body.clear();
  if (input.type === 'coinbase') {
    body.byteString(input.arbitrary, 'arbitrary');
    return coinbaseEntryId(body.view());
  }
  body.bytes(sha3((input as IssuanceInput).nonce));
  writeValue(body, input);
  return issuanceEntryId(body.view());
}

function outputIdOf(body: ByteWriter, input: SpendInput): Uint8Array {
  body.clear();
  writeSource(body, input.sourceId, input, input.sourcePosition);
  writeProgram(body, 1n, input.controlProgram);
  return outputEntryId(body.view());
}

function muxIdOf(body: ByteWriter, data: TxData, inputIds: readonly Uint8Array[]): Uint8Array {
  body.clear();
  body.varint31(inputIds.length, 'number of inputs');
  inputIds.forEach((id, i) => {
    writeSource(body, id, inputValue(data, i), 0n);
  });
  writeProgram(body, 1n, OP_TRUE);
  return muxEntryId(body.view());
}

function headerIdOf(body: ByteWriter, data: TxData, results: readonly TxResult[]): Uint8Array {
  body.clear();
  body.u64(data.version, 'version');
  body.u64(data.timeRange, 'timeRange');
  body.varint31(results.length, 'number of outputs');
  for (const { id } of results) body.bytes(id);
  return headerEntryId(body.view());
}

function writeSource(
  body: ByteWriter,
  ref: Uint8Array,
  value: AssetAmount,
  position: bigint,
): void {
  body.hash(ref, 'sourceId');
  writeValue(body, value);
  body.u64(position, 'sourcePosition');
}

function writeValue(body: ByteWriter, value: AssetAmount): void {
  body.hash(value.assetId, 'assetId');
  body.u64(value.amount, 'amount');
}

function writeProgram(body: ByteWriter, vmVersion: bigint, code: Uint8Array): void {
  body.u64(vmVersion, 'vmVersion');
  body.byteString(code, 'program');
}
