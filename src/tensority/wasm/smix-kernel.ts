/**
 * smix as WebAssembly: rounds of ROMix that write the matrix table in place. The scratchpad V of a
 * round *is* two matrices of the table (even entries to one, odd entries to the next), so nothing
 * is copied.
 *
 * There are two forms. `scalar` holds the 32 words in locals and rotates in one instruction, but
 * 16 words of Salsa do not fit x86's registers. `vector` holds each half as its four diagonals and
 * runs four quarter-rounds at once, but a rotation is three instructions. Which one is faster
 * depends on the processor, so the builder times them.
 */
import { MATRIX_BYTES } from '../params.ts';
import {
  add,
  and,
  type Code,
  emitModule,
  extractFirst,
  forLoop,
  get,
  i32,
  type Locals,
  loadI32,
  loadV,
  rotl,
  seq,
  set,
  shift,
  shl,
  shrU,
  shuffle,
  shuffleWords,
  storeI32,
  storeV,
  vec,
  xor,
} from './emit.ts';

export type SmixForm = 'scalar' | 'vector';
export const SMIX_FORMS: readonly SmixForm[] = ['scalar', 'vector'];

export interface SmixExports {
  /**
   * Runs `rounds` rounds from the 128 bytes of state at `state` and fills 128 KiB at `table` with
   * each. The state is read once and not written back.
   */
  smix(state: number, table: number, rounds: number): void;
}

const ENTRIES = 1024;
const ENTRY_BYTES = 128;

export function emitSmix(form: SmixForm, maxPages: number): Uint8Array<ArrayBuffer> {
  return emitModule(
    [
      {
        name: 'smix',
        params: ['i32', 'i32', 'i32'],
        body: (locals) => {
          const [state, table, rounds] = [0, 1, 2];
          const round = locals.add('i32');
          const entry = locals.add('i32');
          const at = locals.add('i32');
          const block = form === 'scalar' ? scalarBlock(locals) : vectorBlock(locals);
          const entryAddress = (index: Code): Code =>
            add(
              add(get(table), shl(and(index, i32(1)), 16)),
              shl(shrU(index, 1), Math.log2(ENTRY_BYTES)),
            );
          const fill = seq(set(at, entryAddress(get(entry))), block.store(at), block.mix);
          const mix = seq(
            set(at, entryAddress(and(block.integerify, i32(ENTRIES - 1)))),
            block.xorFrom(at),
            block.mix,
          );
          return seq(
            block.load(state),
            forLoop(
              round,
              i32(0),
              get(rounds),
              1,
              seq(
                forLoop(entry, i32(0), i32(ENTRIES), 1, fill),
                forLoop(entry, i32(0), i32(ENTRIES), 1, mix),
                set(table, add(get(table), i32(2 * MATRIX_BYTES))),
              ),
            ),
          );
        },
      },
    ],
    maxPages,
  );
}

/** The 128-byte state X in locals, and what smix does with it. */
interface Block {
  /** X from the 128 bytes at the address in local `at`. */
  load(at: number): Code;
  store(at: number): Code;
  /** X ⊕= the 128 bytes at `at`. */
  xorFrom(at: number): Code;
  /** BlockMix for r = 1. */
  readonly mix: Code;
  /** X[16]. */
  readonly integerify: Code;
}

function scalarBlock(locals: Locals): Block {
  const x = locals.addMany('i32', 32);
  const s = locals.addMany('i32', 16);
  const step = (to: number, a: number, b: number, by: number): Code =>
    set(s[to]!, xor(get(s[to]!), rotl(add(get(s[a]!), get(s[b]!)), by)));
  const doubleRound = seq(
    ...QUARTER_ROUNDS.map(([a, b, c, d]) =>
      seq(step(b, a, d, 7), step(c, b, a, 9), step(d, c, b, 13), step(a, d, c, 18)),
    ),
  );
  const half = (to: number, other: number): Code =>
    seq(
      ...s.map((local, w) =>
        seq(set(x[to + w]!, xor(get(x[to + w]!), get(x[other + w]!))), set(local, get(x[to + w]!))),
      ),
      ...Array.from({ length: 4 }, () => doubleRound),
      ...s.map((local, w) => set(x[to + w]!, add(get(x[to + w]!), get(local)))),
    );
  return {
    load: (at) => seq(...x.map((word, w) => set(word, loadI32(get(at), 4 * w)))),
    store: (at) => seq(...x.map((word, w) => storeI32(get(at), get(word), 4 * w))),
    xorFrom: (at) => seq(...x.map((word, w) => set(word, xor(get(word), loadI32(get(at), 4 * w))))),
    mix: seq(half(0, 16), half(16, 0)),
    integerify: get(x[16]!),
  };
}

