import { describe, expect, it } from 'vitest';
import { IdTable, idWords } from '../../../pool/ledger/id-table.ts';
import { seededRandom } from '../../support/random.ts';

function randomId(random: () => number): Uint8Array {
  return Uint8Array.from({ length: 32 }, () => Math.floor(random() * 256));
}

describe('a table of ids', () => {
  it('has what was added, once each, and nothing else', () => {
    const random = seededRandom(1);
    const table = new IdTable();
    const ids = Array.from({ length: 5000 }, () => idWords(randomId(random)));
    expect(ids.filter((id) => table.add(id)).length).toBe(5000);
    expect(ids.filter((id) => table.add(id)).length).toBe(0);
    expect(table.size).toBe(5000);
    expect(ids.every((id) => table.has(id))).toBe(true);
    const others = Array.from({ length: 5000 }, () => idWords(randomId(random)));
    expect(others.some((id) => table.has(id))).toBe(false);
  });

  it('tells ids apart by every one of their first 16 bytes, zeros among them', () => {
    const table = new IdTable();
    const zeros = new Uint8Array(32);
    const ids = [zeros, ...Array.from({ length: 16 }, (_, at) => zeros.with(at, 1))];
    for (const [i, id] of ids.entries()) {
      expect(table.has(idWords(id)), `${i}`).toBe(false);
      expect(table.add(idWords(id)), `${i}`).toBe(true);
      expect(table.has(idWords(id)), `${i}`).toBe(true);
    }
    expect(table.size).toBe(17);
    expect(() => idWords(new Uint8Array(15))).toThrow(RangeError);
  });

  it('reads ids where they stand in a larger buffer', () => {
    const table = new IdTable();
    const bytes = randomId(seededRandom(2));
    table.add(idWords(bytes.subarray(3, 19)));
    expect(table.has(idWords(bytes.slice(3, 19)))).toBe(true);
    expect(table.has(idWords(bytes.slice(0, 16)))).toBe(false);
  });
});
