import { sha3_256 } from '@noble/hashes/sha3.js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bytesToHex } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { seededRandom } from '../support/random.ts';

describe('sha3', () => {
  it('is FIPS 202, not Keccak: the digests of the empty and the 3-byte message', () => {
    expect(bytesToHex(sha3(new Uint8Array()))).toBe(
      'a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a',
    );
    expect(bytesToHex(sha3(new TextEncoder().encode('abc')))).toBe(
      '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532',
    );
  });

  it('equals the portable one for every length over three blocks of its sponge', () => {
    const random = seededRandom(0x5a3);
    for (let length = 0; length <= 3 * 136 + 1; length++) {
      const data = Uint8Array.from({ length }, () => Math.floor(256 * random()));
      expect(sha3(data), `${length} bytes`).toEqual(sha3_256(data));
    }
  });

  it('hashes a view, not the buffer behind it, and gives a digest of its own', () => {
    const buffer = Uint8Array.from({ length: 64 }, (_, i) => i);
    const digest = sha3(buffer.subarray(8, 40));
    expect(digest).toEqual(sha3_256(buffer.slice(8, 40)));
    expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
    const kept = digest.slice();
    for (let i = 0; i < 1000; i++) sha3(buffer);
    expect(digest).toEqual(kept);
  });
});

describe('sha3 of a Node that', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.resetModules();
  });

  /** The module as it comes up beside such a crypto module. */
  async function loadedBeside(crypto: object): Promise<typeof sha3> {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(crypto);
    vi.resetModules();
    return (await import('../../src/util/sha3.ts')).sha3;
  }

  const refusal = new Error('Digest method not supported');
  it.each([
    ['has no one-shot hash', {}],
    [
      'has no SHA3',
      {
        hash: () => {
          throw refusal;
        },
      },
    ],
    ['gives something else', { hash: () => new Uint8Array(32) }],
    ['gives too little', { hash: () => new Uint8Array(31) }],
  ])('%s is the portable one', async (_name, crypto) => {
    const portable = await loadedBeside(crypto);
    for (const length of [0, 32, 1000]) {
      const data = new Uint8Array(length).fill(length);
      expect(bytesToHex(portable(data))).toBe(bytesToHex(sha3(data)));
    }
  });

  it('can, is its own', async () => {
    const { hash } = await import('node:crypto');
    const seen = vi.fn(hash);
    const native = await loadedBeside({ hash: seen });
    expect(bytesToHex(native(Uint8Array.of(1)))).toBe(bytesToHex(sha3_256(Uint8Array.of(1))));
    expect(seen).toHaveBeenLastCalledWith('sha3-256', Uint8Array.of(1), 'buffer');
  });
});
