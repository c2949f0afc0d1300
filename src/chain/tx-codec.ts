/**
 * Transactions on the wire. Bytom 1.x consensus: "Transaction".
 *
 * Commitments and witnesses say their length and may end in a suffix that nobody knows: it counts
 * as size and travels on in `raw`, and is hashed nowhere. The same holds for varints longer than
 * they need be. Whoever changes a transaction therefore encodes it anew, and its `raw` with it.
 */
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { ByteWriter } from './byte-writer.ts';
import type {
  AssetAmount,
  IssuanceInput,
  SpendInput,
  Tx,
  TxData,
  TxInput,
  TxOutput,
  TxResult,
} from './tx.ts';
import { assetIdOf, type TxIds, txIds } from './tx-entries.ts';
import { ByteReader } from './varint.ts';

/** The fewest bytes that can be read as a transaction: flag, version, time range, two counts of 0. */
export const MIN_TX_BYTES = 5;

/**
 * Reads a transaction that takes all of `bytes`. Its byte strings are views of `bytes`, which must
 * not be changed afterwards; its ids are computed when one of them is first asked for. Throws `InputError` naming `name` and the field.
 */
export function decodeTx(bytes: Uint8Array, name = 'transaction'): Tx {
  const reader = new ByteReader(bytes, name);
  const tx = readTx(reader);
  reader.end('transaction');
  return tx;
}

/** Reads the transaction that comes next. Its byte strings are views of the reader's bytes. */
export function readTx(reader: ByteReader): Tx {
  const start = reader.position;
  const { prefix } = reader;
  const flag = reader.byte('flag');
  if (flag !== TX_FLAG) reader.refuse('flag', start, '7', `${flag}`);
  const version = reader.varint63('version');
  const timeRange = reader.varint63('timeRange');

  const inputs: TxInput[] = [];
  const inputCount = reader.count('number of inputs', MIN_INPUT_BYTES);
  for (let i = 0; i < inputCount; i++) {
    reader.prefix = `${prefix}inputs[${i}].`;
    inputs.push(readInput(reader));
  }
  reader.prefix = prefix;

  const outputs: TxOutput[] = [];
  const outputsAt = reader.position;
  const outputCount = reader.count('number of outputs', MIN_OUTPUT_BYTES);
  if (outputCount === 0 && inputs.some((input) => input.type === 'coinbase')) {
    reader.refuse('number of outputs', outputsAt, 'one for the value of the coinbase', '0');
  }
  for (let i = 0; i < outputCount; i++) {
    reader.prefix = `${prefix}outputs[${i}].`;
    outputs.push(readOutput(reader));
  }
  reader.prefix = prefix;

  return new DecodedTx({ version, timeRange, inputs, outputs }, reader.since(start));
}

/** The wire form, in as few bytes as can be. Throws `RangeError` naming the field that does not fit. */
export function encodeTx(data: TxData): Uint8Array {
  const out = new ByteWriter();
  out.byte(TX_FLAG);
  out.varint63(data.version, 'version');
  out.varint63(data.timeRange, 'timeRange');
  out.varint31(data.inputs.length, 'number of inputs');
  data.inputs.forEach((input, i) => {
    writeInput(out, input, `inputs[${i}].`);
  });
  out.varint31(data.outputs.length, 'number of outputs');
  data.outputs.forEach((output, i) => {
    writeOutput(out, output, `outputs[${i}].`);
  });
  return out.finish();
}

/**
 * A transaction from what it is to say: encoded, with its ids. Throws `RangeError` for what no node
 * would decode, such as an issuance whose asset id is not that of its program and definition.
 */
export function createTx(data: TxData): Tx {
  const { version, timeRange, inputs, outputs } = data;
  const raw = encodeTx(data);
  // Its ids at once, unlike those of a decoded one: they refuse what the encoder lets through.
  return { version, timeRange, inputs, outputs, raw, ...txIds(data) };
}

const TX_FLAG = 7;
const ASSET_VERSION = 1n;
const VM_VERSION = 1n;

const ISSUANCE = 0;
const SPEND = 1;
const COINBASE = 2;

/** A coinbase: asset version, length, type and empty arbitrary data, empty witness. */
const MIN_INPUT_BYTES = 5;
/** Asset version, length, 32 bytes and three of one byte, empty witness. */
const MIN_OUTPUT_BYTES = 38;

