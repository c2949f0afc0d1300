/**
 * The wire encoding of Bytom 1.x P2P ("Wire encoding"): big-endian integers; lengths and counts as
 * one byte for the number of bytes that follow, then these. The reader checks every length against a
 * limit and against the bytes that are there before anything is made of it.
 */
import { CodedError, clip } from '../util/errors.ts';

/** What was wrong with bytes of a peer. Every code ends the connection. */
export interface WireErrorDetail {
  readonly code: /** The bytes end before the field does. */
    | 'truncated'
    /** A length, a count or a number above its limit. */
    | 'too-large'
    /** A value that the field cannot have. */
    | 'bad-value'
    /** Bytes after the end. */
    | 'trailing'
    /** A frame whose tag does not match: somebody changed it. */
    | 'bad-frame'
    /** A packet, channel or message of a kind that does not exist. */
    | 'unknown-kind'
    /** More than a peer may send, or make us keep. */
    | 'flood';
  readonly field: string;
}

/** The peer broke the protocol. */
export class WireError extends CodedError<WireErrorDetail> {
  constructor(
    code: WireErrorDetail['code'],
    field: string,
    expected: string,
    got: string,
    options?: ErrorOptions,
  ) {
    super(`${field}: expected ${expected}, got ${clip(got)}`, { code, field }, options);
  }
}

/** A length takes at most this many bytes, as in the reference. */
export const MAX_VARINT_BYTES = 8;

export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  /** Reads from `bytes`, and gives views of them away: they must not change. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  byte(field: string): number {
    return this.#bytes[this.#take(1, field)]!;
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field));
  }

  /** A u64 that is a height: above 2^53−1 is refused. */
  height(field: string): number {
    const value = this.u64(field);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new WireError('too-large', field, 'at most 2^53-1', String(value));
    }
    return Number(value);
  }

  /** A length or count; a negative one, or one above `max` (at most 2^53−1), is refused. */
  varint(field: string, max: number): number {
    const size = this.byte(field);
    if (size > MAX_VARINT_BYTES) {
      const expected = `a length of at most ${MAX_VARINT_BYTES} bytes`;
      throw new WireError('bad-value', field, expected, `first byte ${size}`);
    }
    const at = this.#take(size, field);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.#bytes[at + i]!;
    if (value > max) throw new WireError('too-large', field, `at most ${max}`, String(value));
    return value;
  }

  /** A count of elements that take at least `elementBytes` each: what cannot be there is refused. */
  count(field: string, max: number, elementBytes: number): number {
    const count = this.varint(field, max);
    if (count * elementBytes > this.left) {
      const got = `${this.left} bytes`;
      throw new WireError('truncated', field, `${count} elements`, got);
    }
    return count;
  }

  /** `length` bytes without a length before them, as a view. */
  fixed(field: string, length: number): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy, so that what is kept for long does not keep its message. */
  hash(field: string): Uint8Array {
    return this.fixed(field, 32).slice();
  }

  /** A byte slice, as a view. */
  slice(field: string, maxBytes: number): Uint8Array {
    return this.fixed(field, this.varint(field, maxBytes));
  }

  /** A string; bytes that are not UTF-8 become replacement characters. */
  text(field: string, maxBytes: number): string {
    const bytes = this.slice(field, maxBytes);
    return bufferOf(bytes).toString('utf8');
  }

  /** A slice of `max` elements at the most, each read by `read` and at least `elementBytes` long. */
  list<T>(field: string, max: number, elementBytes: number, read: () => T): T[] {
    const count = this.count(field, max, elementBytes);
    const out: T[] = [];
    for (let i = 0; i < count; i++) out.push(read());
    return out;
  }

  /** Throws unless everything was read. */
  end(field: string): void {
    if (this.left !== 0) {
      throw new WireError('trailing', field, 'nothing after it', `${this.left} bytes`);
    }
  }

  /** Moves on by `length` bytes; returns where they begin. */
  #take(length: number, field: string): number {
    if (length > this.left) {
      throw new WireError('truncated', field, `${length} bytes`, `${this.left}`);
    }
    const at = this.#offset;
    this.#offset += length;
    return at;
  }
}

/** Puts bytes together in order. What does not fit its field is our own mistake, a `RangeError`. */
export class WireWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** `capacity`: how many bytes it will be, if that is known; more are taken all the same. */
  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u64(value: bigint): void {
    if (value < 0n || value >> 64n !== 0n) {
      throw new RangeError(`expected an unsigned 64-bit integer, got ${value}`);
    }
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value);
  }

  height(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`expected a height, got ${value}`);
    this.u64(BigInt(value));
  }

  varint(value: number): void {
    this.fixed(encodeVarint(value));
  }

  fixed(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  hash(bytes: Uint8Array): void {
    if (bytes.length !== 32) throw new RangeError(`expected 32 bytes, got ${bytes.length}`);
    this.fixed(bytes);
  }

  slice(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.fixed(bytes);
  }

  text(text: string): void {
    this.slice(Buffer.from(text, 'utf8'));
  }

  /** A byte slice of the characters of `text`, which is ASCII. */
  ascii(text: string): void {
    this.varint(text.length);
    const at = this.#reserve(text.length);
    bufferOf(this.#bytes).write(text, at, 'latin1');
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.varint(items.length);
    for (const item of items) write(item);
  }

  /** What was written; the writer must not be used any more. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Where `length` more bytes go. Moves everything, so it comes before any use of the memory. */
  #reserve(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}

/** A length or count: 0 is `00`, 5 is `01 05`, 300 is `02 01 2c`. */
export function encodeVarint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`expected a length, got ${value}`);
  }
  const digits: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return Uint8Array.of(digits.length, ...digits);
}

/** The same memory as a `Buffer`. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
