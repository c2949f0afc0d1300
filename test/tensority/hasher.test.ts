import { describe, expect, it } from 'vitest';
import { checkBatch, checkTable, HasherError } from '../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';

const seed = new Uint8Array(32);

describe('checkBatch', () => {
  it('counts the inputs, from one to the most that fit', () => {
    for (const n of [1, 2, 5]) {
      expect(checkBatch(5, seed, new Uint8Array(32 * n), new Uint8Array(32 * n))).toBe(n);
    }
  });

  it.each([
    [31, 32, 32, '"seed" expected 32 bytes, got 31'],
    [32, 0, 0, '"headerHashes" expected 32 bytes for each of 1 … 5 inputs, got 0 bytes'],
    [32, 33, 33, '"headerHashes" expected 32 bytes for each of 1 … 5 inputs, got 33 bytes'],
    [32, 192, 192, '"headerHashes" expected 32 bytes for each of 1 … 5 inputs, got 192 bytes'],
    [32, 64, 32, '"out" expected 64 bytes, got 32'],
    [32, 64, 96, '"out" expected 64 bytes, got 96'],
  ])('refuses a seed of %d, inputs of %d and an output of %d bytes', (s, i, o, message) => {
    expect(() => checkBatch(5, new Uint8Array(s), new Uint8Array(i), new Uint8Array(o))).toThrow(
      new RangeError(message),
    );
  });
});

describe('checkTable', () => {
  it('takes 16 MiB under a seed of 32 bytes, and nothing else', () => {
    const table = { seed, data: new Int8Array(TABLE_BYTES) };
    expect(() => checkTable(seed, table)).not.toThrow();
    expect(() => checkTable(new Uint8Array(33), table)).toThrow(
      new RangeError('"seed" expected 32 bytes, got 33'),
    );
    expect(() => checkTable(seed, { seed, data: new Int8Array(TABLE_BYTES - 1) })).toThrow(
      new RangeError('"table" expected 16777216 bytes, got 16777215'),
    );
  });
});

describe('HasherError', () => {
  it('writes its message from its detail', () => {
    const lost = new HasherError({ code: 'lost', reason: 'unplugged' });
    expect([lost.name, lost.message]).toEqual(['HasherError', 'hasher lost: unplugged']);
    const missing = new HasherError({ code: 'seed-not-loaded', seed: 'ab' });
    expect(missing.message).toBe('seed ab is not loaded');
  });
});
