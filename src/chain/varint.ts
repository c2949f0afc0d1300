/**
 * The integers and byte strings of Bytom's wire form: base-128 varints, least significant group
 * first. Two widths exist, named by the largest value they may carry: 2^31−1 and 2^63−1.
 * Non-minimal varints (`81 00` for 1) are accepted on reading, as the chain does; writing is minimal.
 */
import { InputError } from '../util/errors.ts';

/** The largest value of a varint63: nonces and bits above it cannot be put in a block. */
export const MAX_VARINT63: bigint = (1n << 63n) - 1n;
/** The largest value of a varint31: lengths and counts. */
export const MAX_VARINT31 = 0x7fff_ffff;

/** A varint of up to ten bytes can carry 70 bits; nothing on the wire uses more than 63. */
const MAX_VARINT_BYTES = 10;

/** Writes 0 … 2^63−1. `field` names the value if it does not fit. */
export function encodeVarint63(value: bigint, field = 'value'): Uint8Array {
  if (value < 0n || value > MAX_VARINT63) {
    throw new RangeError(`"${field}" expected 0 … 2^63−1, got ${value}`);
  }
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

/** Writes 0 … 2^31−1. `field` names the value if it does not fit. */
export function encodeVarint31(value: number, field = 'value'): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > MAX_VARINT31) {
    throw new RangeError(`"${field}" expected an integer 0 … 2^31−1, got ${value}`);
  }
  return encodeVarint63(BigInt(value));
}

/**
 * Reads wire fields in order. Every failure is an `InputError` that names the field, the byte
 * where it starts and what was found there.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #base: number;
  #at = 0;

  /** `name` prefixes field names; `base` is the position of `bytes` in the whole message. */
  constructor(bytes: Uint8Array, name: string, base = 0) {
    this.#bytes = bytes;
    this.#name = name;
    this.#base = base;
  }

  /** Bytes of the whole message before the next field. */
  get position(): number {
    return this.#base + this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  byte(field: string): number {
    return this.#take(1, field)[0]!;
  }

  /** The next `length` bytes, copied. */
  bytes(length: number, field: string): Uint8Array {
    return this.#take(length, field).slice();
  }

  /** 0 … 2^63−1. */
  varint63(field: string): bigint {
    return this.#varint(field, MAX_VARINT63, '2^63−1');
  }

  /** 0 … 2^31−1. */
  varint31(field: string): number {
    return Number(this.#varint(field, BigInt(MAX_VARINT31), '2^31−1'));
  }

  /**
   * A varint63 that we keep as a number. The wire allows up to 2^63−1; no height or time of a real
   * chain comes near 2^53, and a rounded one would hash to something else, so larger is refused.
   */
  safeInteger(field: string): number {
    return Number(this.#varint(field, BigInt(Number.MAX_SAFE_INTEGER), '2^53−1'));
  }

  /** A length as varint31, then that many bytes, as a reader of their own. */
  nested(field: string): ByteReader {
    const length = this.varint31(`${field} length`);
    const base = this.position;
    return new ByteReader(this.#take(length, field), this.#name, base);
  }

  #varint(field: string, max: bigint, maxText: string): bigint {
    const start = this.#at;
    let value = 0n;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.remaining === 0) this.#failAt(start, field, 'a whole varint', 'the end of the data');
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) {
        if (value > max) this.#failAt(start, field, `at most ${maxText}`, `${value}`);
        return value;
      }
    }
    return this.#failAt(
      start,
      field,
      `a varint of at most ${MAX_VARINT_BYTES} bytes`,
      'a longer one',
    );
  }

  #take(length: number, field: string): Uint8Array {
    if (this.remaining < length) {
      this.#failAt(this.#at, field, countBytes(length), `${this.remaining} left`);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #failAt(start: number, field: string, expected: string, got: string): never {
    throw new InputError(
      `${this.#name}.${field}`,
      `${expected} at byte ${this.#base + start}`,
      got,
    );
  }
}

function countBytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}
