/**
 * Byte strings as the VM reads them: as integers and as truth values. Values are shared between
 * stack places and are never written to. Bytom 1.x consensus: "BVM".
 *
 * Integers are little-endian and signed 64-bit, but a shorter string is extended with zeros: only
 * 8 bytes can be negative (`ff` is 255).
 */

export const MIN_INT64: bigint = -(1n << 63n);
export const MAX_INT64: bigint = (1n << 63n) - 1n;

const INT_BYTES = 8;
const scratch = new Uint8Array(INT_BYTES);
const scratchView = new DataView(scratch.buffer);

const EMPTY = new Uint8Array(0);
/** Integers that programs push by the thousand: 0 … 16. */
const SMALL_INTS: readonly Uint8Array[] = Array.from({ length: 17 }, (_, n) =>
  n === 0 ? EMPTY : Uint8Array.of(n),
);

/** The shortest string of a signed 64-bit integer: zeros at the end dropped, 0 is empty. */
export function intToBytes(value: bigint): Uint8Array {
  if (value >= 0n && value <= 16n) return SMALL_INTS[Number(value)]!;
  scratchView.setBigInt64(0, value, true);
  let length = INT_BYTES;
  while (scratch[length - 1] === 0) length--;
  return scratch.slice(0, length);
}

/** `undefined` for more than 8 bytes, zeros at the end included. */
export function bytesToInt(bytes: Uint8Array): bigint | undefined {
  if (bytes.length > INT_BYTES) return undefined;
  scratch.fill(0);
  scratch.set(bytes);
  return scratchView.getBigInt64(0, true);
}

/** Some byte is not zero. */
export function isTrue(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return true;
  return false;
}

/** `01` or the empty string. */
export function boolToBytes(value: boolean): Uint8Array {
  return SMALL_INTS[value ? 1 : 0]!;
}
