/**
 * Who this node is to others: an Ed25519 key. Bytom 1.x P2P: "Secret connection". The key says nothing
 * about money; whoever has it can only pass for this node.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isUnusualEncoding } from '../keys/ed25519.ts';
import { writeKeyFile } from '../keys/keyfile-write.ts';
import { bytesToHex, hexToBytes } from '../util/bytes.ts';
import { CodedError } from '../util/errors.ts';

/** DER of a PKCS #8 private key up to the seed. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_FORM = /^[0-9a-f]{64}\n?$/;

export class NodeIdentity {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** What others call this node: the public key in upper-case hex. */
  readonly id: string;
  readonly #key: KeyObject;

  /** `seed`: 32 bytes that nobody else knows. */
  constructor(seed: Uint8Array) {
    if (seed.length !== 32) throw new RangeError(`expected a seed of 32 bytes, got ${seed.length}`);
    const der = Buffer.concat([PKCS8_ED25519, seed]);
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.publicKey = Uint8Array.from(Buffer.from(x ?? '', 'base64url'));
    this.id = identityText(this.publicKey);
  }

  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return Uint8Array.from(sign(null, message, this.#key));
  }
}

/** A key as people and the API see it. */
export function identityText(publicKey: Uint8Array): string {
  return bytesToHex(publicKey).toUpperCase();
}

/**
 * Whether the owner of `publicKey` has signed. Strict, unlike the chain's check: no key that has more
 * than one encoding, or for which anybody can sign.
 */
export function verifyIdentity(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (isUnusualEncoding(publicKey)) return false;
  const x = Buffer.from(publicKey).toString('base64url');
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verify(null, message, key, signature);
  } catch {
    // OpenSSL refuses some keys by throwing.
    return false;
  }
}

/** A file that holds no identity. What it holds is not shown: it may be one that was damaged. */
export class IdentityError extends CodedError<{
  readonly code: 'bad-identity-file';
  readonly path: string;
}> {
  constructor(path: string) {
    super(`${path}: expected 64 hex digits`, { code: 'bad-identity-file', path });
  }
}

/**
 * The identity in the file at `path` (64 hex digits of the seed), made and written there if there is
 * none: whole, and for its owner's eyes only. Throws an `IdentityError`, or the file system's error.
 */
export async function loadIdentity(
  path: string,
  random: (bytes: number) => Uint8Array = randomBytes,
): Promise<NodeIdentity> {
  const text = await readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) {
    const seed = random(32);
    await writeKeyFile(path, `${bytesToHex(seed)}\n`);
    return new NodeIdentity(seed);
  }
  if (!SEED_FORM.test(text)) throw new IdentityError(path);
  return new NodeIdentity(hexToBytes(text.slice(0, 64), 'seed', 32));
}
