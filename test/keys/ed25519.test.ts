/**
 * The permissive check against a plain one that shares no code with it. Every case asks three times:
 * what the chain uses (OpenSSL first), our own check alone, and the plain one.
 */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isUnusualEncoding, verifySignature, verifySignatureSlow } from '../../src/keys/ed25519.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import {
  type AffinePoint,
  add,
  bytesToInteger,
  challenge,
  decodePlain,
  encodePlain,
  integerToBytes,
  L,
  multiply,
  multiplyBase,
  P,
  verifyPlain,
  ZERO,
} from './ed25519-plain.ts';

const random = seededRandom(811);
const SIGN_BIT = 1n << 255n;

/** A point of order 8; its multiples are all eight points of small order. */
const ORDER_8 = decodePlain(
  hexToBytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'point'),
)!;
const SMALL_POINTS = Array.from({ length: 8 }, (_, k) => multiply(BigInt(k), ORDER_8));

/** All 14 ways to write them: x = 0 with the sign bit, and y + p where that has 255 bits. */
const SMALL_ENCODINGS: readonly Uint8Array[] = [
  ...SMALL_POINTS.map(encodePlain),
  integerToBytes(1n | SIGN_BIT),
  integerToBytes((P - 1n) | SIGN_BIT),
  ...[0n, 1n].flatMap((y) => [integerToBytes(y + P), integerToBytes((y + P) | SIGN_BIT)]),
];

