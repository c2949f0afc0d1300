/** Bytes as hex, and 64-bit little-endian integers in them. */
import { InputError } from './errors.ts';

/** Lower-case hex of `bytes`, in order. */
export function bytesToHex(bytes: Uint8Array): string {
  return hexForm.encode(bytes);
}

/**
 * Bytes of a hex text of either case. `length`, if given, is the number of bytes it must have.
 * Throws an `InputError` that names `field`.
 */
export function hexToBytes(hex: string, field: string, length?: number): Uint8Array {
  const want = length === undefined ? 'an even number of hex digits' : `${length * 2} hex digits`;
  if (length !== undefined && hex.length !== length * 2) {
    throw new InputError(field, want, `${hex.length} characters "${hex}"`);
  }
  const bad = hex.search(/[^0-9a-fA-F]/);
  if (bad >= 0) {
    const char = String.fromCodePoint(hex.codePointAt(bad) ?? 0);
    throw new InputError(field, want, `"${char}" at position ${bad}`);
  }
  if (hex.length % 2 !== 0) throw new InputError(field, want, `${hex.length} digits`);
  return hexForm.decode(hex);
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Reads an unsigned 64-bit little-endian integer at `offset`. */
export function readU64(bytes: Uint8Array, offset: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset, true);
}

/** Writes `value` (0 … 2^64−1) as 8 little-endian bytes at `offset`. */
export function writeU64(bytes: Uint8Array, offset: number, value: bigint): void {
  if (value < 0n || value >> 64n !== 0n) {
    throw new RangeError(`expected an unsigned 64-bit integer, got ${value}`);
  }
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setBigUint64(offset, value, true);
}

/** The work of the two hex functions: `decode` gets whole bytes of hex digits and nothing else. */
interface HexForm {
  encode(bytes: Uint8Array): string;
  decode(hex: string): Uint8Array;
}

/** Methods of `Uint8Array` in newer engines. */
interface HexMethods {
  readonly toHex?: (this: Uint8Array) => string;
}
interface HexStatics {
  readonly fromHex?: (hex: string) => Uint8Array;
}

const hexForm: HexForm = engineHex() ?? bufferHex() ?? plainHex();

function engineHex(): HexForm | undefined {
  const { toHex } = Uint8Array.prototype as HexMethods;
  const { fromHex } = Uint8Array as HexStatics;
  if (toHex === undefined || fromHex === undefined) return undefined;
  return {
    encode: (bytes) => toHex.call(bytes),
    decode: (hex) => fromHex.call(Uint8Array, hex),
  };
}

function bufferHex(): HexForm | undefined {
  const NodeBuffer = globalThis.Buffer as typeof Buffer | undefined;
  if (NodeBuffer === undefined) return undefined;
  return {
    encode: (bytes) =>
      NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex'),
    decode: (hex) => new Uint8Array(NodeBuffer.from(hex, 'hex')),
  };
}

/** For pages in browsers without either. */
function plainHex(): HexForm {
  const pairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
  return {
    encode: (bytes) => {
      let hex = '';
      for (const byte of bytes) hex += pairs[byte];
      return hex;
    },
    decode: (hex) =>
      Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
        Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
      ),
  };
}
