/** The frame of TSP/1: header, payload, CRC (PROTOCOL.md, "Framing"). */
import { crc32 } from 'node:zlib';

export const VERSION = 1;
/** Longest frame before HELLO, header and CRC included. */
export const FIRST_MAX_FRAME = 1100;
/**
 * Longest frame that this host uses, whatever a board would take: 16 rows. A request waits as long as a
 * longest frame takes on the wire, which at 115,200 baud would be 11 s for the 65,535 that HELLO can tell.
 */
export const HOST_MAX_FRAME = 4128;
/** Bytes of header and CRC. */
export const FRAME_OVERHEAD = 12;
const HEADER_BYTES = 8;
const MAX_PAYLOAD = 0xffff;

/** Set in a request that repeats one. */
export const FLAG_REPEAT = 1;

export interface Frame {
  readonly version: number;
  readonly type: number;
  readonly flags: number;
  /** u16 */
  readonly seq: number;
  readonly payload: Uint8Array;
}

export type FrameFault = 'BAD_LEN' | 'BAD_CRC';

export type DecodedFrame =
  | { readonly ok: true; readonly frame: Frame }
  /** `seq` and `type` as they seem to be; undefined if not even a header is there. */
  | {
      readonly ok: false;
      readonly fault: FrameFault;
      readonly seq?: number;
      readonly type?: number;
    };

/** The frame's bytes, before SLIP. Throws a `RangeError` for a payload whose length is no u16. */
export function encodeFrame(
  type: number,
  seq: number,
  payload: Uint8Array,
  { flags = 0, version = VERSION }: { flags?: number; version?: number } = {},
): Uint8Array {
  if (payload.length > MAX_PAYLOAD) {
    throw new RangeError(`"payload" expected at most ${MAX_PAYLOAD} bytes, got ${payload.length}`);
  }
  const bytes = new Uint8Array(payload.length + FRAME_OVERHEAD);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  bytes[1] = type;
  bytes[2] = flags;
  view.setUint16(4, seq, true);
  view.setUint16(6, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  const end = HEADER_BYTES + payload.length;
  view.setUint32(end, crc32(bytes.subarray(0, end)), true);
  return bytes;
}

/** Reads a stretch between two ENDs. The CRC comes first: a wrong length with a wrong CRC is a damaged frame. */
export function decodeFrame(bytes: Uint8Array): DecodedFrame {
  if (bytes.length < FRAME_OVERHEAD) return { ok: false, fault: 'BAD_LEN' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const seq = view.getUint16(4, true);
  const type = view.getUint8(1);
  const end = bytes.length - 4;
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) {
    return { ok: false, fault: 'BAD_CRC', seq, type };
  }
  if (view.getUint16(6, true) !== end - HEADER_BYTES) {
    return { ok: false, fault: 'BAD_LEN', seq, type };
  }
  const payload = bytes.slice(HEADER_BYTES, end);
  return {
    ok: true,
    frame: { version: view.getUint8(0), type, flags: view.getUint8(2), seq, payload },
  };
}