/**
 * A transaction as it was read. Its ids are a dozen hashes, many times the price of reading it, and
 * anybody can send a block of a million transactions: so nothing is hashed before somebody asks,
 * which is after the proof of work was checked.
 */
class DecodedTx implements Tx {
  readonly version: bigint;
  readonly timeRange: bigint;
  readonly inputs: readonly TxInput[];
  readonly outputs: readonly TxOutput[];
  readonly raw: Uint8Array;
  declare readonly id: Uint8Array;
  declare readonly muxId: Uint8Array;
  declare readonly inputIds: readonly Uint8Array[];
  declare readonly spentOutputIds: readonly (Uint8Array | undefined)[];
  declare readonly results: readonly TxResult[];
  #ids: TxIds | undefined;

  constructor(data: TxData, raw: Uint8Array) {
    this.version = data.version;
    this.timeRange = data.timeRange;
    this.inputs = data.inputs;
    this.outputs = data.outputs;
    this.raw = raw;
    // One after the other, all objects get one shape: `defineProperties`, and getters in an object
    // literal, make a dictionary of each, of twice the price and up to five times the size.
    Object.defineProperty(this, 'id', ID_PROPERTIES.id);
    Object.defineProperty(this, 'muxId', ID_PROPERTIES.muxId);
    Object.defineProperty(this, 'inputIds', ID_PROPERTIES.inputIds);
    Object.defineProperty(this, 'spentOutputIds', ID_PROPERTIES.spentOutputIds);
    Object.defineProperty(this, 'results', ID_PROPERTIES.results);
  }

  /** All ids, computed once. */
  static idsOf(tx: DecodedTx): TxIds {
    tx.#ids ??= txIds(tx);
    return tx.#ids;
  }
}

/** Own and enumerable, not of the class: a copy by `{ ...tx }` must have them, and a comparison see them. */
const ID_PROPERTIES: Readonly<Record<keyof TxIds, PropertyDescriptor>> = {
  id: idProperty('id'),
  muxId: idProperty('muxId'),
  inputIds: idProperty('inputIds'),
  spentOutputIds: idProperty('spentOutputIds'),
  results: idProperty('results'),
};

function idProperty(name: keyof TxIds): PropertyDescriptor {
  return {
    enumerable: true,
    get(this: DecodedTx) {
      return DecodedTx.idsOf(this)[name];
    },
  };
}

function readInput(reader: ByteReader): TxInput {
  readAssetVersion(reader);
  const commitment = reader.nested('commitment');
  const witness = reader.nested('witness');
  const typeAt = commitment.position;
  const type = commitment.byte('type');
  switch (type) {
    case ISSUANCE:
      return readIssuance(commitment, witness);
    case SPEND:
      return readSpend(commitment, witness);
    case COINBASE:
      return { type: 'coinbase', arbitrary: commitment.byteString('arbitrary') };
    default:
      return reader.refuse('type', typeAt, '0 (issuance), 1 (spend) or 2 (coinbase)', `${type}`);
  }
}

function readIssuance(commitment: ByteReader, witness: ByteReader): IssuanceInput {
  const nonce = commitment.byteString('nonce');
  const assetIdAt = commitment.position;
  const { assetId, amount } = readValue(commitment);
  const assetDefinition = witness.byteString('assetDefinition');
  const vmVersion = witness.varint63('vmVersion');
  const issuanceProgram = witness.byteString('issuanceProgram');
  const args = readArguments(witness);
  const computed = assetIdOf(vmVersion, issuanceProgram, assetDefinition);
  if (!bytesEqual(assetId, computed)) {
    const expected = `that of program and definition, ${bytesToHex(computed)},`;
    commitment.refuse('assetId', assetIdAt, expected, bytesToHex(assetId));
  }
  return {
    type: 'issuance',
    nonce,
    assetId,
    amount,
    assetDefinition,
    vmVersion,
    issuanceProgram,
    arguments: args,
  };
}

function readSpend(outer: ByteReader, witness: ByteReader): SpendInput {
  const commitment = outer.nested('spend commitment');
  const sourceId = commitment.view(32, 'sourceId');
  const { assetId, amount } = readValue(commitment);
  const sourcePosition = commitment.varint63('sourcePosition');
  const controlProgram = readControlProgram(commitment);
  return {
    type: 'spend',
    sourceId,
    assetId,
    amount,
    sourcePosition,
    controlProgram,
    arguments: readArguments(witness),
  };
}

