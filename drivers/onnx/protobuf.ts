/**
 * Protocol Buffers, the writing half: just what an ONNX file needs, which is integers, texts, byte
 * strings and messages. https://protobuf.dev/programming-guides/encoding
 */
import { concatBytes } from '../../src/util/bytes.ts';

const VARINT = 0;
const LENGTH = 2;

const utf8 = new TextEncoder();

/** A base-128 varint. Negative values take ten bytes, as the int64 that they are. */
export function varint(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError(`"value" expected a safe integer, got ${value}`);
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** An integer or enumeration field. */
export function intField(field: number, value: number | bigint): Uint8Array {
  return concatBytes(tag(field, VARINT), varint(value));
}

/** A string, byte string or message field. */
export function bytesField(field: number, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value;
  return concatBytes(tag(field, LENGTH), varint(bytes.length), bytes);
}

/** A string field, nothing where there is no text: absent and empty are the same to a reader. */
export function textField(field: number, value: string | undefined): Uint8Array {
  return value === undefined || value === '' ? new Uint8Array() : bytesField(field, value);
}

/** A repeated field: one entry for each value (unpacked, as the ONNX schema has them). */
export function repeated<T>(values: readonly T[], encode: (value: T) => Uint8Array): Uint8Array {
  return concatBytes(...values.map(encode));
}

function tag(field: number, wireType: number): Uint8Array {
  return varint((BigInt(field) << 3n) | BigInt(wireType));
}