describe('verifySignature', () => {
  it('accepts the signatures of RFC 8032', () => {
    const key = hexToBytes(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      'key',
    );
    const signature = hexToBytes(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      'signature',
    );
    expect(ask(key, new Uint8Array(0), signature)).toBe(true);
    expect(ask(key, Uint8Array.of(0), signature)).toBe(false);
  });

  it('agrees with the plain check on messages of any length, and on one wrong bit anywhere', () => {
    for (const length of [0, 1, 31, 32, 33, 200]) {
      const message = randomBytes(length);
      const { key, signature } = signedByNode(message);
      expect(ask(key, message, signature), `${length} bytes`).toBe(true);
      expect(ask(key, message, withBit(signature, pick(256))), 'R changed').toBe(false);
      expect(ask(key, message, withBit(signature, 256 + pick(253))), 'S changed').toBe(false);
      expect(ask(withBit(key, pick(256)), message, signature), 'key changed').toBe(false);
      expect(ask(key, concatBytes(message, Uint8Array.of(1)), signature), 'longer').toBe(false);
    }
  });

  it('agrees with the plain check on bytes without any meaning', () => {
    for (let i = 0; i < 40; i++) {
      const signature = randomBytes(64);
      signature[63]! &= 0x1f;
      expect(ask(randomBytes(32), randomBytes(32), signature)).toBe(false);
    }
  });

  it('accepts S + L, which strict libraries refuse, and nothing whose top three bits are not clear', () => {
    for (let i = 0; i < 12; i++) {
      const message = randomBytes(32);
      const { key, signature } = signedByNode(message);
      for (let k = 0n; k < 16n; k++) {
        const s = bytesToInteger(signature.subarray(32)) + k * L;
        if (s >> 256n !== 0n) break;
        const fits = s < 1n << 253n;
        expect(ask(key, message, withS(signature, s)), `S + ${k} L`).toBe(fits);
        expect(fits, `S + ${k} L`).toBe(k <= 1n);
      }
      for (const bit of [253, 254, 255]) {
        expect(ask(key, message, withBit(signature, 256 + bit)), `bit ${bit} of S`).toBe(false);
      }
    }
  });

  it('accepts S + L just above L, under an ordinary key', () => {
    for (let found = 0; found < 3; ) {
      const message = randomBytes(32);
      const { key, signature } = signedByNode(message);
      // Four bits less than usual: S + L begins as L does.
      if (signature[63] !== 0) continue;
      found++;
      const s = bytesToInteger(signature.subarray(32)) + L;
      expect(ask(key, message, withS(signature, s)), `S = ${s}`).toBe(true);
      expect(ask(key, message, withS(signature, s - 1n)), `S = ${s - 1n}`).toBe(false);
    }
  });

  it('knows S = L and S = 0 for the same, and the values around them apart', () => {
    const identity = encodePlain(ZERO);
    const message = randomBytes(32);
    // With the identity for a key, R is S·B whatever the message.
    for (const [s, r, accepted] of [
      [0n, ZERO, true],
      [L, ZERO, true],
      [L - 1n, ZERO, false],
      [L + 1n, ZERO, false],
      [1n, multiplyBase(1n), true],
      [L + 1n, multiplyBase(1n), true],
      [L - 1n, multiplyBase(L - 1n), true],
      [2n ** 252n, multiplyBase(2n ** 252n), true],
      [2n ** 253n - 1n, multiplyBase(2n ** 253n - 1n), true],
      [2n ** 253n, multiplyBase(2n ** 253n), false],
    ] as const) {
      const signature = concatBytes(encodePlain(r), integerToBytes(s));
      expect(ask(identity, message, signature), `S = ${s}`).toBe(accepted);
    }
  });

  it('takes points of small order for keys, in all 14 encodings, and only canonical R', () => {
    const canonical = new Set(SMALL_POINTS.map((point) => bytesToHex(encodePlain(point))));
    expect(new Set(SMALL_ENCODINGS.map(bytesToHex)).size).toBe(14);
    for (const key of SMALL_ENCODINGS) {
      let accepted = 0;
      for (const r of SMALL_ENCODINGS) {
        const signature = concatBytes(r, integerToBytes(random() < 0.5 ? 0n : L));
        const answer = ask(key, randomBytes(32), signature);
        if (answer) expect(canonical, bytesToHex(r)).toContain(bytesToHex(r));
        if (answer) accepted++;
      }
      // About one R in eight fits; the identity needs no luck.
      if (encodesIdentity(key)) expect(accepted, bytesToHex(key)).toBe(1);
    }
  });

  it('accepts a fitting signature under each of those keys', () => {
    for (const key of SMALL_ENCODINGS) {
      const point = decodePlain(key)!;
      const { message, signature } = forge(key, 0n, point);
      expect(ask(key, message, signature), bytesToHex(key)).toBe(true);
      expect(ask(key, message, withS(signature, L)), bytesToHex(key)).toBe(true);
      expect(ask(key, message, withS(signature, 1n)), bytesToHex(key)).toBe(false);
    }
  });

  it('needs no cofactor and uses none: keys and R with a part of small order', () => {
    for (const [k, small] of SMALL_POINTS.entries()) {
      const secret = randomScalar();
      const key = encodePlain(add(multiplyBase(secret), small));
      const { message, signature } = forge(key, secret, small);
      expect(ask(key, message, signature), `part ${k}`).toBe(true);
      if (k === 0) continue;
      // R without its part: 8·R is what it should be, R is not.
      const nonce = randomScalar();
      const unsigned = concatBytes(encodePlain(multiplyBase(nonce)), new Uint8Array(32));
      const [other, h] = messageWhere(unsigned, key, (h) => !isIdentity(multiply(h % 8n, small)));
      const cofactored = withS(unsigned, (nonce + h * secret) % L);
      expect(ask(key, other, cofactored), `part ${k}, R without it`).toBe(false);
    }
  });

  it('takes a key with y ≥ p for the point with y − p, where there is one', () => {
    for (let k = 0n; k <= 18n; k++) {
      for (const sign of [0n, SIGN_BIT]) {
        const key = integerToBytes((P + k) | sign);
        const message = randomBytes(32);
        // Right where the challenge times the key is the identity.
        const signature = concatBytes(encodePlain(multiplyBase(k + 1n)), integerToBytes(k + 1n));
        const point = decodePlain(key);
        const fits =
          point !== undefined && isIdentity(multiply(challenge(signature, key, message), point));
        expect(ask(key, message, signature), `p + ${k}`).toBe(fits);
        if (k === 1n) expect(fits, 'the identity').toBe(true);
        if (k > 1n) expect(fits, 'no point, or one of large order').toBe(false);
      }
    }
  });

  it('refuses a non-canonical R whose point is the right one', () => {
    const identity = encodePlain(ZERO);
    for (const r of SMALL_ENCODINGS.filter(encodesIdentity)) {
      const signature = concatBytes(r, new Uint8Array(32));
      expect(ask(identity, randomBytes(32), signature), bytesToHex(r)).toBe(
        bytesToHex(r) === bytesToHex(identity),
      );
    }
  });

  it('says no to any other length, and does not throw', () => {
    const message = randomBytes(32);
    const { key, signature } = signedByNode(message);
    for (const length of [0, 31, 33, 64]) {
      expect(ask(resized(key, length), message, signature), `key of ${length}`).toBe(false);
    }
    for (const length of [0, 32, 63, 65, 128]) {
      expect(ask(key, message, resized(signature, length)), `signature of ${length}`).toBe(false);
    }
  });

  it('reads views into larger buffers, and leaves its arguments as they were', () => {
    const message = randomBytes(32);
    const { key, signature } = signedByNode(message);
    const shifted = withS(signature, bytesToInteger(signature.subarray(32)) + L);
    const all = concatBytes(Uint8Array.of(9, 9, 9), key, message, shifted, Uint8Array.of(9));
    const before = bytesToHex(all);
    expect(ask(all.subarray(3, 35), all.subarray(35, 67), all.subarray(67, 131))).toBe(true);
    expect(bytesToHex(all)).toBe(before);
  });

  it('tells keys apart that differ in one byte only, though it remembers the parsed ones', () => {
    const message = randomBytes(32);
    const { key, signature } = signedByNode(message);
    const reused = Uint8Array.from(key);
    for (let at = 0; at < 32; at++) {
      expect(verifySignature(reused, message, signature)).toBe(true);
      reused[at]! ^= 1;
      expect(verifySignature(reused, message, signature), `byte ${at}`).toBe(false);
      reused[at]! ^= 1;
    }
  });
});