const QUARTER_ROUNDS: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
];

/**
 * Each half of X as its diagonals: lane i of diagonal k is word i of row (k + i) mod 4. Then the
 * four quarter-rounds of a column round are the same operations on whole vectors, and so are those
 * of a row round once three of the diagonals are rotated by lanes.
 */
function vectorBlock(locals: Locals): Block {
  const x = locals.addMany('v128', 8);
  const s = locals.addMany('v128', 4);
  const rows = locals.addMany('v128', 4);
  const t = locals.add('v128');
  const [a, b, c, d] = s as [number, number, number, number];
  const step = (to: number, p: number, q: number, by: number): Code =>
    seq(
      set(t, vec('i32x4.add', get(p), get(q))),
      set(
        to,
        vec(
          'v128.xor',
          vec('v128.xor', get(to), shift('i32x4.shl', get(t), by)),
          shift('i32x4.shr_u', get(t), 32 - by),
        ),
      ),
    );
  const turn = (v: number, by: number): Code =>
    set(v, shuffleWords(v, v, [by, (by + 1) % 4, (by + 2) % 4, (by + 3) % 4]));
  const doubleRound = seq(
    ...[step(b, a, d, 7), step(c, b, a, 9), step(d, c, b, 13), step(a, d, c, 18)],
    ...[turn(b, 3), turn(c, 2), turn(d, 1)],
    ...[step(d, a, b, 7), step(c, d, a, 9), step(b, c, d, 13), step(a, b, c, 18)],
    ...[turn(b, 1), turn(c, 2), turn(d, 3)],
  );
  const half = (to: number, other: number): Code =>
    seq(
      ...s.map((local, w) =>
        seq(
          set(x[to + w]!, vec('v128.xor', get(x[to + w]!), get(x[other + w]!))),
          set(local, get(x[to + w]!)),
        ),
      ),
      ...Array.from({ length: 4 }, () => doubleRound),
      ...s.map((local, w) => set(x[to + w]!, vec('i32x4.add', get(x[to + w]!), get(local)))),
    );
  /** Lane i from vector pick(i) of four. */
  const blend = (from: readonly number[], pick: (lane: number) => number): Code => {
    const even = [0, 1, 2, 3, 20, 21, 22, 23, 8, 9, 10, 11, 28, 29, 30, 31];
    const halves = [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31];
    const v = (lane: number): Code => get(from[pick(lane)]!);
    return shuffle(shuffle(v(0), v(1), even), shuffle(v(2), v(3), even), halves);
  };
  const read = (at: number, use: (index: number, diagonal: Code) => Code): Code =>
    seq(
      ...[0, 4].map((first) =>
        seq(
          ...rows.map((row, r) => set(row, loadV('v128', get(at), 16 * (first + r)))),
          ...rows.map((_row, k) =>
            use(
              first + k,
              blend(rows, (lane) => (k + lane) % 4),
            ),
          ),
        ),
      ),
    );
  return {
    load: (at) => read(at, (index, diagonal) => set(x[index]!, diagonal)),
    xorFrom: (at) =>
      read(at, (index, diagonal) => set(x[index]!, vec('v128.xor', get(x[index]!), diagonal))),
    store: (at) =>
      seq(
        ...x.map((_v, index) => {
          const diagonals = x.slice(index & 4, (index & 4) + 4);
          const row = blend(diagonals, (lane) => (index - lane) & 3);
          return storeV(get(at), row, 16 * index);
        }),
      ),
    mix: seq(half(0, 4), half(4, 0)),
    integerify: extractFirst(x[4]!),
  };
}
