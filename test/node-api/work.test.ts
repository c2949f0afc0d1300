/** Whether work is news, and whether what was found on it came too late. */
import { describe, expect, it } from 'vitest';
import { isSameWork, isStaleText } from '../../src/node-api/work.ts';

const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const header = {
  version: 1,
  height: 7,
  previousBlockHash: bytes(1),
  timestamp: 1000,
  transactionsMerkleRoot: bytes(2),
  transactionStatusHash: bytes(3),
  nonce: 0n,
  bits: 5n,
};
const work = { header, seed: bytes(4) };

describe('isSameWork', () => {
  it('is all but the nonce and a little time, either way', () => {
    for (const [timestamp, isSame] of [
      [1059, true],
      [941, true],
      [1060, false],
      [940, false],
    ] as const) {
      const now = { ...work, header: { ...header, timestamp, nonce: 9n } };
      expect(isSameWork(work, now, 60_000), `${timestamp}`).toBe(isSame);
    }
  });

  it.each([
    ['version', 2],
    ['height', 8],
    ['previousBlockHash', bytes(9)],
    ['transactionsMerkleRoot', bytes(9)],
    ['transactionStatusHash', bytes(9)],
    ['bits', 6n],
  ])('is no other %s', (field, value) => {
    const now = { ...work, header: { ...header, [field]: value } };
    expect(isSameWork(work, now, Number.POSITIVE_INFINITY)).toBe(false);
  });

  it('is no other seed', () => {
    expect(isSameWork(work, { ...work, seed: bytes(9) }, 1000)).toBe(false);
  });
});

describe('isStaleText', () => {
  it('knows the words, also among others', () => {
    expect(isStaleText('pending mining block has been changed')).toBe(true);
    expect(isStaleText('BTM000: pending mining block has been changed (x)')).toBe(true);
    expect(isStaleText('invalid block')).toBe(false);
  });
});
