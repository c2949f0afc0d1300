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
/** Seven groups of seven bits: as far as a number holds every varint exactly. */
const SMALL_VARINT_LIMIT = 2 ** 49;

/** One for all empty byte strings: a list of them must not cost a hundred times its bytes. */
const NO_BYTES: Uint8Array = new Uint8Array(0);

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
  /** What comes before field names in errors, such as `block.transactions[2].`. */
  prefix: string;
  readonly #bytes: Uint8Array;
  readonly #base: number;
  #at = 0;

  /** `name` prefixes field names; `base` is the position of `bytes` in the whole message. */
  constructor(bytes: Uint8Array, name: string, base = 0) {
    this.prefix = `${name}.`;
    this.#bytes = bytes;
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
    const byte = this.#bytes[this.#at];
    if (byte === undefined) return this.#failShort(1, field);
    this.#at++;
    return byte;
  }

  /** The next `length` bytes, copied. */
  bytes(length: number, field: string): Uint8Array {
    return this.view(length, field).slice();
  }

  /** The next `length` bytes where they stand: they must not be changed as long as the view is used. */
  view(length: number, field: string): Uint8Array {
    if (this.remaining < length) this.#failShort(length, field);
    this.#at += length;
    return this.#plainView(this.#at - length, length);
  }

  /** What was read since `position` was `start`, as a view. */
  since(start: number): Uint8Array {
    return this.#plainView(start - this.#base, this.position - start);
  }

  /** 0 … 2^63−1. */
  varint63(field: string): bigint {
    const small = this.#smallVarint(Number.MAX_SAFE_INTEGER);
    return small >= 0 ? BigInt(small) : this.#varint(field, MAX_VARINT63, '2^63−1');
  }

  /** 0 … 2^31−1. */
  varint31(field: string): number {
    const small = this.#smallVarint(MAX_VARINT31);
    return small >= 0 ? small : Number(this.#varint(field, BigInt(MAX_VARINT31), '2^31−1'));
  }

  /**
   * A varint63 that we keep as a number. The wire allows up to 2^63−1; no height or time of a real
   * chain comes near 2^53, and a rounded one would hash to something else, so larger is refused.
   */
  safeInteger(field: string): number {
    const small = this.#smallVarint(Number.MAX_SAFE_INTEGER);
    if (small >= 0) return small;
    return Number(this.#varint(field, BigInt(Number.MAX_SAFE_INTEGER), '2^53−1'));
  }

  /** A length as varint31, then that many bytes, as a view. */
  byteString(field: string): Uint8Array {
    return this.view(this.varint31(field), field);
  }

  /**
   * The number of elements that follow, as varint31. `minBytes` is what each takes at least: more of
   * them than the rest can hold are refused before anybody makes room for them.
   */
  count(field: string, minBytes: number): number {
    const start = this.position;
    const count = this.varint31(field);
    if (count * minBytes > this.remaining) {
      const most = Math.floor(this.remaining / minBytes);
      this.refuse(field, start, `at most ${most} (${this.remaining} bytes follow)`, `${count}`);
    }
    return count;
  }

  /** A length as varint31, then that many bytes, as a reader of their own. */
  nested(field: string): ByteReader {
    const length = this.varint31(`${field} length`);
    const base = this.position;
    const inner = new ByteReader(this.view(length, field), '', base);
    inner.prefix = this.prefix;
    return inner;
  }

  /** Refuses bytes that follow. `what` is what they follow: `transaction`. */
  end(what: string): void {
    if (this.remaining === 0) return;
    this.refuse('end', this.position, `nothing after the ${what}`, countBytes(this.remaining));
  }

  /** Refuses a field that was read, and began at `start` (a former `position`). */
  refuse(field: string, start: number, expected: string, got: string): never {
    throw new InputError(`${this.prefix}${field}`, `${expected} at byte ${start}`, got);
  }

  /**
   * A varint of at most seven bytes and `max` (below 2^53), without bigint: nearly all are. −1, and
   * nothing read, for any other: `#varint` reads it, or finds what is wrong with it.
   */
  #smallVarint(max: number): number {
    let at = this.#at;
    let value = 0;
    for (let scale = 1; scale < SMALL_VARINT_LIMIT; scale *= 0x80) {
      const byte = this.#bytes[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (value > max) return -1;
      this.#at = at;
      return value;
    }
    return -1;
  }

  #varint(field: string, max: bigint, maxText: string): bigint {
    const start = this.position;
    let value = 0n;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.remaining === 0) {
        this.refuse(field, start, 'a whole varint', 'the end of the data');
      }
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) {
        if (value > max) this.refuse(field, start, `at most ${maxText}`, `${value}`);
        return value;
      }
    }
    const expected = `a varint of at most ${MAX_VARINT_BYTES} bytes`;
    return this.refuse(field, start, expected, 'a longer one');
  }

  /** Never a `Buffer`, whatever we were given: its `slice` makes no copy, and it equals no plain array. */
  #plainView(at: number, length: number): Uint8Array {
    if (length === 0) return NO_BYTES;
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, length);
  }

  #failShort(length: number, field: string): never {
    return this.refuse(field, this.position, countBytes(length), `${this.remaining} left`);
  }
}

function countBytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}
