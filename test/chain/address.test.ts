import { bech32, bech32m } from '@scure/base';
import { describe, expect, it } from 'vitest';
import {
  decodeAddress,
  encodeAddress,
  p2wpkhProgram,
  p2wshProgram,
  programHash,
} from '../../src/chain/address.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { seededRandom } from '../support/random.ts';
import { bytesOf, load } from './vectors.ts';

interface AddressVector {
  readonly address_mainnet: string;
  readonly address_wisdom: string;
  readonly address_solonet: string;
  readonly control_program: string;
}

interface DecodeVector {
  readonly address: string;
  readonly hash?: string;
  readonly error?: string;
}

const file = load('keys_addresses.json') as {
  readonly addresses: readonly (AddressVector & { readonly program_hash: string })[];
  readonly chainkd: readonly {
    readonly derived: readonly (AddressVector & { readonly pubkey_hash: string })[];
  }[];
  readonly decode_on_mainnet: readonly DecodeVector[];
};
const vectors = [
  ...file.addresses.map((v) => ({ ...v, hash: v.program_hash })),
  ...file.chainkd.flatMap(({ derived }) => derived.map((v) => ({ ...v, hash: v.pubkey_hash }))),
];
const NETWORKS = [
  ['bm', 'address_mainnet'],
  ['tm', 'address_wisdom'],
  ['sm', 'address_solonet'],
] as const;
const GOOD = vectors[0]!.address_mainnet;

/** An address-like text with any version and data. */
function compose(version: number | undefined, data: Uint8Array, coder = bech32): string {
  const words = coder.toWords(data);
  return coder.encode('bm', version === undefined ? words : [version, ...words]);
}

describe('published addresses', () => {
  it('encode and decode on every network', () => {
    expect(vectors.length).toBe(8 + 36);
    for (const v of vectors) {
      const program = bytesOf(v.control_program);
      for (const [prefix, field] of NETWORKS) {
        expect(encodeAddress(prefix, program)).toBe(v[field]);
        expect(bytesToHex(decodeAddress(v[field], prefix)), v[field]).toBe(v.control_program);
        expect(decodeAddress(v[field].toUpperCase(), prefix), v[field]).toEqual(program);
      }
    }
  });

  it('have programs made of their hashes', () => {
    for (const v of vectors) {
      const hash = bytesOf(v.hash);
      const program = hash.length === 20 ? p2wpkhProgram(hash) : p2wshProgram(hash);
      expect(bytesToHex(program)).toBe(v.control_program);
      expect(programHash(program)).toEqual(hash);
    }
  });

  it('are accepted and refused as by the reference node', () => {
    expect(file.decode_on_mainnet.length).toBe(9);
    for (const v of file.decode_on_mainnet) {
      if (v.hash === undefined) {
        expect(() => decodeAddress(v.address, 'bm'), v.address).toThrow(InputError);
      } else {
        expect(bytesToHex(decodeAddress(v.address, 'bm')), v.address).toBe(`0014${v.hash}`);
      }
    }
  });
});

