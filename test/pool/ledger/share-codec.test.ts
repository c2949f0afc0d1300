import { describe, expect, it } from 'vitest';
import { decodeShare, encodeShare, shareKey } from '../../../pool/ledger/share-codec.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import { randomShare, sampleShare } from './sample-records.ts';

describe('a share in the log', () => {
  it('comes back as it was, whatever is in it', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 500; i++) {
      const share = randomShare(random);
      const bytes = encodeShare(share);
      expect(decodeShare(bytes), bytesToHex(bytes)).toEqual(share);
      expect(shareKey(bytes)).toEqual({ id: share.id, height: share.height, timeMs: share.timeMs });
    }
  });

  it('has the form of version 1', () => {
    const share = sampleShare(1, {
      id: new Uint8Array(32).fill(0xaa),
      powHash: new Uint8Array(32).fill(0xbb),
      height: 300,
      timeMs: 1,
      bits: 0x1234n,
      difficulty: 0x0102n,
      account: 'é',
      worker: '',
      isVerified: false,
      isLate: true,
      isBlock: true,
    });
    expect(bytesToHex(encodeShare(share))).toBe(
      `0106${'aa'.repeat(32)}ac02${'01'}3412000000000000${'bb'.repeat(32)}02020102c3a900`,
    );
  });

  it('keeps a name that is no text as near as UTF-8 can', () => {
    const share = sampleShare(1, { worker: 'a\ud800b' });
    expect(decodeShare(encodeShare(share)).worker).toBe('a\ufffdb');
  });

  it('is not made of what it cannot say', () => {
    for (const changes of [
      { height: -1 },
      { height: 1.5 },
      { timeMs: Number.NaN },
      { timeMs: 2 ** 53 },
      { bits: 1n << 64n },
      { difficulty: -1n },
      { id: new Uint8Array(31) },
      { powHash: new Uint8Array(33) },
    ]) {
      const [field] = Object.keys(changes);
      expect(() => encodeShare(sampleShare(1, changes)), field).toThrow(RangeError);
      expect(() => encodeShare(sampleShare(1, changes)), field).toThrow(`"${field}" expected`);
    }
  });

  it('is refused if it is cut, longer, or of another form', () => {
    const bytes = encodeShare(sampleShare(1, { difficulty: 0xeeddn }));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeShare(bytes.subarray(0, length)), `${length}`).toThrow(/^share\./);
    }
    const refused = (change: (bytes: Uint8Array) => void, rule: string): void => {
      const changed = bytes.slice();
      change(changed);
      expect(() => decodeShare(changed), rule).toThrow(rule);
    };
    expect(() => decodeShare(Uint8Array.of(...bytes, 0))).toThrow('nothing after the share');
    refused((b) => b.fill(2, 0, 1), 'share.version: expected 1 at byte 0, got 2');
    refused((b) => b.fill(8, 1, 2), 'share.flags: expected at most 7');
    refused((b) => b.fill(0xff, -1), 'share.worker: expected UTF-8');
    const top = bytes.indexOf(0xee);
    refused((b) => b.fill(0, top, top + 1), 'share.difficulty: expected no leading');
  });
});
