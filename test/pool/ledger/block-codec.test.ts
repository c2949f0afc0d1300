import { describe, expect, it } from 'vitest';
import { decodeBlockEvent, encodeBlockEvent } from '../../../pool/ledger/block-codec.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import { randomBlockEvent } from './sample-records.ts';

describe('what happened to a block, in the log', () => {
  it('comes back as it was, whatever is in it', () => {
    const random = seededRandom(2);
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const event = randomBlockEvent(random);
      seen.add(event.event);
      expect(decodeBlockEvent(encodeBlockEvent(event)), event.event).toEqual(event);
    }
    expect(seen.size).toBe(7);
  });

  it('has the form of version 1', () => {
    const hash = new Uint8Array(32).fill(0xcc);
    const lost = encodeBlockEvent({ event: 'lost', hash, timeMs: 128, detail: 'no' });
    expect(bytesToHex(lost)).toBe(`0106${'cc'.repeat(32)}8001026e6f`);
    const found = encodeBlockEvent({
      event: 'found',
      hash,
      timeMs: 1,
      height: 2,
      header: Uint8Array.of(3),
      rawBlock: new Uint8Array(0),
      node: 'n',
      account: 'a',
      worker: 'w',
    });
    expect(bytesToHex(found)).toBe(`0100${'cc'.repeat(32)}0102010300016e01610177`);
  });

  it('is refused if it is cut, longer, or unknown', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 5; i++) {
      const bytes = encodeBlockEvent(randomBlockEvent(random)).slice();
      for (let length = 0; length < bytes.length; length += 1 + Math.floor(random() * 9)) {
        expect(() => decodeBlockEvent(bytes.subarray(0, length)), `${length}`).toThrow(/^block\./);
      }
      expect(() => decodeBlockEvent(Uint8Array.of(...bytes, 0))).toThrow('nothing after');
      bytes[1] = 7;
      expect(() => decodeBlockEvent(bytes)).toThrow('block.event: expected less than 7');
    }
  });
});