describe('isUnusualEncoding', () => {
  it('holds for y ≥ p and for points of small order, with either sign', () => {
    for (const encoding of SMALL_ENCODINGS) {
      expect(isUnusualEncoding(encoding), bytesToHex(encoding)).toBe(true);
      expect(isUnusualEncoding(withBit(encoding, 255)), bytesToHex(encoding)).toBe(true);
    }
    for (let k = 0n; k <= 18n; k++) expect(isUnusualEncoding(integerToBytes(P + k))).toBe(true);
  });

  it('does not hold for any other', () => {
    for (const y of [2n, 3n, P - 2n, bytesToInteger(randomBytes(32)) % P]) {
      expect(isUnusualEncoding(integerToBytes(y)), `${y}`).toBe(false);
      expect(isUnusualEncoding(integerToBytes(y | SIGN_BIT)), `${y}`).toBe(false);
    }
  });
});

/** The answer all three give. */
function ask(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const plain = verifyPlain(key, message, signature);
  const shown = `key ${bytesToHex(key)} message ${bytesToHex(message)} signature ${bytesToHex(signature)}`;
  expect(verifySignatureSlow(key, message, signature), `slow: ${shown}`).toBe(plain);
  expect(verifySignature(key, message, signature), `fast: ${shown}`).toBe(plain);
  return plain;
}

/**
 * A signature for the key secret·B + small. R must hold −h·small where h depends on R itself: guess
 * that part, and try messages until the guess is right.
 */
function forge(
  key: Uint8Array,
  secret: bigint,
  small: AffinePoint,
): { message: Uint8Array; signature: Uint8Array } {
  const nonce = secret === 0n ? 0n : randomScalar();
  const guess = multiply(BigInt(pick(8)), small);
  const r = encodePlain(add(multiplyBase(nonce), guess));
  const unsigned = concatBytes(r, new Uint8Array(32));
  const [message, h] = messageWhere(unsigned, key, (h) =>
    isIdentity(add(guess, multiply(h % 8n, small))),
  );
  return { message, signature: withS(unsigned, (nonce + h * secret) % L) };
}

/** A message whose challenge is as wanted, and that challenge. */
function messageWhere(
  signature: Uint8Array,
  key: Uint8Array,
  wanted: (challenge: bigint) => boolean,
): [message: Uint8Array, challenge: bigint] {
  for (;;) {
    const message = randomBytes(32);
    const h = challenge(signature, key, message);
    if (wanted(h)) return [message, h];
  }
}

function isIdentity({ x, y }: AffinePoint): boolean {
  return x === ZERO.x && y === ZERO.y;
}

function encodesIdentity(encoding: Uint8Array): boolean {
  return isIdentity(decodePlain(encoding)!);
}

function signedByNode(message: Uint8Array): { key: Uint8Array; signature: Uint8Array } {
  const pkcs8 = concatBytes(
    hexToBytes('302e020100300506032b657004220420', 'head'),
    randomBytes(32),
  );
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const key = new Uint8Array(spki.subarray(-32));
  return { key, signature: new Uint8Array(sign(null, message, privateKey)) };
}

function withS(signature: Uint8Array, s: bigint): Uint8Array {
  return concatBytes(signature.subarray(0, 32), integerToBytes(s));
}

function withBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes.subarray(0, length));
  return out;
}

function randomScalar(): bigint {
  return bytesToInteger(randomBytes(32)) % L;
}

function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => pick(256));
}

function pick(below: number): number {
  return Math.floor(random() * below);
}
