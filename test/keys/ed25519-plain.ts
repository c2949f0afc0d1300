/**
 * The chain's Ed25519 check in the plainest form: the formulas of RFC 8032 on big integers, bit by
 * bit, with the permissive decoding. Slow, and shares no code with what it judges.
 */
import { createHash } from 'node:crypto';

export interface AffinePoint {
  readonly x: bigint;
  readonly y: bigint;
}

export const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

export const ZERO: AffinePoint = { x: 0n, y: 1n };
const BASE: AffinePoint = decodePlain(integerToBytes(mod(4n * inverse(5n))))!;

/** The check; any lengths. */
export function verifyPlain(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64 || signature[63]! >= 0x20) return false;
  const a = decodePlain(key);
  if (a === undefined) return false;
  const s = bytesToInteger(signature.slice(32));
  const minusA = { x: mod(-a.x), y: a.y };
  const r = add(multiply(s, BASE), multiply(challenge(signature, key, message), minusA));
  return Buffer.from(encodePlain(r)).equals(signature.slice(0, 32));
}

/** H(R, A, M) mod L. */
export function challenge(signature: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  const hash = createHash('sha512').update(signature.slice(0, 32)).update(key).update(message);
  return bytesToInteger(hash.digest()) % L;
}

/** y modulo p, whatever it is; the sign bit is obeyed where it can be. `undefined`: not on the curve. */
export function decodePlain(bytes: Uint8Array): AffinePoint | undefined {
  const number = bytesToInteger(bytes);
  const y = mod(number & (2n ** 255n - 1n));
  const xx = mod((y * y - 1n) * inverse(D * y * y + 1n));
  let x = power(xx, (P + 3n) / 8n);
  if (mod(x * x) !== xx) x = mod(x * SQRT_MINUS_1);
  if (mod(x * x) !== xx) return undefined;
  if (x % 2n !== number >> 255n) x = mod(-x);
  return { x, y };
}

export function encodePlain({ x, y }: AffinePoint): Uint8Array {
  return integerToBytes(y | ((x % 2n) << 255n));
}

export function add(a: AffinePoint, b: AffinePoint): AffinePoint {
  return toAffine(addExtended(toExtended(a), toExtended(b)));
}

/** scalar · point, `scalar` ≥ 0 and not reduced. */
export function multiply(scalar: bigint, point: AffinePoint): AffinePoint {
  const summand = toExtended(point);
  let sum = toExtended(ZERO);
  for (const bit of scalar.toString(2)) {
    sum = addExtended(sum, sum);
    if (bit === '1') sum = addExtended(sum, summand);
  }
  return toAffine(sum);
}

export function multiplyBase(scalar: bigint): AffinePoint {
  return multiply(scalar, BASE);
}

export function bytesToInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** 32 little-endian bytes. */
export function integerToBytes(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
}

/** x = X/Z, y = Y/Z, xy = T/Z. The addition below is complete: it doubles as well. */
interface Extended {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

function addExtended(p: Extended, q: Extended): Extended {
  const a = mod((p.Y - p.X) * (q.Y - q.X));
  const b = mod((p.Y + p.X) * (q.Y + q.X));
  const c = mod(2n * D * mod(p.T * q.T));
  const d = mod(2n * p.Z * q.Z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { X: mod(e * f), Y: mod(g * h), Z: mod(f * g), T: mod(e * h) };
}

function toExtended({ x, y }: AffinePoint): Extended {
  return { X: x, Y: y, Z: 1n, T: mod(x * y) };
}

function toAffine({ X, Y, Z }: Extended): AffinePoint {
  const z = inverse(Z);
  return { x: mod(X * z), y: mod(Y * z) };
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function inverse(value: bigint): bigint {
  return power(value, P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = mod(result * result);
    if (bit === '1') result = mod(result * base);
  }
  return result;
}
