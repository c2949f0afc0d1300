/**
 * Bytes put together in order, in a buffer that grows: the wire form of transactions and the bodies
 * of entries. What does not fit its field is the caller's mistake, a `RangeError` that names it.
 */
import { encodeVarint31, encodeVarint63 } from './varint.ts';

const FIRST_CAPACITY = 512;

export class ByteWriter {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A hash or an asset id. */
  hash(bytes: Uint8Array, field: string): void {
    if (bytes.length !== 32) {
      throw new RangeError(`"${field}" expected 32 bytes, got ${bytes.length}`);
    }
    this.bytes(bytes);
  }

  /** 8 bytes, little-endian. */
  u64(value: bigint, field: string): void {
    if (BigInt.asUintN(64, value) !== value) {
      throw new RangeError(`"${field}" expected 0 … 2^64−1, got ${value}`);
    }
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  /** 0 … 2^63−1. */
  varint63(value: bigint, field: string): void {
    if (value >= 0n && value < 0x80n) this.byte(Number(value));
    else this.bytes(encodeVarint63(value, field));
  }

  /** 0 … 2^31−1. */
  varint31(value: number, field: string): void {
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) this.byte(value);
    else this.bytes(encodeVarint31(value, field));
  }

  /** The length as varint31, then the bytes. */
  byteString(bytes: Uint8Array, field: string): void {
    this.varint31(bytes.length, `${field} length`);
    this.bytes(bytes);
  }

  /** The number as varint31, then each as a byte string. */
  byteStrings(list: readonly Uint8Array[], field: string): void {
    this.varint31(list.length, `number of ${field}`);
    for (const bytes of list) this.byteString(bytes, field);
  }

  /** What `write` writes, with its length before it. */
  nested(field: string, write: (content: ByteWriter) => void): void {
    const content = new ByteWriter();
    write(content);
    this.byteString(content.view(), field);
  }

  /** What was written, valid until the next write or `clear`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, as a copy. */
  finish(): Uint8Array {
    return this.view().slice();
  }

  /** Starts again at the first byte, in the same buffer. */
  clear(): void {
    this.#length = 0;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.view());
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
