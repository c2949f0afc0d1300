import { describe, expect, it } from 'vitest';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { CHANGE_BYTES, WriteBuffer } from '../../src/store/write-buffer.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

describe('WriteBuffer', () => {
  it('shows the store with what waits, and counts what waits', () => {
    const random = seededRandom(11);
    const below = (n: number): number => Math.floor(random() * n);
    const kv = new MemoryKv();
    const buffer = new WriteBuffer(kv);
    const model = new Map<string, string>();
    let waiting = new Map<string, number>();
    for (let round = 0; round < 3000; round++) {
      const key = Uint8Array.of(1 + below(6), below(6)).subarray(0, 1 + below(2));
      const value = random() < 0.4 ? undefined : new Uint8Array(below(5)).fill(round);
      buffer.set(key, value);
      waiting.set(bytesToHex(key), CHANGE_BYTES + key.length + (value?.length ?? 0));
      if (value === undefined) model.delete(bytesToHex(key));
      else model.set(bytesToHex(key), bytesToHex(value));
      expect(buffer.pendingBytes).toBe([...waiting.values()].reduce((a, b) => a + b, 0));

      const asked = Uint8Array.of(1 + below(6), below(6));
      const got = buffer.get(asked);
      expect(got && bytesToHex(got)).toBe(model.get(bytesToHex(asked)));
      const [from, to] = [Uint8Array.of(below(7)), Uint8Array.of(below(8), below(6))];
      const ranged = [...buffer.range({ from, to })].map((entry) => entry.map(bytesToHex));
      const expected = [...model]
        .filter(([each]) => each >= bytesToHex(from) && each < bytesToHex(to))
        .sort(([a], [b]) => (a < b ? -1 : 1));
      expect(ranged).toEqual(expected);
      if (random() < 0.05) {
        buffer.flush();
        waiting = new Map();
        expect(buffer.pendingBytes).toBe(0);
      }
    }
  });

  it('counts what a change takes in memory, not the few bytes that it writes', () => {
    const buffer = new WriteBuffer(new MemoryKv());
    const before = process.memoryUsage();
    for (let i = 0; i < 20_000; i++) {
      const key = new Uint8Array(33);
      new DataView(key.buffer).setUint32(0, i);
      buffer.set(key, new Uint8Array(9));
    }
    const after = process.memoryUsage();
    const taken = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(buffer.pendingBytes).toBe(20_000 * (33 + 9 + CHANGE_BYTES));
    expect(buffer.pendingBytes).toBeGreaterThan(taken / 4);
  });

  it('forgets what waits when told to', () => {
    const kv = new MemoryKv();
    const buffer = new WriteBuffer(kv);
    buffer.set(Uint8Array.of(1), Uint8Array.of(1));
    buffer.flush();
    buffer.set(Uint8Array.of(1), undefined);
    buffer.set(Uint8Array.of(2), Uint8Array.of(2));
    buffer.discard();
    expect(buffer.pendingBytes).toBe(0);
    buffer.flush();
    expect(kv.get(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
    expect(kv.get(Uint8Array.of(2))).toBeUndefined();
  });

  it('writes nothing where nothing waits', () => {
    let writes = 0;
    const kv = new MemoryKv();
    const counting = new WriteBuffer({
      directory: '',
      readOnly: false,
      get: (key) => kv.get(key),
      range: (range) => kv.range(range),
      write: (changes) => {
        writes++;
        kv.write(changes);
      },
      close: () => kv.close(),
    });
    counting.flush();
    expect(writes).toBe(0);
    counting.set(Uint8Array.of(1), undefined);
    counting.flush();
    counting.flush();
    expect(writes).toBe(1);
  });
});
