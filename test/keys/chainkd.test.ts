import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import {
  accountPath,
  childXprv,
  childXpub,
  deriveXprv,
  deriveXpub,
  hardenedChildXprv,
  publicKeyHash,
  rootXprv,
  sign,
  signingPublicKey,
  xprvToXpub,
} from '../../src/keys/chainkd.ts';
import { verifySignature } from '../../src/keys/ed25519.ts';
import { mnemonicToSeed } from '../../src/keys/mnemonic.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { load } from '../chain/vectors.ts';
import { seededRandom } from '../support/random.ts';

interface DerivedVector {
  readonly account: number;
  readonly change: 0 | 1;
  readonly index: number;
  readonly child_xprv: string;
  readonly child_xpub: string;
  readonly pubkey: string;
  readonly pubkey_hash: string;
  readonly signature_of_sha3_sign_me: string;
}

interface KeyVector {
  readonly mnemonic: string;
  readonly seed: string;
  readonly root_xprv: string;
  readonly root_xpub: string;
  readonly hardened_child_of_selector_ascii_hardened: string;
  readonly derived: readonly DerivedVector[];
}

const vectors = (load('keys_addresses.json') as { chainkd: readonly KeyVector[] }).chainkd;
const random = seededRandom(15);

describe('the keys of the reference', () => {
  for (const v of vectors) {
    const root = hexToBytes(v.root_xprv, 'root_xprv');
    const rootXpub = hexToBytes(v.root_xpub, 'root_xpub');

    it(`grow from the phrase "${v.mnemonic.slice(0, 12)}…"`, () => {
      const seed = mnemonicToSeed(v.mnemonic);
      expect(bytesToHex(seed)).toBe(v.seed);
      expect(bytesToHex(rootXprv(seed))).toBe(v.root_xprv);
      expect(bytesToHex(xprvToXpub(root))).toBe(v.root_xpub);
      expect(bytesToHex(hardenedChildXprv(root, ascii('hardened')))).toBe(
        v.hardened_child_of_selector_ascii_hardened,
      );
    });

    it(`have the same children, by the private and by the public way, and sign the same: ${v.root_xpub.slice(0, 8)}`, () => {
      expect(v.derived.length).toBeGreaterThan(0);
      for (const d of v.derived) {
        const path = accountPath(d.account, d.change, d.index);
        const at = `account ${d.account}, change ${d.change}, index ${d.index}`;
        const xprv = deriveXprv(root, path);
        const xpub = deriveXpub(rootXpub, path);
        expect(bytesToHex(xprv), at).toBe(d.child_xprv);
        expect(bytesToHex(xprvToXpub(xprv)), at).toBe(d.child_xpub);
        expect(bytesToHex(xpub), at).toBe(d.child_xpub);
        const publicKey = signingPublicKey(xpub);
        expect(bytesToHex(publicKey), at).toBe(d.pubkey);
        expect(bytesToHex(publicKeyHash(publicKey)), at).toBe(d.pubkey_hash);
        const message = sha3(ascii('sign me'));
        const signature = sign(xprv, message);
        expect(bytesToHex(signature), at).toBe(d.signature_of_sha3_sign_me);
        expect(verifySignature(publicKey, message, signature), at).toBe(true);
      }
    });
  }
});

describe('childXpub', () => {
  it('derives the xpub of childXprv, for any selector and many levels down', () => {
    let xprv = rootXprv(randomBytes(64));
    let xpub = xprvToXpub(xprv);
    for (let level = 0; level < 20; level++) {
      const selector = randomBytes(level);
      xprv = childXprv(xprv, selector);
      xpub = childXpub(xpub, selector);
      expect(bytesToHex(xpub), `level ${level}`).toBe(bytesToHex(xprvToXpub(xprv)));
    }
  });

  it('refuses an xpub that is no point', () => {
    const xpub = new Uint8Array(64);
    xpub[0] = 2;
    expect(() => childXpub(xpub, ascii('a'))).toThrow('"xpub" expected a point of the curve');
  });
});