describe('an address is refused', () => {
  const refused = (text: string, message: string): void => {
    expect(() => decodeAddress(text, 'bm'), text).toThrow(InputError);
    expect(() => decodeAddress(text, 'bm'), text).toThrow(message);
  };

  it('on another network, naming both', () => {
    refused(
      vectors[0]!.address_wisdom,
      'address: expected an address of the network with prefix "bm", got one with prefix "tm"',
    );
    refused(vectors[0]!.address_solonet.toUpperCase(), 'got one with prefix "sm"');
    refused('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'got one with prefix "bc"');
    refused(`b${GOOD}`, 'got one with prefix "bbm"');
  });

  it('in letters of both cases', () => {
    refused(GOOD.replace('q', 'Q'), 'expected letters of one case');
    refused(GOOD.replace('bm', 'BM'), 'expected letters of one case');
  });

  it('without a prefix, without data, or longer than bech32 may be', () => {
    for (const text of ['', 'bm', '1', '1qqqqqqqq']) refused(text, 'expected an address, bm1…');
    refused('bm1', 'whose last six characters are its checksum');
    refused('bm1qqqqq', 'whose last six characters are its checksum');
    refused(`bm1${'q'.repeat(88)}`, 'expected at most 90 characters, got 91');
  });

  it('with characters that bech32 does not have, named with their positions', () => {
    for (const letter of ['b', 'i', 'o', '!', '=']) {
      const text = GOOD.slice(0, 7) + letter + GOOD.slice(8);
      refused(text, `expected letters and digits of bech32, got "${letter}" at position 7`);
    }
    refused(`${GOOD} `, `got " " at position ${GOOD.length}`);
    refused(` ${GOOD}`, 'at position 0');
    // Lower-cased, a Kelvin sign is a plain k.
    refused(`BM1QK${'\u212a'}`, 'got "\u212a" at position 5');
    refused('bm1q😀', 'got "😀" at position 4');
  });

  it('with any one character exchanged, and any two neighbours', () => {
    const random = seededRandom(5);
    for (let i = 3; i < GOOD.length; i++) {
      const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.replace(GOOD[i]!, '');
      const letter = letters[Math.floor(random() * letters.length)]!;
      refused(GOOD.slice(0, i) + letter + GOOD.slice(i + 1), 'its checksum');
      if (i + 1 === GOOD.length || GOOD[i] === GOOD[i + 1]) continue;
      refused(GOOD.slice(0, i) + GOOD[i + 1] + GOOD[i] + GOOD.slice(i + 2), 'its checksum');
    }
    for (let end = 3; end < GOOD.length; end++) refused(GOOD.slice(0, end), 'its checksum');
  });

  it('with the checksum of bech32m', () => {
    refused(compose(0, new Uint8Array(20), bech32m), 'its checksum');
  });

  it('of another witness version, or of none', () => {
    refused(compose(1, new Uint8Array(32)), 'expected witness version 0, got 1');
    refused(compose(31, new Uint8Array(20)), 'expected witness version 0, got 31');
    refused(compose(undefined, new Uint8Array(0)), 'expected witness version 0, got none');
  });

  it('of a hash of another length', () => {
    for (const length of [0, 1, 19, 21, 31, 33, 40]) {
      refused(
        compose(0, new Uint8Array(length)),
        `expected a hash of 20 or 32 bytes, got ${length} bytes`,
      );
    }
  });

  it('with data that is no whole number of bytes', () => {
    const words = bech32.toWords(new Uint8Array(32));
    refused(
      bech32.encode('bm', [0, ...bech32.toWords(new Uint8Array(20)), 0]),
      'whole bytes, filled up with zero bits',
    );
    refused(
      bech32.encode('bm', [0, ...words.with(-1, 1)]),
      'whole bytes, filled up with zero bits',
    );
  });

  it('in an error that names the field and does not repeat a long text', () => {
    expect(() => decodeAddress('x', 'bm', 'payTo')).toThrow(
      'payTo: expected an address, bm1…, got "x"',
    );
    const long = `bm1q${'q'.repeat(1_000_000)}`;
    expect(() => decodeAddress(long, 'bm')).toThrow('got 1000004');
  });
});

describe('programs without an address', () => {
  it('have no hash, and cannot be encoded', () => {
    const hash = new Uint8Array(20);
    const good = p2wpkhProgram(hash);
    const others = [
      new Uint8Array(0),
      Uint8Array.of(0),
      Uint8Array.of(0x51),
      good.with(0, 0x51),
      good.with(1, 0x20),
      good.subarray(0, 21),
      Uint8Array.of(...good, 0),
      p2wshProgram(new Uint8Array(32)).with(1, 0x14),
      Uint8Array.of(0, 0),
    ];
    for (const program of others) {
      expect(programHash(program), bytesToHex(program)).toBeUndefined();
      expect(() => encodeAddress('bm', program)).toThrow(
        `"program" expected 00 14 and 20 bytes or 00 20 and 32 bytes, got ${program.length} bytes`,
      );
    }
  });

  it('come of hashes of the wrong length', () => {
    expect(() => p2wpkhProgram(new Uint8Array(32))).toThrow('"hash" expected 20 bytes, got 32');
    expect(() => p2wshProgram(new Uint8Array(20))).toThrow('"hash" expected 32 bytes, got 20');
  });
});
