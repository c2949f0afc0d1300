/**
 * ChainKD: a tree of Ed25519 keys from one seed. Bytom 1.x keys: "Keys for receiving rewards".
 *
 * Unlike plain Ed25519, the secret scalar is the first half of the key itself, not a hash of it, and
 * child scalars are sums that are not reduced. So a public key can be derived from its parent's
 * public key alone (a watching pool makes addresses without a secret), and whoever has an xpub and
 * the scalar of one of its non-hardened children can work out the parent's: give neither away.
 */
import { createHmac } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { concatBytes } from '../util/bytes.ts';
import { bytesToU256, u256ToBytes } from '../util/u256.ts';
import { sha512Scalar } from './ed25519.ts';

/** Extended private key, 64 bytes: secret scalar, 32 bytes little-endian; chain code, 32 bytes. */
export type Xprv = Uint8Array;
/** Extended public key, 64 bytes: encoded point scalar·B, 32 bytes; chain code, 32 bytes. */
export type Xpub = Uint8Array;
/** What a child is called among its siblings: any bytes. */
export type Selector = Uint8Array;

type Point = typeof ed25519.Point.BASE;

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
/** Purpose and coin of BIP-44; Bytom's coin is 153. */
const PURPOSE = 44;
const COIN = 153;

/** The root of the tree that grows from `seed`, the 64 bytes of a mnemonic or any others. */
export function rootXprv(seed: Uint8Array): Xprv {
  return pruneRoot(hmac(Buffer.from('Root'), seed));
}

/** Throws a `RangeError` where the scalar is a multiple of the group order: no seed gives one. */
export function xprvToXpub(xprv: Xprv): Xpub {
  checkLength('xprv', xprv);
  return concatBytes(timesBase(scalarOf(xprv)).toBytes(), chainCodeOf(xprv));
}

/** The non-hardened child: its xpub is `childXpub` of this key's xpub. */
export function childXprv(xprv: Xprv, selector: Selector): Xprv {
  const xpub = xprvToXpub(xprv);
  const { step, chainCode } = nonHardenedStep(xpub, selector);
  // Not modulo the order. Only a key that no tree holds can come near 2^256.
  const scalar = scalarOf(xprv) + step;
  if (scalar >> 256n !== 0n)
    throw new RangeError('"xprv" expected a scalar with room for children');
  return concatBytes(u256ToBytes(scalar), chainCode);
}

/** The hardened child: nothing of it can be told from this key's xpub. */
export function hardenedChildXprv(xprv: Xprv, selector: Selector): Xprv {
  checkLength('xprv', xprv);
  const scalar = xprv.subarray(0, 32);
  return pruneRoot(hmac(chainCodeOf(xprv), Buffer.from('H'), scalar, selector));
}

/** Throws a `RangeError` for an xpub whose first half is no point. */
export function childXpub(xpub: Xpub, selector: Selector): Xpub {
  checkLength('xpub', xpub);
  const { step, chainCode } = nonHardenedStep(xpub, selector);
  return concatBytes(pointOf(xpub).add(timesBase(step)).toBytes(), chainCode);
}

/** Non-hardened children along the path; the key itself for an empty one. */
export function deriveXprv(xprv: Xprv, path: readonly Selector[]): Xprv {
  return path.reduce(childXprv, xprv);
}

/** The xpub of `deriveXprv`, without a secret. */
export function deriveXpub(xpub: Xpub, path: readonly Selector[]): Xpub {
  return path.reduce(childXpub, xpub);
}

/**
 * Path of an address key: 44, 153, account, change (0 to receive, 1 for change), index. Accounts and
 * indices count from 1. Throws a `RangeError` for what is not a whole number of 32 bits.
 */
export function accountPath(account: number, change: 0 | 1, index: number): readonly Selector[] {
  return [
    numberSelector('purpose', PURPOSE),
    numberSelector('coin', COIN),
    numberSelector('account', account),
    numberSelector('change', change),
    numberSelector('index', index),
  ];
}

/** The 32 bytes that CHECKSIG takes for a public key. */
export function signingPublicKey(xpub: Xpub): Uint8Array {
  checkLength('xpub', xpub);
  return xpub.slice(0, 32);
}

/** The 20 bytes that a single-key address and its program hold: RIPEMD-160 of the public key. */
export function publicKeyHash(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== 32) {
    throw new RangeError(`"publicKey" expected 32 bytes, got ${publicKey.length}`);
  }
  return ripemd160(publicKey);
}

/** The Ed25519 signature, 64 bytes. Deterministic. Any verifier takes it, strict or permissive. */
export function sign(xprv: Xprv, message: Uint8Array): Uint8Array {
  checkLength('xprv', xprv);
  const scalar = scalarOf(xprv);
  const publicKey = timesBase(scalar).toBytes();
  const prefix = hmac(Buffer.from('Expand'), xprv).subarray(32);
  const nonce = sha512Scalar(prefix, message);
  prefix.fill(0);
  const r = timesBase(nonce).toBytes();
  const challenge = sha512Scalar(r, publicKey, message);
  return concatBytes(r, u256ToBytes((nonce + challenge * scalar) % ORDER));
}

/** What a non-hardened child adds to its parent's scalar, and its chain code. */
function nonHardenedStep(
  xpub: Xpub,
  selector: Selector,
): { readonly step: bigint; readonly chainCode: Uint8Array } {
  const hash = hmac(chainCodeOf(xpub), Buffer.from('N'), xpub.subarray(0, 32), selector);
  // A multiple of 8 like every scalar here, and 22 bits short of 2^255: two million levels fit.
  hash[0]! &= 248;
  hash[29]! &= 1;
  hash[30] = 0;
  hash[31] = 0;
  return { step: bytesToU256(hash.subarray(0, 32)), chainCode: hash.subarray(32) };
}

/** In place. One bit more than in plain Ed25519 is cleared, so that adding steps cannot overflow. */
function pruneRoot(key: Uint8Array): Uint8Array {
  key[0]! &= 248;
  key[31] = (key[31]! & 31) | 64;
  return key;
}

/** scalar·B in time that does not depend on the scalar. */
function timesBase(scalar: bigint): Point {
  // Reducing changes nothing: L·B is the identity.
  const reduced = scalar % ORDER;
  if (reduced === 0n) throw new RangeError('expected a scalar that is no multiple of the order');
  return Point.BASE.multiply(reduced);
}

function pointOf(xpub: Xpub): Point {
  try {
    return Point.fromBytes(xpub.subarray(0, 32), true);
  } catch (cause) {
    throw new RangeError('"xpub" expected a point of the curve in its first 32 bytes', { cause });
  }
}

function scalarOf(xprv: Xprv): bigint {
  return bytesToU256(xprv.subarray(0, 32));
}

function chainCodeOf(key: Xprv | Xpub): Uint8Array {
  return key.subarray(32);
}

/** 4 bytes, little-endian. */
function numberSelector(name: string, value: number): Selector {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RangeError(`"${name}" expected a whole number of 32 bits, got ${value}`);
  }
  const selector = new Uint8Array(4);
  new DataView(selector.buffer).setUint32(0, value, true);
  return selector;
}

/** HMAC-SHA512 of the parts: 64 bytes of its own. */
function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sha512', key);
  for (const part of parts) mac.update(part);
  return Uint8Array.from(mac.digest());
}

function checkLength(name: 'xprv' | 'xpub', key: Uint8Array): void {
  if (key.length !== 64) throw new RangeError(`"${name}" expected 64 bytes, got ${key.length}`);
}