function readOutput(reader: ByteReader): TxOutput {
  readAssetVersion(reader);
  const commitment = reader.nested('commitment');
  const { assetId, amount } = readValue(commitment);
  const controlProgram = readControlProgram(commitment);
  reader.byteString('witness');
  return { assetId, amount, controlProgram };
}

function readAssetVersion(reader: ByteReader): void {
  const start = reader.position;
  const version = reader.varint63('assetVersion');
  if (version !== ASSET_VERSION) reader.refuse('assetVersion', start, '1', `${version}`);
}

function readValue(reader: ByteReader): AssetAmount {
  return { assetId: reader.view(32, 'assetId'), amount: reader.varint63('amount') };
}

function readControlProgram(reader: ByteReader): Uint8Array {
  const start = reader.position;
  const version = reader.varint63('vmVersion');
  if (version !== VM_VERSION) reader.refuse('vmVersion', start, '1', `${version}`);
  return reader.byteString('controlProgram');
}

function readArguments(witness: ByteReader): Uint8Array[] {
  const count = witness.count('number of arguments', 1);
  const args: Uint8Array[] = [];
  for (let i = 0; i < count; i++) args.push(witness.byteString('arguments'));
  return args;
}

function writeInput(out: ByteWriter, input: TxInput, name: string): void {
  out.varint63(ASSET_VERSION, 'assetVersion');
  switch (input.type) {
    case 'issuance':
      checkAssetId(input, name);
      out.nested(`${name}commitment`, (commitment) => {
        commitment.byte(ISSUANCE);
        commitment.byteString(input.nonce, `${name}nonce`);
        writeValue(commitment, input, name);
      });
      out.nested(`${name}witness`, (witness) => {
        witness.byteString(input.assetDefinition, `${name}assetDefinition`);
        witness.varint63(input.vmVersion, `${name}vmVersion`);
        witness.byteString(input.issuanceProgram, `${name}issuanceProgram`);
        witness.byteStrings(input.arguments, `${name}arguments`);
      });
      return;
    case 'spend':
      out.nested(`${name}commitment`, (outer) => {
        outer.byte(SPEND);
        outer.nested(`${name}spend commitment`, (commitment) => {
          commitment.hash(input.sourceId, `${name}sourceId`);
          writeValue(commitment, input, name);
          commitment.varint63(input.sourcePosition, `${name}sourcePosition`);
          writeControlProgram(commitment, input.controlProgram, name);
        });
      });
      out.nested(`${name}witness`, (witness) => {
        witness.byteStrings(input.arguments, `${name}arguments`);
      });
      return;
    case 'coinbase':
      out.nested(`${name}commitment`, (commitment) => {
        commitment.byte(COINBASE);
        commitment.byteString(input.arbitrary, `${name}arbitrary`);
      });
      out.nested(`${name}witness`, () => {});
  }
}

function writeOutput(out: ByteWriter, output: TxOutput, name: string): void {
  out.varint63(ASSET_VERSION, 'assetVersion');
  out.nested(`${name}commitment`, (commitment) => {
    writeValue(commitment, output, name);
    writeControlProgram(commitment, output.controlProgram, name);
  });
  out.byteString(new Uint8Array(0), 'witness');
}

function writeValue(out: ByteWriter, value: AssetAmount, name: string): void {
  out.hash(value.assetId, `${name}assetId`);
  out.varint63(value.amount, `${name}amount`);
}

function writeControlProgram(out: ByteWriter, program: Uint8Array, name: string): void {
  out.varint63(VM_VERSION, 'vmVersion');
  out.byteString(program, `${name}controlProgram`);
}

function checkAssetId(input: IssuanceInput, name: string): void {
  const computed = assetIdOf(input.vmVersion, input.issuanceProgram, input.assetDefinition);
  if (bytesEqual(input.assetId, computed)) return;
  throw new RangeError(
    `"${name}assetId" expected that of program and definition, ${bytesToHex(computed)}, ` +
      `got ${bytesToHex(input.assetId)}`,
  );
}