describe('hardenedChildXprv', () => {
  it('differs from the non-hardened child, and from that of another selector', () => {
    const root = rootXprv(randomBytes(64));
    const keys = [
      hardenedChildXprv(root, ascii('a')),
      hardenedChildXprv(root, ascii('b')),
      childXprv(root, ascii('a')),
    ];
    expect(new Set(keys.map(bytesToHex)).size).toBe(3);
  });

  it('makes a key like a root: a multiple of 8, bit 254 set, bits 253 and 255 clear', () => {
    const root = rootXprv(randomBytes(64));
    for (let i = 0; i < 20; i++) {
      const child = hardenedChildXprv(root, Uint8Array.of(i));
      expect(child[0]! & 7).toBe(0);
      expect(child[31]! >> 5).toBe(2);
    }
  });
});

describe('sign', () => {
  it('makes signatures that strict verifiers take, the same ones every time', () => {
    for (let i = 0; i < 12; i++) {
      const xprv = childXprv(rootXprv(randomBytes(64)), randomBytes(4));
      const message = randomBytes(i * 7);
      const signature = sign(xprv, message);
      const key = signingPublicKey(xprvToXpub(xprv));
      expect(bytesToHex(sign(xprv, message))).toBe(bytesToHex(signature));
      expect(ed25519.verify(signature, message, key, { zip215: false }), `${i}`).toBe(true);
      expect(verifySignature(key, message, signature), `${i}`).toBe(true);
      expect(verifySignature(key, Uint8Array.of(...message, 0), signature), `${i}`).toBe(false);
    }
  });

  it('never takes the same R for two messages', () => {
    const xprv = rootXprv(randomBytes(64));
    const first = [1, 2, 3].map((n) => bytesToHex(sign(xprv, Uint8Array.of(n)).subarray(0, 32)));
    expect(new Set(first).size).toBe(3);
  });
});

describe('arguments', () => {
  const good = rootXprv(randomBytes(64));

  it('are left as they were', () => {
    const before = bytesToHex(good);
    sign(good, randomBytes(32));
    childXprv(good, ascii('a'));
    hardenedChildXprv(good, ascii('a'));
    xprvToXpub(good);
    expect(bytesToHex(good)).toBe(before);
  });

  it('of another length are refused by name', () => {
    for (const length of [0, 32, 63, 65]) {
      const key = new Uint8Array(length);
      const expected = `"xprv" expected 64 bytes, got ${length}`;
      expect(() => xprvToXpub(key)).toThrow(expected);
      expect(() => childXprv(key, ascii('a'))).toThrow(expected);
      expect(() => hardenedChildXprv(key, ascii('a'))).toThrow(expected);
      expect(() => sign(key, ascii('a'))).toThrow(expected);
      expect(() => childXpub(key, ascii('a'))).toThrow(`"xpub" expected 64 bytes, got ${length}`);
      expect(() => signingPublicKey(key)).toThrow(`"xpub" expected 64 bytes, got ${length}`);
    }
    expect(() => publicKeyHash(new Uint8Array(33))).toThrow(
      '"publicKey" expected 32 bytes, got 33',
    );
  });

  it('that no tree holds are refused: a scalar of zero, and one without room for a child', () => {
    expect(() => sign(new Uint8Array(64), ascii('a'))).toThrow('multiple of the order');
    expect(() => childXprv(new Uint8Array(64).fill(255), ascii('a'))).toThrow('room for children');
  });
});

describe('accountPath', () => {
  it('is 44, 153, account, change, index, 4 bytes little-endian each', () => {
    const path = accountPath(1, 0, 0x01020304).map(bytesToHex);
    expect(path).toEqual(['2c000000', '99000000', '01000000', '00000000', '04030201']);
  });

  it('refuses what 32 bits do not hold', () => {
    for (const bad of [-1, 2 ** 32, 1.5, Number.NaN]) {
      expect(() => accountPath(bad, 0, 1)).toThrow('"account" expected a whole number of 32 bits');
      expect(() => accountPath(1, 0, bad)).toThrow('"index" expected a whole number of 32 bits');
    }
  });
});

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}
