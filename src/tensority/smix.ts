/**
 * scrypt's ROMix with N = 1024, r = 1 over a 128-byte state, where the scratchpad V itself is the
 * output. Words are unsigned 32-bit, little-endian in bytes. What may surprise: V is filled by
 * phase 1 only, and the state goes on from round to round.
 */

const ENTRIES = 1024;
const WORDS = 32;

export interface SmixState {
  /** X: 32 words. */
  readonly x: Uint32Array;
  /** V: 1024 entries of 32 words, overwritten by each round. */
  readonly v: Uint32Array;
}

export function createSmixState(extendedSeed: Uint32Array): SmixState {
  if (extendedSeed.length !== WORDS) {
    throw new RangeError(`"extendedSeed" expected ${WORDS} words, got ${extendedSeed.length}`);
  }
  return { x: extendedSeed.slice(), v: new Uint32Array(ENTRIES * WORDS) };
}

/** One round; returns `state.v`: 1024 entries of 128 bytes, even ones to one matrix, odd ones to the next. */
export function smixRound(state: SmixState): Uint32Array {
  const { x, v } = state;
  for (let i = 0; i < ENTRIES; i++) {
    v.set(x, i * WORDS);
    blockMix(x);
  }
  for (let i = 0; i < ENTRIES; i++) {
    const j = x[16]! % ENTRIES;
    for (let w = 0; w < WORDS; w++) x[w]! ^= v[j * WORDS + w]!;
    blockMix(x);
  }
  return v;
}

/** BlockMix for r = 1, in place: B0 = Salsa(B0 ⊕ B1), then B1 = Salsa(B1 ⊕ B0). */
export function blockMix(x: Uint32Array): void {
  for (let w = 0; w < 16; w++) x[w]! ^= x[16 + w]!;
  salsa20of8(x, 0);
  for (let w = 0; w < 16; w++) x[16 + w]! ^= x[w]!;
  salsa20of8(x, 16);
}

/** Salsa20/8 core, in place over the 16 words at `at`, with the final addition of the input. */
export function salsa20of8(x: Uint32Array, at: number): void {
  const s = x.slice(at, at + 16);
  for (let round = 0; round < 4; round++) {
    for (const [a, b, c, d] of COLUMN_ROUND) quarterRound(s, a, b, c, d);
    for (const [a, b, c, d] of ROW_ROUND) quarterRound(s, a, b, c, d);
  }
  for (let w = 0; w < 16; w++) x[at + w]! += s[w]!;
}

type Quarter = readonly [number, number, number, number];
const COLUMN_ROUND: readonly Quarter[] = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
];
const ROW_ROUND: readonly Quarter[] = [
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
];

function quarterRound(s: Uint32Array, a: number, b: number, c: number, d: number): void {
  s[b]! ^= rotl((s[a]! + s[d]!) | 0, 7);
  s[c]! ^= rotl((s[b]! + s[a]!) | 0, 9);
  s[d]! ^= rotl((s[c]! + s[b]!) | 0, 13);
  s[a]! ^= rotl((s[d]! + s[c]!) | 0, 18);
}

function rotl(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
