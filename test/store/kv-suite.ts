/** One suite for everything that says it is a key/value store. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Entry,
  type KeyRange,
  type KeyValueStore,
  MAX_KEY_BYTES,
} from '../../src/store/kv.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

/** `open` makes a new, empty store. */
export function describeKeyValueStore(name: string, open: () => KeyValueStore): void {
  describe(`${name} as a key/value store`, () => {
    let kv: KeyValueStore;
    beforeEach(() => {
      kv = open();
    });
    afterEach(async () => {
      await kv.close();
    });

    it('gives what was written, and undefined for what was not', () => {
      put(kv, { '01': 'aa', '0102': '', ff00: 'bbcc' });
      expect(get(kv, '01')).toBe('aa');
      expect(get(kv, '0102'), 'an empty value is a value').toBe('');
      expect(get(kv, 'ff00')).toBe('bbcc');
      for (const missing of ['00', '0100', '010203', 'ff']) {
        expect(get(kv, missing), missing).toBeUndefined();
      }
    });

    it('replaces, deletes, and does not mind deleting what is not there', () => {
      put(kv, { '01': 'aa', '02': 'bb' });
      put(kv, { '01': 'cc', '02': undefined, '03': undefined });
      expect(all(kv)).toEqual(['01=cc']);
    });

    it('lets the later change of a batch win', () => {
      const [key, other] = [hex('01'), hex('02')];
      kv.write([
        { key, value: hex('aa') },
        { key: other, value: undefined },
        { key, value: undefined },
        { key: other, value: hex('bb') },
        { key, value: hex('cc') },
        { key, value: hex('dd') },
      ]);
      expect(all(kv)).toEqual(['01=dd', '02=bb']);
      kv.write([
        { key, value: hex('ee') },
        { key, value: undefined },
      ]);
      expect(all(kv)).toEqual(['02=bb']);
    });

    it('orders keys as unsigned bytes, a prefix before what it begins', () => {
      const keys = ['00', '0000', '01', '7f', '7fff', '80', 'c3a9', 'e4', 'ff', 'ffff'];
      put(kv, Object.fromEntries([...keys].reverse().map((key) => [key, key])));
      expect(all(kv).map((entry) => entry.split('=')[0])).toEqual(keys);
    });

    it('includes the first key of a range and excludes its end, both ways', () => {
      put(kv, { '01': '', '02': '', '0200': '', '03': '', '04': '' });
      const between = (from: string, to: string, more: Partial<KeyRange> = {}): string[] =>
        entries(kv, { from: hex(from), to: hex(to), ...more }).map((e) => e.slice(0, -1));
      expect(between('02', '04')).toEqual(['02', '0200', '03']);
      expect(between('02', '04', { reverse: true })).toEqual(['03', '0200', '02']);
      expect(between('0100', '0300'), 'ends that are not there').toEqual(['02', '0200', '03']);
      expect(between('0100', '0300', { reverse: true })).toEqual(['03', '0200', '02']);
      expect(between('02', '04', { limit: 2 })).toEqual(['02', '0200']);
      expect(between('02', '04', { limit: 2, reverse: true })).toEqual(['03', '0200']);
      expect(between('02', '04', { limit: 0 })).toEqual([]);
      expect(between('02', '02')).toEqual([]);
      expect(between('04', '02'), 'from above to').toEqual([]);
      expect(between('04', '02', { reverse: true })).toEqual([]);
      expect(between('05', '06', { reverse: true })).toEqual([]);
    });

    it('keeps an iteration as it began, whatever is written meanwhile', () => {
      put(kv, { '01': 'aa', '02': 'bb', '03': 'cc' });
      const seen: string[] = [];
      for (const entry of kv.range(EVERYTHING)) {
        if (seen.length === 0) put(kv, { '01': '00', '02': undefined, '03': '00', '04': '00' });
        seen.push(show(entry));
      }
      expect(seen).toEqual(['01=aa', '02=bb', '03=cc']);
      expect(all(kv)).toEqual(['01=00', '03=00', '04=00']);
    });

    it('survives iterations that stop early or run side by side', () => {
      put(kv, { '01': 'aa', '02': 'bb', '03': 'cc' });
      for (let i = 0; i < 300; i++) for (const _ of kv.range(EVERYTHING)) break;
      const pairs: string[] = [];
      for (const a of kv.range(EVERYTHING)) {
        for (const b of kv.range({ ...EVERYTHING, reverse: true })) {
          pairs.push(`${bytesToHex(a[0])}${bytesToHex(b[0])}`);
        }
      }
      expect(pairs).toHaveLength(9);
      expect(new Set(pairs).size).toBe(9);
    });

    it('writes all of a batch or nothing', () => {
      put(kv, { '01': 'aa' });
      const changes = [
        { key: hex('01'), value: hex('bb') },
        { key: hex('02'), value: hex('bb') },
        { key: new Uint8Array(MAX_KEY_BYTES + 1), value: hex('bb') },
      ];
      expect(() => kv.write(changes)).toThrow(RangeError);
      expect(() =>
        kv.write(
          (function* () {
            yield changes[0]!;
            throw new Error('the source of the changes broke');
          })(),
        ),
      ).toThrow('the source of the changes broke');
      expect(all(kv)).toEqual(['01=aa']);
      put(kv, { '02': 'cc' });
      expect(all(kv), 'and goes on working').toEqual(['01=aa', '02=cc']);
    });

    it('takes keys of 1 … MAX_KEY_BYTES bytes and no others', () => {
      const longest = new Uint8Array(MAX_KEY_BYTES).fill(0xfe);
      kv.write([{ key: longest, value: hex('aa') }]);
      expect(kv.get(longest)).toEqual(hex('aa'));
      expect(all(kv)).toHaveLength(1);
      for (const key of [new Uint8Array(0), new Uint8Array(MAX_KEY_BYTES + 1)]) {
        expect(() => kv.write([{ key, value: hex('aa') }]), `${key.length}`).toThrow(RangeError);
        expect(() => kv.get(key), `${key.length}`).toThrow(RangeError);
        expect(() => [...kv.range({ from: key, to: longest })]).toThrow(RangeError);
      }
    });

    it('holds values of every size, and every value is a copy', () => {
      const random = seededRandom(7);
      const sizes = [1, 31, 255, 1000, 2000, 4096, 5000, 32_767, 32_769, 70_000, 3_000_000];
      const values = sizes.map((size) => Uint8Array.from({ length: size }, () => random() * 256));
      const key = (i: number): Uint8Array => Uint8Array.of(i + 1);
      const written = values.map((value) => value.slice());
      kv.write(written.map((value, i) => ({ key: key(i), value })));
      for (const value of written) value.fill(0);
      // All of them before any is looked at: a shared buffer would show the last one.
      const read = sizes.map((_, i) => kv.get(key(i)));
      const ranged = [...kv.range(EVERYTHING)].map(([, value]) => value);
      put(kv, { ff: 'aa' });
      for (const [i, value] of values.entries()) {
        for (const got of [read[i]!, ranged[i]!]) {
          expect(Object.getPrototypeOf(got), 'plain bytes').toBe(Uint8Array.prototype);
          expect(Buffer.compare(got, value), `${sizes[i]} bytes`).toBe(0);
        }
      }
    });

    it('takes values that are views of something larger', () => {
      const large = Uint8Array.from({ length: 1000 }, (_, i) => i);
      kv.write([{ key: large.subarray(3, 5), value: large.subarray(10, 13) }]);
      expect(all(kv)).toEqual(['0304=0a0b0c']);
    });

    it('does what a sorted map does, over 100,000 random operations', () => {
      const random = seededRandom(20_181);
      const below = (n: number): number => Math.floor(random() * n);
      const model = new Map<string, string>();
      // Few different keys, so that they are replaced, deleted and found again.
      const randomKey = (): string => {
        const length = 1 + below(3);
        return Array.from({ length }, () => ['00', '01', '7f', '80', 'ff'][below(5)]).join('');
      };
      for (let round = 0; round < 125; round++) {
        const batch = Array.from({ length: 600 }, (_, i) => {
          const deletes = random() < 0.4;
          return [randomKey(), deletes ? undefined : hexOf(round) + hexOf(i % 256)] as const;
        });
        kv.write(
          batch.map(([key, value]) => ({
            key: hex(key),
            value: value === undefined ? undefined : hex(value),
          })),
        );
        for (const [key, value] of batch) {
          if (value === undefined) model.delete(key);
          else model.set(key, value);
        }
        for (let i = 0; i < 160; i++) {
          const key = randomKey();
          expect(get(kv, key), key).toBe(model.get(key));
        }
        for (let i = 0; i < 40; i++) {
          const [from, to] = [randomKey(), randomKey()];
          const reverse = random() < 0.5;
          const limit = random() < 0.5 ? below(20) : undefined;
          const expected = [...model]
            .filter(([key]) => key >= from && key < to)
            .sort(([a], [b]) => (a < b === reverse ? 1 : -1))
            .slice(0, limit)
            .map(([key, value]) => `${key}=${value}`);
          const options = { reverse, ...(limit === undefined ? {} : { limit }) };
          expect(entries(kv, { from: hex(from), to: hex(to), ...options })).toEqual(expected);
        }
      }
    });

    it('closes twice, and then refuses everything', async () => {
      put(kv, { '01': 'aa' });
      await Promise.all([kv.close(), kv.close()]);
      expect(() => kv.get(hex('01'))).toThrow('closed');
      expect(() => put(kv, { '01': 'bb' })).toThrow('closed');
      expect(() => all(kv)).toThrow('closed');
    });
  });
}

/** Every key of the suite but those that begin with 510 bytes of ff. */
const EVERYTHING: KeyRange = {
  from: Uint8Array.of(0),
  to: new Uint8Array(MAX_KEY_BYTES).fill(255),
};

function hex(text: string): Uint8Array {
  return hexToBytes(text, 'test');
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function put(kv: KeyValueStore, values: Readonly<Record<string, string | undefined>>): void {
  kv.write(
    Object.entries(values).map(([key, value]) => ({
      key: hex(key),
      value: value === undefined ? undefined : hex(value),
    })),
  );
}

function get(kv: KeyValueStore, key: string): string | undefined {
  const value = kv.get(hex(key));
  return value === undefined ? undefined : bytesToHex(value);
}

function entries(kv: KeyValueStore, range: KeyRange): string[] {
  return [...kv.range(range)].map(show);
}

function all(kv: KeyValueStore): string[] {
  return entries(kv, EVERYTHING);
}

function show([key, value]: Entry): string {
  return `${bytesToHex(key)}=${bytesToHex(value)}`;
}
