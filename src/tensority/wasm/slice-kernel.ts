/**
 * The kernels around the product: packing a matrix, the first step of a slice, the sum of the
 * slices, a whole slice, and the register-only loop that gives a tier's peak. Together with the
 * product they are one module; its exports are `KernelExports`.
 */
import { DIM, SEQUENCE_LENGTH, STEPS } from '../params.ts';
import {
  add,
  and,
  type Code,
  call,
  emitModule,
  extractFirst,
  type FunctionSpec,
  forLoop,
  get,
  i32,
  loadU8,
  loadV,
  mul,
  seq,
  set,
  shift,
  shl,
  shuffle,
  shuffleWords,
  splat8,
  storeI32,
  storeV,
  vec,
} from './emit.ts';
import {
  CORRECTION_BYTES,
  CORRECTIONS_OFFSET,
  PANEL_COLUMNS,
  QUAD_BLOCK_BYTES,
  QUADS,
} from './memory-map.ts';
import {
  type KernelShape,
  loadM,
  loadX,
  splitsSigns,
  storeM,
  storeX,
  xLayout,
} from './operands.ts';
import { productFunction } from './product-kernel.ts';

/** Addresses are byte offsets into the imported memory. */
export interface KernelExports {
  /** Packs a raw row-major matrix into quads and writes the start of each column's sums as i32. */
  pack(raw: number, packed: number, corrections: number): void;
  /** X of the first step: fold(Mᵀ). It is no product, but no copy either: fold(−1) is −2. */
  first(packed: number, out: number): void;
  product(packed: number, corrections: number, x: number, out: number, scratch: number): void;
  /** Adds X to the 65,536 bytes at `sum`, modulo 256. */
  accumulate(x: number, sum: number): void;
  /** All 64 steps of the sequence of 32 matrix names, added to `sum`. */
  slice(sequence: number, slot: number, x0: number, x1: number, scratch: number, sum: number): void;
  /** Runs the tier's dot product on registers only; see `peakMacs`. */
  peak(turns: number, scratch: number): void;
}

const PRODUCT = 0;
const FIRST = 2;
const ACCUMULATE = 3;

/** The bytes of the module of a tier. */
export function emitKernel(
  shape: KernelShape,
  maxPages: number,
  label = '',
): Uint8Array<ArrayBuffer> {
  return emitModule(
    [
      productFunction(shape),
      packFunction(shape),
      firstFunction(shape),
      accumulateFunction(shape),
      sliceFunction(),
      peakFunction(shape),
    ],
    maxPages,
    label,
  );
}

