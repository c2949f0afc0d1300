import { describe, expect, it } from 'vitest';
import { keyBytes, keyText, MAX_KEY_BYTES } from '../../src/store/kv.ts';
import {
  blockKey,
  describeKey,
  indexKey,
  mainKey,
  metaKey,
  outputIdOf,
  spentKey,
  UTXO_RANGE,
  utxoKey,
} from '../../src/store/layout.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { idOf } from './sample-chain.ts';

const id = idOf(1);
const hex = bytesToHex(id);

describe('the keys', () => {
  it.each([
    [metaKey('tip'), '6d746970', '"tip"'],
    [indexKey(id), `68${hex}`, `index entry ${hex}`],
    [blockKey(id), `62${hex}`, `block ${hex}`],
    [mainKey(258), '6e0000000000000102', 'main chain height 258'],
    [spentKey(id), `72${hex}`, `spent outputs of block ${hex}`],
    [utxoKey(id), `75${hex}`, `unspent output ${hex}`],
    [Uint8Array.of(0, 255), '00ff', 'key 00ff'],
    [Uint8Array.of(0x6e), '6e', 'main chain height 0'],
  ])('%o is %s, for people %s', (key, bytes, text) => {
    expect(bytesToHex(key)).toBe(bytes);
    expect(describeKey(key)).toBe(text);
  });

  it('sort by height', () => {
    const heights = [0, 1, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
    const texts = heights.map((height) => keyText(mainKey(height)));
    expect([...texts].sort()).toEqual(texts);
  });

  it('of unspent outputs are all in their range, and give the id back', () => {
    const [from, to] = [keyText(UTXO_RANGE.from), keyText(UTXO_RANGE.to)];
    for (const byte of [0, 255]) {
      const outputId = new Uint8Array(32).fill(byte);
      const key = utxoKey(outputId);
      expect(keyText(key) >= from && keyText(key) < to).toBe(true);
      expect(outputIdOf(key)).toEqual(outputId);
    }
  });

  it('as text are one character a byte, in the same order', () => {
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(keyText(every)).toHaveLength(256);
    expect(keyBytes(keyText(every))).toEqual(every);
    expect(keyText(every.subarray(3, 5)), 'a view').toBe('\u0003\u0004');
    expect(MAX_KEY_BYTES).toBeGreaterThan(utxoKey(id).length);
  });
});
