/**
 * Headers and blocks in requests. The detail of a refusal has the reference's text where one was
 * recorded. Bytom 1.x mining interfaces, A.3.
 */
import { type Block, decodeBlock } from '../../chain/block.ts';
import { BLOCK_FLAG, type BlockHeader, decodeHeader, HEADER_FLAG } from '../../chain/header.ts';
import type { Tx } from '../../chain/tx.ts';
import { decodeTx } from '../../chain/tx-codec.ts';
import { MAX_VARINT63 } from '../../chain/varint.ts';
import { InputError } from '../../util/errors.ts';
import { badBody } from './envelope.ts';
import { type Field, hexField, objectField, textField, uint64Field } from './fields.ts';
import { BLOCK_HEADER_OBJECT, HASH } from './schemas.ts';

/** A header in hex (flag 1 or 3); what follows it is ignored. */
export const headerHexField: Field<BlockHeader> = {
  schema: hexField.schema,
  read: (node, where) => {
    const bytes = hexField.read(node, where);
    checkFlag(bytes);
    return decoded(() => decodeHeader(bytes, where).header);
  },
};

/** A block in hex (flag 3), or a header alone (flag 1), which has no transactions. */
export const blockHexField: Field<Block | { readonly headerOnly: BlockHeader }> = {
  schema: hexField.schema,
  read: (node, where) => {
    const bytes = hexField.read(node, where);
    checkFlag(bytes);
    return decoded(() => {
      if (bytes[0] === BLOCK_FLAG) return decodeBlock(bytes, where);
      const { header, bytesRead } = decodeHeader(bytes, where);
      if (bytesRead < bytes.length) throw trailing(bytes.length - bytesRead);
      return { headerOnly: header };
    });
  },
};

export const txHexField: Field<Tx> = {
  schema: hexField.schema,
  read: (node, where) => {
    const bytes = hexField.read(node, where);
    return decoded(() => decodeTx(bytes, where));
  },
};

/** 32 bytes in hex. */
const hashField: Field<Uint8Array> = {
  schema: HASH,
  read: (node, where) => {
    const text = textField.read(node, where);
    if (text.length !== 64) throw badBody(`bad length hash string ${text.length}`);
    return hexField.read(node, where);
  },
};

const headerObject = objectField({
  version: uint64Field,
  height: uint64Field,
  previous_block_hash: hashField,
  timestamp: uint64Field,
  nonce: uint64Field,
  bits: uint64Field,
  block_commitment: objectField({
    transaction_merkle_root: hashField,
    transaction_status_hash: hashField,
  }),
});

/**
 * A header as an object. Of what is absent, numbers count as 0 and hashes as zeros; without a
 * commitment it is refused, which breaks the reference. So is a nonce that no block can hold, which
 * the reference keeps and then chokes on.
 */
export const headerJsonField: Field<BlockHeader> = {
  schema: BLOCK_HEADER_OBJECT,
  read: (node, where) => {
    const values = headerObject.read(node, where);
    const { block_commitment: commitment, nonce = 0n } = values;
    if (commitment === undefined) throw badBody(`${where}.block_commitment: missing`);
    if (nonce > MAX_VARINT63) throw badBody('value out of range');
    return {
      version: ignoredNumber(values.version),
      height: ignoredNumber(values.height),
      previousBlockHash: values.previous_block_hash ?? new Uint8Array(32),
      timestamp: timestamp(values.timestamp),
      transactionsMerkleRoot: commitment.transaction_merkle_root ?? new Uint8Array(32),
      transactionStatusHash: commitment.transaction_status_hash ?? new Uint8Array(32),
      nonce,
      bits: values.bits ?? 0n,
    };
  },
};

/** A number that only has to decode: the template's own counts. */
function ignoredNumber(value: bigint | undefined): number {
  const number = Number(value ?? 0n);
  return Number.isSafeInteger(number) ? number : 0;
}

function timestamp(value: bigint | undefined): number {
  const number = Number(value ?? 0n);
  if (!Number.isSafeInteger(number)) throw badBody('value out of range');
  return number;
}

function checkFlag(bytes: Uint8Array): void {
  const [flag] = bytes;
  if (flag === undefined) throw badBody('EOF');
  if (flag === HEADER_FLAG || flag === BLOCK_FLAG) return;
  throw badBody(`unsupported serialization flags 0x${flag.toString(16).padStart(2, '0')}`);
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw badBody(decoderText(error));
  }
}

/** Only the wording: what is refused, the decoder has decided. */
function decoderText({ detail, message }: InputError): string {
  if (/\.end$/.test(detail.field))
    return `trailing garbage (${Number.parseInt(detail.got, 10)} bytes)`;
  if (detail.expected.startsWith('at most 2^')) return `value out of range (${message})`;
  return message;
}

function trailing(bytes: number): InputError {
  return new InputError('raw_block.end', 'nothing after the header', `${bytes} bytes`);
}