function packFunction(shape: KernelShape): FunctionSpec {
  return {
    name: 'pack',
    params: ['i32', 'i32', 'i32'],
    body: (locals) => {
      const [raw, packed, corrections] = [0, 1, 2];
      const column = locals.add('i32');
      const group = locals.add('i32');
      const from = locals.add('i32');
      const to = locals.add('i32');
      const rows = locals.addMany('v128', 4);
      const mixed = locals.addMany('v128', 4);
      const quads = locals.add('v128');
      const sum = locals.add('v128');
      // Four rows of M × 16 k at a time: a 4×4 transpose of 32-bit words.
      const transpose = seq(
        ...rows.map((v, i) => set(v, loadV('v128', get(from), i * DIM))),
        set(mixed[0]!, shuffleWords(rows[0]!, rows[1]!, [0, 4, 1, 5])),
        set(mixed[1]!, shuffleWords(rows[2]!, rows[3]!, [0, 4, 1, 5])),
        set(mixed[2]!, shuffleWords(rows[0]!, rows[1]!, [2, 6, 3, 7])),
        set(mixed[3]!, shuffleWords(rows[2]!, rows[3]!, [2, 6, 3, 7])),
        ...[0, 1, 2, 3].map((k) =>
          seq(
            set(
              quads,
              shuffleWords(
                mixed[k < 2 ? 0 : 2]!,
                mixed[k < 2 ? 1 : 3]!,
                k % 2 === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7],
              ),
            ),
            storeM(shape, get(to), k * QUAD_BLOCK_BYTES, quads),
          ),
        ),
      );
      const bytes = loadV('v128', add(get(from), get(group)));
      const pairs = splitsSigns(shape)
        ? vec(
            'i16x8.extadd_pairwise_i8x16_u',
            vec('v128.and', vec('i8x16.abs', bytes), shift('i8x16.shr_s', bytes, 7)),
          )
        : vec('i16x8.extadd_pairwise_i8x16_s', bytes);
      const columnSum = seq(
        set(sum, splat8(0)),
        forLoop(
          group,
          i32(0),
          i32(DIM),
          16,
          set(sum, vec('i32x4.add', get(sum), vec('i32x4.extadd_pairwise_i16x8_s', pairs))),
        ),
        ...[2, 1].map((by) =>
          set(
            sum,
            vec(
              'i32x4.add',
              get(sum),
              shuffleWords(sum, sum, [by, by + 1, (by + 2) % 4, (by + 3) % 4]),
            ),
          ),
        ),
        // |M| where M is negative, or 128 too much for every x + 128.
        storeI32(
          get(to),
          splitsSigns(shape) ? extractFirst(sum) : mul(extractFirst(sum), i32(-128)),
        ),
      );
      return seq(
        forLoop(
          column,
          i32(0),
          i32(DIM),
          4,
          seq(
            set(from, add(get(raw), shl(get(column), 8))),
            set(
              to,
              add(
                add(get(packed), shl(and(get(column), i32(-PANEL_COLUMNS)), 8)),
                shl(and(get(column), i32(PANEL_COLUMNS - 1)), 2),
              ),
            ),
            forLoop(
              group,
              i32(0),
              i32(DIM / 16),
              1,
              seq(
                transpose,
                set(from, add(get(from), i32(16))),
                set(to, add(get(to), i32(4 * QUAD_BLOCK_BYTES))),
              ),
            ),
          ),
        ),
        set(from, get(raw)),
        set(to, get(corrections)),
        forLoop(
          column,
          i32(0),
          i32(DIM),
          1,
          seq(columnSum, set(from, add(get(from), i32(DIM))), set(to, add(get(to), i32(4)))),
        ),
      );
    },
  };
}

function firstFunction(shape: KernelShape): FunctionSpec {
  return {
    name: 'first',
    params: ['i32', 'i32'],
    body: (locals) => {
      const [packed, out] = [0, 1];
      const layout = xLayout(shape);
      const panel = locals.add('i32');
      const group = locals.add('i32');
      const to = locals.add('i32');
      const blocks = locals.addMany('v128', 4);
      const halves = locals.addMany('v128', 4);
      const row = locals.add('v128');
      const firstTwo = [0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29];
      const lastTwo = firstTwo.map((lane) => lane + 2);
      return forLoop(
        panel,
        i32(0),
        i32(DIM),
        PANEL_COLUMNS,
        seq(
          set(to, add(get(out), layout.rowBytes === DIM ? get(panel) : shl(get(panel), 1))),
          forLoop(
            group,
            i32(0),
            i32(QUADS),
            1,
            seq(
              // 16 columns × 4 k become 4 rows of 16 bytes.
              ...blocks.map((v, i) => set(v, loadM(shape, get(packed), 16 * i))),
              set(halves[0]!, shuffle(get(blocks[0]!), get(blocks[1]!), firstTwo)),
              set(halves[1]!, shuffle(get(blocks[2]!), get(blocks[3]!), firstTwo)),
              set(halves[2]!, shuffle(get(blocks[0]!), get(blocks[1]!), lastTwo)),
              set(halves[3]!, shuffle(get(blocks[2]!), get(blocks[3]!), lastTwo)),
              ...[0, 1, 2, 3].map((k) => {
                const pair = k < 2 ? 0 : 2;
                const at = (k % 2) * 2;
                return seq(
                  set(
                    row,
                    shuffleWords(halves[pair]!, halves[pair + 1]!, [at, at + 1, at + 4, at + 5]),
                  ),
                  // fold of a byte: v + (v >> 7)
                  set(row, vec('i8x16.add', get(row), shift('i8x16.shr_s', get(row), 7))),
                  storeX(shape, get(to), k * layout.rowBytes, row),
                );
              }),
              set(packed, add(get(packed), i32(QUAD_BLOCK_BYTES))),
              set(to, add(get(to), i32(4 * layout.rowBytes))),
            ),
          ),
        ),
      );
    },
  };
}

