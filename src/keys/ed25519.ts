/**
 * The chain's Ed25519 check. Bytom 1.x consensus: "Signatures". It is older and more permissive than
 * RFC 8032, and every node must agree with it bit for bit:
 *
 * - S needs only its top three bits clear; S ≥ L, the group order, is accepted.
 * - A public key may have y ≥ p, and x = 0 with the sign bit set; points of small order are keys too.
 * - S·B − H(R, A, M)·A is encoded and compared with R byte by byte: no cofactor, and an R that is not
 *   the one encoding of its point never matches.
 *
 * OpenSSL differs in the first point only, so it is asked with S mod L (B has order L: the point is
 * the same) and decides about ten times as fast as our own check. Its yes is final. So is its no,
 * unless a point is written in one of the ways that stricter libraries refuse: then our own check
 * decides, so that no build of OpenSSL can take us off the chain. A no must not be dear: 2-of-3
 * multisig says one for every key that did not sign.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesEqual } from '../util/bytes.ts';
import { LruMap } from '../util/lru.ts';
import { bytesToU256, u256ToBytes } from '../util/u256.ts';

const { Point } = ed25519;
/** p, the field's prime, and L, the order of the base point. */
const PRIME = Point.Fp.ORDER;
const ORDER = Point.Fn.ORDER;

/** y of the points of order 8 (of two of the four; the others have −y). */
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** y of the eight points whose order divides 8. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  ORDER_8_Y,
  PRIME - ORDER_8_Y,
]);

const Y_BITS = (1n << 255n) - 1n;

/** Parsed keys, by their bytes: a quarter of the time is saved for an address that is used again. */
const parsedKeys = new LruMap<string, KeyObject>(2048);

/** Whether the chain accepts `signature` (64 bytes). Another length of key or signature is a no. */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!hasForm(publicKey, signature)) return false;
  const answer = askOpenSsl(publicKey, message, withReducedS(signature));
  if (answer === true) return true;
  if (
    answer === false &&
    !isUnusualEncoding(publicKey) &&
    !isUnusualEncoding(signature.subarray(0, 32))
  ) {
    return false;
  }
  return verifySignatureSlow(publicKey, message, signature);
}

/** The same check by the formula alone: a thousandth of a second each. */
export function verifySignatureSlow(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!hasForm(publicKey, signature)) return false;
  const point = decodePoint(publicKey);
  if (point === undefined) return false;
  const r = signature.subarray(0, 32);
  // Reduced first: for a key with a part of small order, h·A and (h mod L)·A differ.
  const challenge = sha512Scalar(r, publicKey, message);
  const s = bytesToU256(signature.subarray(32)) % ORDER;
  const expected = Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(challenge));
  return bytesEqual(expected.toBytes(), r);
}

/** SHA-512 of the parts, read as a little-endian integer, modulo the group order. */
export function sha512Scalar(...parts: readonly Uint8Array[]): bigint {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  const digest = hash.digest();
  return ((bytesToU256(digest.subarray(32)) << 256n) | bytesToU256(digest.subarray(0, 32))) % ORDER;
}

function hasForm(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return publicKey.length === 32 && signature.length === 64 && (signature[63]! & 0xe0) === 0;
}

/** The signature with S mod L for S: the same array where S is clearly below L. */
function withReducedS(signature: Uint8Array): Uint8Array {
  // L is a little above 2^252: next to no signature of anybody goes on from here.
  if (signature[63]! < 0x10) return signature;
  const reduced = Uint8Array.from(signature);
  reduced.set(u256ToBytes(bytesToU256(signature.subarray(32)) % ORDER), 32);
  return reduced;
}

/** `undefined`: it did not answer, as a build without Ed25519 or one that refuses this key. */
function askOpenSsl(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean | undefined {
  try {
    return verify(null, message, parsedKey(publicKey), signature);
  } catch {
    return undefined;
  }
}

function parsedKey(publicKey: Uint8Array): KeyObject {
  const bytes = Buffer.from(publicKey.buffer, publicKey.byteOffset, 32);
  const name = bytes.toString('latin1');
  const known = parsedKeys.get(name);
  if (known !== undefined) return known;
  // Of the forms Node takes a raw key in, JWK is the quickest to parse.
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  parsedKeys.set(name, key);
  return key;
}

/** Whether a library stricter than the chain might refuse this encoding of a point. */
export function isUnusualEncoding(encoding: Uint8Array): boolean {
  const y = bytesToU256(encoding) & Y_BITS;
  return y >= PRIME || SMALL_ORDER_Y.has(y);
}

/** The point, decoded as permissively as ZIP 215 asks; `undefined` if no point has this y. */
function decodePoint(encoding: Uint8Array): ReturnType<typeof Point.fromBytes> | undefined {
  try {
    return Point.fromBytes(encoding, true);
  } catch {
    return undefined;
  }
}
