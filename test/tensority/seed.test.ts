import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { extendSeed } from '../../src/tensority/seed.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { stages } from './vectors.ts';

function asBytes(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

describe('extendSeed', () => {
  it('makes the 128 bytes that bytomd makes', () => {
    for (const stage of stages()) {
      const words = extendSeed(hexToBytes(stage.seed, 'seed', 32));
      expect(words.length).toBe(32);
      expect(bytesToHex(asBytes(words)), stage.seed).toBe(stage.extended_seed);
    }
  });

  it('hashes the last part three times over, by another SHA-3', () => {
    const seed = Uint8Array.from({ length: 32 }, (_v, i) => 7 * i);
    const parts: Uint8Array[] = [seed];
    for (let i = 0; i < 3; i++) {
      parts.push(createHash('sha3-256').update(parts.at(-1)!).digest());
    }
    expect(bytesToHex(asBytes(extendSeed(seed)))).toBe(bytesToHex(concatBytes(...parts)));
  });

  it('reads a seed that is a view at an odd offset, and leaves it as it is', () => {
    const seed = hexToBytes(stages()[0]!.seed, 'seed', 32);
    const larger = new Uint8Array(40).fill(0xaa);
    larger.set(seed, 3);
    expect(extendSeed(larger.subarray(3, 35))).toEqual(extendSeed(seed));
    expect(larger.subarray(3, 35)).toEqual(seed);
  });

  it.each([0, 31, 33])('refuses a seed of %d bytes', (length) => {
    expect(() => extendSeed(new Uint8Array(length))).toThrow(
      new RangeError(`"seed" expected 32 bytes, got ${length}`),
    );
  });
});
