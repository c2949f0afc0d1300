/** 256-bit integers as 32 little-endian bytes: how Tensority results compare with targets. */

/** The 32 bytes read as a little-endian integer (last byte most significant). */
export function bytesToU256(bytes: Uint8Array): bigint {
  if (bytes.length !== 32) throw new RangeError(`"bytes" expected 32 bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  return (
    (view.getBigUint64(24, true) << 192n) |
    (view.getBigUint64(16, true) << 128n) |
    (view.getBigUint64(8, true) << 64n) |
    view.getBigUint64(0, true)
  );
}

/** The inverse of `bytesToU256`. */
export function u256ToBytes(value: bigint): Uint8Array {
  if (value < 0n || value >> 256n !== 0n) {
    throw new RangeError(`expected an unsigned 256-bit integer, got ${value}`);
  }
  const out = new Uint8Array(32);
  const view = new DataView(out.buffer);
  for (let i = 0; i < 4; i++) {
    view.setBigUint64(8 * i, (value >> BigInt(64 * i)) & 0xffff_ffff_ffff_ffffn, true);
  }
  return out;
}
