import { describe, expect, it } from 'vitest';
import {
  decodeIndexEntry,
  decodeSpent,
  decodeTip,
  decodeUtxo,
  encodeIndexEntry,
  encodeSpent,
  encodeTip,
  encodeUtxo,
  type IndexEntry,
} from '../../src/store/records.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { idOf, sampleBlock } from './sample-chain.ts';

const HEIGHTS = [0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1];

describe('records', () => {
  it.each(HEIGHTS)('hold the height %i', (height) => {
    for (const coinbase of [false, true]) {
      expect(decodeUtxo(encodeUtxo({ height, coinbase }))).toEqual({ height, coinbase });
    }
    expect(decodeTip(encodeTip({ height, hash: idOf(1) }))).toEqual({ height, hash: idOf(1) });
    const spent = [
      { outputId: idOf(1), height, coinbase: true },
      { outputId: idOf(2), height: 7, coinbase: false },
    ];
    expect(decodeSpent(encodeSpent(spent))).toEqual(spent);
  });

  it('have a fixed form', () => {
    expect(bytesToHex(encodeUtxo({ height: 0x0102_0304_0506, coinbase: true }))).toBe(
      '000001020304050601',
    );
    expect(bytesToHex(encodeSpent([{ outputId: idOf(1), height: 2, coinbase: false }]))).toBe(
      `${bytesToHex(idOf(1))}000000000000000200`,
    );
  });

  it('refuse what no encoder makes', () => {
    const utxo = encodeUtxo({ height: 1, coinbase: true });
    for (const [what, position, byte] of [
      ['a flag of 2', 8, 2],
      ['a height of 2^53', 1, 0x20],
    ] as const) {
      const wrong = utxo.slice();
      wrong[position] = byte;
      expect(() => decodeUtxo(wrong), what).toThrow(InputError);
      expect(() => decodeSpent(new Uint8Array([...idOf(1), ...wrong])), what).toThrow(InputError);
    }
    expect(() => decodeSpent(new Uint8Array(42))).toThrow('a multiple of 41 bytes');
    expect(() => decodeTip(new Uint8Array(39))).toThrow('40 bytes');
  });
});

describe('index entries', () => {
  const { header, hash } = sampleBlock(undefined, 3);

  it('share the list of what has failed where nothing has', () => {
    const entryWith = (statusFail: readonly boolean[]): IndexEntry => {
      const transactionCount = statusFail.length;
      const entry = { hash, header, totalWork: 1n, statusFail, transactionCount, size: 1 };
      return decodeIndexEntry(hash, encodeIndexEntry(entry));
    };
    const good = entryWith([false, false, false]);
    expect(good.statusFail).toEqual([false, false, false]);
    expect(entryWith([false, false, false]).statusFail).toBe(good.statusFail);
    expect(entryWith([false, false]).statusFail).toEqual([false, false]);
    expect(entryWith([false, true, false]).statusFail).toEqual([false, true, false]);
    expect(entryWith([]).statusFail).toEqual([]);
  });

  function entryOf(count: number, totalWork = 1n): IndexEntry {
    const statusFail = Array.from({ length: count }, (_, i) => i % 3 === 1 || i % 7 === 0);
    return { hash, header, totalWork, statusFail, transactionCount: count, size: 2 ** 32 - 1 };
  }

  it.each([0, 1, 7, 8, 9, 16, 17, 1000])('hold the status of %i transactions', (count) => {
    const entry = entryOf(count);
    expect(decodeIndexEntry(hash, encodeIndexEntry(entry))).toEqual(entry);
  });

  it('have a fixed form', () => {
    const text = bytesToHex(encodeIndexEntry(entryOf(9, 0x0102n)));
    // Transactions 0, 1, 4, 7 have failed: 93, and of the second byte none.
    expect(text.slice(0, 26)).toBe('ffffffff0000000902010293' + '00');
  });

  it('refuse a header that is not that of their key', () => {
    const value = encodeIndexEntry(entryOf(1));
    expect(() => decodeIndexEntry(idOf(1), value)).toThrow('one with the hash of its key');
    for (let at = value.length - 5; at < value.length; at++) {
      const wrong = value.slice();
      wrong[at]! ^= 1;
      expect(() => decodeIndexEntry(hash, wrong), `byte ${at}`).toThrow(InputError);
    }
  });

  it('refuse to be cut short anywhere, or to go on', () => {
    const value = encodeIndexEntry(entryOf(20, 2n ** 80n));
    for (let length = 0; length < value.length; length++) {
      expect(() => decodeIndexEntry(hash, value.slice(0, length)), `${length}`).toThrow(InputError);
    }
    expect(() => decodeIndexEntry(hash, new Uint8Array([...value, 0]))).toThrow(InputError);
  });

  it('take no memory for a number of transactions that cannot be', () => {
    const value = encodeIndexEntry(entryOf(1));
    new DataView(value.buffer).setUint32(4, 2 ** 32 - 1);
    expect(() => decodeIndexEntry(hash, value)).toThrow('at least');
  });
});
