import { describe, expect, it } from 'vitest';
import { MATRIX_BYTES } from '../../../src/tensority/params.ts';
import { extendSeed } from '../../../src/tensority/seed.ts';
import { createSmixState, smixRound } from '../../../src/tensority/smix.ts';
import {
  emitSmix,
  SMIX_FORMS,
  type SmixExports,
  type SmixForm,
} from '../../../src/tensority/wasm/smix-kernel.ts';
import { hexToBytes } from '../../../src/util/bytes.ts';
import { sha3Hex, stages } from '../vectors.ts';

const PAGES = 12;
const STATE_AT = 64;
const TABLE_AT = 65_536;
const ROUND_BYTES = 2 * MATRIX_BYTES;

const SEEDS: readonly (readonly [name: string, seed: Uint8Array])[] = [
  ['zeros', new Uint8Array(32)],
  ['ones', new Uint8Array(32).fill(0xff)],
  ['counted', Uint8Array.from({ length: 32 }, (_v, i) => i)],
  ['a single bit', Uint8Array.from({ length: 32 }, (_v, i) => (i === 31 ? 0x80 : 0))],
];

/** The memory after some rounds; whatever smix may not write to is 0x5a before. */
function run(form: SmixForm, extendedSeed: Uint32Array, rounds: number): Uint8Array {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const bytes = new Uint8Array(memory.buffer).fill(0x5a);
  new Uint32Array(memory.buffer, STATE_AT, 32).set(extendedSeed);
  const module = new WebAssembly.Module(emitSmix(form, PAGES));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  (exports as unknown as SmixExports).smix(STATE_AT, TABLE_AT, rounds);
  return bytes;
}

/** Both matrices of every round, by the plain reference. */
function expectedTable(extendedSeed: Uint32Array, rounds: number): Uint8Array {
  const state = createSmixState(extendedSeed);
  const out = new Uint8Array(rounds * ROUND_BYTES);
  for (let round = 0; round < rounds; round++) {
    const entries = new Uint8Array(smixRound(state).slice().buffer);
    for (let entry = 0; entry < 1024; entry++) {
      const matrix = round * ROUND_BYTES + (entry % 2) * MATRIX_BYTES;
      const to = matrix + Math.floor(entry / 2) * 128;
      out.set(entries.subarray(entry * 128, entry * 128 + 128), to);
    }
  }
  return out;
}

describe.each(SMIX_FORMS)('the %s form of smix', (form) => {
  it('fills matrices as the reference does, one round and several', () => {
    for (const [name, seed] of SEEDS) {
      const words = extendSeed(seed);
      for (const rounds of [1, 3]) {
        const bytes = run(form, words, rounds);
        const table = bytes.subarray(TABLE_AT, TABLE_AT + rounds * ROUND_BYTES);
        const expected = sha3Hex(expectedTable(words, rounds));
        expect(sha3Hex(table), `${name}, ${rounds} rounds`).toBe(expected);
      }
    }
  });

  it("makes bytomd's matrices 0, 1 and 2", () => {
    for (const { seed, matrix_sha3 } of stages()) {
      const bytes = run(form, extendSeed(hexToBytes(seed, 'seed', 32)), 2);
      for (const index of [0, 1, 2]) {
        const at = TABLE_AT + index * MATRIX_BYTES;
        const matrix = bytes.subarray(at, at + MATRIX_BYTES);
        expect(sha3Hex(matrix), `matrix ${index} of ${seed}`).toBe(matrix_sha3[`${index}`]);
      }
    }
  });

  it('writes nowhere else, and leaves its start state as it is', () => {
    const words = extendSeed(SEEDS[2]![1]);
    const rounds = 2;
    const bytes = run(form, words, rounds);
    expect(new Uint32Array(bytes.buffer, STATE_AT, 32)).toEqual(words);
    const outside = [
      bytes.subarray(0, STATE_AT),
      bytes.subarray(STATE_AT + 128, TABLE_AT),
      bytes.subarray(TABLE_AT + rounds * ROUND_BYTES),
    ];
    for (const part of outside) expect(part.every((byte) => byte === 0x5a)).toBe(true);
  });
});
