/**
 * The packets inside a secret connection. Bytom 1.x P2P: "Packets": pings, pongs, and parts of
 * messages of at most 1024 bytes each. Anything else ends the connection.
 */
import { encodeVarint, MAX_VARINT_BYTES, WireError, WireReader } from './wire.ts';

export const PING = 0x01;
export const PONG = 0x02;
const PART = 0x03;
/** The one channel there is. */
const BLOCKCHAIN_CHANNEL = 0x40;
/** Of a part: type, channel, end, and the first byte of its length. */
const HEAD_BYTES = 4;
/** Payload of one part, at the most. */
export const PART_BYTES = 1024;

export type Packet =
  | { readonly type: 'ping' }
  | { readonly type: 'pong' }
  /** `payload` is valid until the decoder is given more. */
  | { readonly type: 'part'; readonly payload: Uint8Array; readonly isLast: boolean };

/** The head of a part, after which come its `length` bytes. */
export function partHead(length: number, isLast: boolean): Uint8Array {
  return Uint8Array.of(PART, BLOCKCHAIN_CHANNEL, isLast ? 1 : 0, ...encodeVarint(length));
}

/** Takes the stream in pieces of any size; keeps less than one packet of it. */
export class PacketDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** More of the stream. It must not change until `next` has returned `undefined`. */
  push(bytes: Uint8Array): void {
    const rest = this.#bytes.length - this.#at;
    if (rest === 0) {
      this.#bytes = bytes;
    } else {
      const joined = new Uint8Array(rest + bytes.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(bytes, rest);
      this.#bytes = joined;
    }
    this.#at = 0;
  }

  /** The next whole packet; `undefined` if more is needed. Throws a `WireError`. */
  next(): Packet | undefined {
    const packet = this.#packet();
    // What `push` was given is not ours to keep.
    if (packet === undefined) {
      this.#bytes = this.#bytes.slice(this.#at);
      this.#at = 0;
    }
    return packet;
  }

  #packet(): Packet | undefined {
    const type = this.#bytes[this.#at];
    switch (type) {
      case undefined:
        return undefined;
      case PING:
        this.#at++;
        return { type: 'ping' };
      case PONG:
        this.#at++;
        return { type: 'pong' };
      case PART:
        return this.#part();
      default:
        throw new WireError('unknown-kind', 'packet', 'a known type', `0x${type.toString(16)}`);
    }
  }

  /** Every byte is checked as soon as it is there: nothing has to be waited for to refuse it. */
  #part(): Packet | undefined {
    const [, channel, eof, size] = this.#bytes.subarray(this.#at, this.#at + HEAD_BYTES);
    if (channel !== undefined && channel !== BLOCKCHAIN_CHANNEL) {
      throw new WireError('unknown-kind', 'channel', '0x40', `0x${channel.toString(16)}`);
    }
    if (eof !== undefined && eof > 1) {
      throw new WireError('bad-value', 'end of message', '0 or 1', String(eof));
    }
    if (size === undefined) return undefined;
    const start = this.#at + HEAD_BYTES + size;
    if (size <= MAX_VARINT_BYTES && start > this.#bytes.length) return undefined;
    const varint = this.#bytes.subarray(this.#at + HEAD_BYTES - 1, start);
    const length = new WireReader(varint).varint('part', PART_BYTES);
    // They would never come to the size that ends a message.
    if (length === 0 && eof === 0) {
      throw new WireError('bad-value', 'part', 'at least a byte before the last', 'none');
    }
    if (start + length > this.#bytes.length) return undefined;
    this.#at = start + length;
    return { type: 'part', payload: this.#bytes.subarray(start, this.#at), isLast: eof === 1 };
  }
}