function accumulateFunction(shape: KernelShape): FunctionSpec {
  return {
    name: 'accumulate',
    params: ['i32', 'i32'],
    body: (locals) => {
      const [x, sum] = [0, 1];
      const layout = xLayout(shape);
      const at = locals.add('i32');
      return forLoop(
        at,
        i32(0),
        i32(DIM * DIM),
        16,
        seq(
          storeV(get(sum), vec('i8x16.add', loadV('v128', get(sum)), loadX(shape, get(x)))),
          set(x, add(get(x), i32((16 * layout.rowBytes) / DIM))),
          set(sum, add(get(sum), i32(16))),
        ),
      );
    },
  };
}

function sliceFunction(): FunctionSpec {
  return {
    name: 'slice',
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    body: (locals) => {
      const [sequence, slot, x0, x1, scratch, sum] = [0, 1, 2, 3, 4, 5];
      const step = locals.add('i32');
      const name = locals.add('i32');
      const swap = locals.add('i32');
      const matrix = add(get(slot), shl(get(name), 16));
      const corrections = add(
        add(get(slot), i32(CORRECTIONS_OFFSET)),
        mul(get(name), i32(CORRECTION_BYTES)),
      );
      return seq(
        set(name, loadU8(get(sequence))),
        call(FIRST, matrix, get(x0)),
        forLoop(
          step,
          i32(1),
          i32(STEPS),
          1,
          seq(
            set(name, loadU8(add(get(sequence), and(get(step), i32(SEQUENCE_LENGTH - 1))))),
            call(PRODUCT, matrix, corrections, get(x0), get(x1), get(scratch)),
            set(swap, get(x0)),
            set(x0, get(x1)),
            set(x1, get(swap)),
          ),
        ),
        call(ACCUMULATE, get(x0), get(sum)),
      );
    },
  };
}

/** Tile of the peak loop: 12 sums of 32 bytes. */
const PEAK_SUMS = 24;

const PEAK_UNROLL = 4;

/** Multiply-accumulates of `peak(turns)`; `turns` is a multiple of 4. */
export function peakMacs(shape: KernelShape, turns: number): number {
  return turns * PEAK_SUMS * (shape.arithmetic === 'dot16' ? 8 : 16);
}

function peakFunction(shape: KernelShape): FunctionSpec {
  return {
    name: 'peak',
    params: ['i32', 'i32'],
    body: (locals) => {
      const [turns, scratch] = [0, 1];
      const turn = locals.add('i32');
      const sums = locals.addMany('v128', PEAK_SUMS);
      const x = locals.add('v128');
      // Each product depends on its own sum, so that no compiler can take it out of the loop.
      const product = (sum: Code): Code => {
        switch (shape.arithmetic) {
          case 'relaxed32':
            return vec('i32x4.relaxed_dot_i8x16_i7x16_add_s', get(x), get(x), sum);
          case 'relaxed16':
            return vec('i16x8.add', sum, vec('i16x8.relaxed_dot_i8x16_i7x16_s', sum, get(x)));
          case 'dot16':
            return vec('i32x4.add', sum, vec('i32x4.dot_i16x8_s', sum, get(x)));
        }
      };
      const everySum = seq(...sums.map((sum) => set(sum, product(get(sum)))));
      return seq(
        set(x, loadV('32_splat', get(scratch))),
        ...sums.map((sum, i) => set(sum, loadV('v128', get(scratch), 16 * i))),
        forLoop(
          turn,
          i32(0),
          get(turns),
          PEAK_UNROLL,
          seq(...Array.from({ length: PEAK_UNROLL }, () => everySum)),
        ),
        ...sums.map((sum, i) => storeV(get(scratch), get(sum), 16 * i)),
      );
    },
  };
}
