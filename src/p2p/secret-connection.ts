/**
 * The encrypted and authenticated stream between two nodes. Bytom 1.x P2P: "Secret connection". Both
 * sides do the same at once: exchange ephemeral X25519 keys, derive one key, and prove by a signature
 * over both ephemeral keys who they are.
 *
 * The signature covers nothing but the ephemeral keys. So a shared secret that does not depend on both
 * of them (a key of low order) is refused, or somebody in between could use one side's proof towards
 * the other; and so is our own key coming back, of either kind.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { hsalsa } from '@noble/ciphers/salsa.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { bytesEqual, concatBytes } from '../util/bytes.ts';
import { CodedError } from '../util/errors.ts';
import type { ByteStream } from './byte-stream.ts';
import { type NodeIdentity, verifyIdentity } from './identity.ts';
import { SecretStream, type SessionKeys } from './secret-stream.ts';
import { WireError, WireReader } from './wire.ts';

export interface AuthenticationErrorDetail {
  readonly code: /** The shared secret does not depend on both keys. */
    | 'weak-key'
    /** Our own ephemeral key came back. */
    | 'reflected'
    /** The peer did not prove to own the key it claims. */
    | 'bad-signature'
    /** The peer has proven to be us. */
    | 'self';
}

export class AuthenticationError extends CodedError<AuthenticationErrorDetail> {
  constructor(code: AuthenticationErrorDetail['code'], options?: ErrorOptions) {
    super(REASONS[code], { code }, options);
  }
}

const REASONS: Readonly<Record<AuthenticationErrorDetail['code'], string>> = {
  'weak-key': 'the peer sent a key of low order',
  reflected: 'the peer sent our own key back',
  'bad-signature': 'the peer did not prove its key',
  self: 'the peer is this node itself',
};

/** DER of a PKCS #8 private key up to the key. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SIGMA: Uint8Array = Buffer.from('expand 32-byte k', 'latin1');
/** The type byte of Ed25519 keys and of its signatures. */
const ED25519: Uint8Array = Uint8Array.of(1);
const PROOF_BYTES = 98;

export interface SecretConnection {
  readonly secret: SecretStream;
  /** The identity that the peer has proven, 32 bytes. */
  readonly remoteKey: Uint8Array;
}

/**
 * Shakes hands over a fresh connection. Takes as long as the peer lets it: destroying the stream ends
 * it. `ephemeral`: 32 random bytes, never used twice. Rejects with an `AuthenticationError`, a
 * `WireError` or a `StreamError`.
 */
export async function openSecretConnection(
  stream: ByteStream,
  identity: NodeIdentity,
  ephemeral: Uint8Array = randomBytes(32),
): Promise<SecretConnection> {
  const own = new EphemeralKey(ephemeral);
  const [remotePublic] = await Promise.all([stream.read(32), stream.write(own.publicKey)]);
  const { keys, challenge } = own.sessionWith(remotePublic);
  const secret = new SecretStream(stream, keys);
  // One part: the reference's reader loses what a second frame would begin with.
  const proof = encodeProof(identity.publicKey, identity.sign(challenge));
  const [remoteProof] = await Promise.all([secret.read(PROOF_BYTES), secret.write(proof)]);
  const remoteKey = checkProof(remoteProof, challenge);
  if (bytesEqual(remoteKey, identity.publicKey)) throw new AuthenticationError('self');
  return { secret, remoteKey };
}

/** An X25519 key for one connection. */
export class EphemeralKey {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(privateKey: Uint8Array) {
    const der = Buffer.concat([PKCS8_X25519, privateKey]);
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.publicKey = Uint8Array.from(Buffer.from(x ?? '', 'base64url'));
  }

  /** What both sides know when the peer's ephemeral key is there. Throws an `AuthenticationError`. */
  sessionWith(remotePublic: Uint8Array): {
    readonly keys: SessionKeys;
    readonly challenge: Uint8Array;
  } {
    if (bytesEqual(remotePublic, this.publicKey)) throw new AuthenticationError('reflected');
    const ownIsLow = Buffer.compare(this.publicKey, remotePublic) < 0;
    const sorted = ownIsLow
      ? concatBytes(this.publicKey, remotePublic)
      : concatBytes(remotePublic, this.publicKey);
    const nonce1 = concatBytes(ripemd160(sorted), new Uint8Array(4));
    const nonce2 = Uint8Array.from(nonce1);
    nonce2[23]! ^= 1;
    return {
      keys: {
        key: this.#sharedKey(remotePublic),
        sendNonce: ownIsLow ? nonce2 : nonce1,
        receiveNonce: ownIsLow ? nonce1 : nonce2,
      },
      challenge: Uint8Array.from(createHash('sha256').update(sorted).digest()),
    };
  }

  /** NaCl's `box` precomputation. */
  #sharedKey(remotePublic: Uint8Array): Uint8Array {
    const point = this.#multiply(remotePublic);
    if (point.every((byte) => byte === 0)) throw new AuthenticationError('weak-key');
    const out = new Uint32Array(8);
    hsalsa(wordsOf(SIGMA), wordsOf(point), new Uint32Array(4), out);
    return new Uint8Array(out.buffer);
  }

  #multiply(remotePublic: Uint8Array): Uint8Array {
    const x = Buffer.from(remotePublic).toString('base64url');
    try {
      const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
      return diffieHellman({ privateKey: this.#key, publicKey });
    } catch (cause) {
      // OpenSSL refuses a result of zero; there is nothing else for it to refuse.
      throw new AuthenticationError('weak-key', { cause });
    }
  }
}

/** Key and signature as registered interfaces: a type byte and the value, each. */
function encodeProof(publicKey: Uint8Array, signature: Uint8Array): Uint8Array {
  return concatBytes(ED25519, publicKey, ED25519, signature);
}

/** The key that the proof proves. */
function checkProof(proof: Uint8Array, challenge: Uint8Array): Uint8Array {
  const reader = new WireReader(proof);
  const key = typed(reader, 'identity key', 32);
  const signature = typed(reader, 'signature', 64);
  if (!verifyIdentity(key, challenge, signature)) throw new AuthenticationError('bad-signature');
  return key.slice();
}

function typed(reader: WireReader, field: string, length: number): Uint8Array {
  const type = reader.byte(field);
  if (type !== ED25519[0]) throw new WireError('bad-value', field, 'type 1', `type ${type}`);
  return reader.fixed(field, length);
}

/** The same bytes as 32-bit words in the machine's order, in memory of their own. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}
