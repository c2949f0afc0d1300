import { pbkdf2Sync, scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { extendSeed } from '../../src/tensority/seed.ts';
import { blockMix, createSmixState, salsa20of8, smixRound } from '../../src/tensority/smix.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { sha3Hex, stages } from './vectors.ts';

function asBytes(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function asWords(hex: string): Uint32Array {
  return new Uint32Array(hexToBytes(hex, 'words').buffer);
}

describe('smix', () => {
  it('fills the scratchpad as bytomd does, entry by entry and round by round', () => {
    for (const stage of stages()) {
      const state = createSmixState(extendSeed(hexToBytes(stage.seed, 'seed', 32)));
      for (let round = 0; round < 128; round++) {
        const v = smixRound(state);
        if (round === 0) {
          const entries = [v.subarray(0, 32), v.subarray(32, 64)].map((e) =>
            bytesToHex(asBytes(e)),
          );
          expect(entries, 'first entries').toEqual(stage.first_entries);
        }
        if (round === 0 || round === 1 || round === 127) {
          const context = `seed ${stage.seed}, round ${round}`;
          expect(sha3Hex(v), context).toBe(stage.scratchpad_sha3_of_round[`${round}`]);
          expect(bytesToHex(asBytes(state.x)), context).toBe(stage.x_after_round[`${round}`]);
        }
      }
    }
  });

  it("is scrypt's: one round between two PBKDF2 is what OpenSSL computes", () => {
    // scrypt(P, S, N = 1024, r = 1, p = 1) = PBKDF2(P, ROMix(PBKDF2(P, S, 1, 128)), 1, dkLen).
    const [password, salt] = ['tensority', 'salt'];
    const start = pbkdf2Sync(password, salt, 1, 128, 'sha256');
    const state = createSmixState(new Uint32Array(new Uint8Array(start).buffer));
    smixRound(state);
    const ours = pbkdf2Sync(password, asBytes(state.x), 1, 64, 'sha256');
    const theirs = scryptSync(password, salt, 64, { N: 1024, r: 1, p: 1 });
    expect(ours.toString('hex')).toBe(theirs.toString('hex'));
  });

  it('does not touch the extended seed that it starts from', () => {
    const extended = extendSeed(new Uint8Array(32));
    const before = extended.slice();
    smixRound(createSmixState(extended));
    expect(extended).toEqual(before);
  });

  it.each([16, 31, 33])('refuses a start of %d words', (length) => {
    expect(() => createSmixState(new Uint32Array(length))).toThrow(
      new RangeError(`"extendedSeed" expected 32 words, got ${length}`),
    );
  });
});

describe('salsa20of8', () => {
  // RFC 7914, section 8.
  const input =
    '7e879a214f3ec9867ca940e641718f26baee555b8c61c1b50df846116dcd3b1d' +
    'ee24f319df9b3d8514121e4b5ac5aa3276021d2909c74829edebc68db8b8c25e';
  const output =
    'a41f859c6608cc993b81cacb020cef05044b2181a2fd337dfd7b1c6396682f29' +
    'b4393168e3c9e6bcfe6bc5b7a06d96bae424cc102c91745c24ad673dc7618f81';

  it('maps the block of RFC 7914 to the one printed there, at either half', () => {
    for (const at of [0, 16]) {
      const x = new Uint32Array(32).fill(0x5a5a5a5a);
      x.set(asWords(input), at);
      salsa20of8(x, at);
      expect(bytesToHex(asBytes(x.subarray(at, at + 16)))).toBe(output);
      expect(x.subarray(16 - at, 32 - at), 'the other half').toEqual(
        new Uint32Array(16).fill(0x5a5a5a5a),
      );
    }
  });

  it('keeps zero', () => {
    const x = new Uint32Array(16);
    salsa20of8(x, 0);
    expect(x).toEqual(new Uint32Array(16));
  });
});

describe('blockMix', () => {
  it('maps the block of RFC 7914, section 9, to the one printed there', () => {
    const x = asWords(
      'f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad' +
        '89f68f4811d1e87bcc3bd7400a9ffd29094f0184639574f39ae5a1315217bcd7' +
        '894991447213bb226c25b54da86370fbcd984380374666bb8ffcb5bf40c254b0' +
        '67d27c51ce4ad5fed829c90b505a571b7f4d1cad6a523cda770e67bceaaf7e89',
    );
    blockMix(x);
    expect(bytesToHex(asBytes(x))).toBe(
      'a41f859c6608cc993b81cacb020cef05044b2181a2fd337dfd7b1c6396682f29' +
        'b4393168e3c9e6bcfe6bc5b7a06d96bae424cc102c91745c24ad673dc7618f81' +
        '20edc975323881a80540f64c162dcd3c21077cfe5f8d5fe2b1a4168f953678b7' +
        '7d3b3d803b60e4ab920996e59b4d53b65d2a225877d5edf5842cb9f14eefe425',
    );
  });
});
