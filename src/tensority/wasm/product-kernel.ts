/**
 * The inner loop of Tensority: out = fold(X · Mᵀ) over 256×256 int8, as WebAssembly.
 *
 * One shape serves every arithmetic. M is packed once per seed into *quads* (see slice-kernel.ts):
 * panels of 16 columns, and in a panel, for each group of 4 consecutive k, 16 columns × 4 bytes.
 * A tile of a few rows × 16 columns (or a part of them) keeps its sums in registers while k runs;
 * per 4 k it loads the quads of its columns once and one splat of X per row. Then the sums go to
 * a scratch area and are folded from there, which also is what lets V8's revectoriser see pairs of
 * adjacent 16-byte stores and make 256-bit code of the whole tile.
 *
 * What differs is the arithmetic and how M and the running matrix X are stored:
 *
 * - `relaxed32`: `i32x4.relaxed_dot_i8x16_i7x16_add_s`, one instruction for 16 products where the
 *   engine has a real int8 dot product. On x86 (AVX-VNNI) the second operand is unsigned: X is
 *   stored as x ⊕ 0x80 = x + 128, and each column's sum starts at −128·Σ M[column].
 *   On ARM it is signed and X is stored as it is.
 * - `relaxed16`: `i16x8.relaxed_dot_i8x16_i7x16_s`, for x86 without AVX-VNNI, where it is
 *   `pmaddubsw`: unsigned × signed, pairs added with 16-bit saturation. Exact all the same, since
 *   only v mod 2^16 matters and x·m = (x ⊕ s)·|m| + [m < 0]·|m| with s = m >> 7: |m| ≤ 128 is
 *   unsigned, x ⊕ s is −128 … 127, so a pair is within −32768 … 32512 and never saturates; the last
 *   term does not depend on x, so each column's sum starts at the sum of it. M is stored as |m|
 *   and s, X as it is.
 * - `dot16`: `i32x4.dot_i16x8_s` of the ordinary SIMD instructions, exact by definition.
 *   X is stored as 16-bit values.
 */
import { DIM } from '../params.ts';
import {
  add,
  type Code,
  type FunctionSpec,
  forLoop,
  get,
  i32,
  type Locals,
  loadV,
  mul,
  seq,
  set,
  shift,
  shl,
  splat8,
  splat32,
  storeV,
  sub,
  vec,
} from './emit.ts';
import { emulatedDot16, emulatedDot32, evenPlusOdd } from './emulated-dot.ts';
import { PANEL_COLUMNS, QUAD_BLOCK_BYTES, QUADS, SIGNS_OFFSET } from './memory-map.ts';
import {
  hasCorrections,
  type KernelShape,
  paddedRows,
  splitsSigns,
  storeX,
  type XLayout,
  xLayout,
} from './operands.ts';

/**
 * `product(matrix, corrections, x, out, scratch)`: addresses of a packed matrix, of its column
 * corrections, of X, of the result and of the thread's scratch area.
 */
export function productFunction(shape: KernelShape): FunctionSpec {
  return {
    name: 'product',
    params: ['i32', 'i32', 'i32', 'i32', 'i32'],
    body: (locals) => new ProductEmitter(shape, locals).emit(),
  };
}

class ProductEmitter {
  readonly #shape: KernelShape;
  readonly #layout: XLayout;
  readonly #accumulators: readonly number[];
  readonly #quads: readonly number[];
  readonly #x: number;
  readonly #signs: readonly number[];
  readonly #row: number;
  readonly #panel: number;
  readonly #part: number;
  readonly #k: number;
  readonly #block: number;
  readonly #xAt: number;
  readonly #sums: number;
  readonly #t: readonly number[];
  readonly #perRow: number;

  constructor(shape: KernelShape, locals: Locals) {
    this.#shape = shape;
    this.#layout = xLayout(shape);
    this.#perRow = accumulatorsPerRow(shape);
    this.#accumulators = locals.addMany('v128', shape.rows * this.#perRow);
    this.#quads = locals.addMany('v128', this.#perRow);
    this.#x = locals.add('v128');
    this.#signs = splitsSigns(shape) ? locals.addMany('v128', this.#perRow) : [];
    this.#row = locals.add('i32');
    this.#panel = locals.add('i32');
    this.#part = locals.add('i32');
    this.#k = locals.add('i32');
    this.#block = locals.add('i32');
    this.#xAt = locals.add('i32');
    this.#sums = locals.add('i32');
    this.#t = locals.addMany('v128', 4);
  }

  emit(): Code {
    const { rows } = this.#shape;
    const rowBlockBytes = rows * this.#layout.rowBytes;
    return forLoop(
      this.#row,
      i32(0),
      i32(paddedRows(this.#shape)),
      rows,
      seq(
        set(this.#block, get(MATRIX)),
        forLoop(
          this.#panel,
          i32(0),
          i32(DIM),
          PANEL_COLUMNS,
          seq(this.#panelSums(), this.#foldPanel()),
        ),
        set(X, add(get(X), i32(rowBlockBytes))),
        set(OUT, add(get(OUT), i32(rowBlockBytes))),
      ),
    );
  }

  /** All tiles of one panel: their sums lie in scratch afterwards, row by row. `block` moves on. */
  #panelSums(): Code {
    const parts = PANEL_COLUMNS / this.#shape.columns;
    const tile = this.#tile();
    const tileBytes = 16 * this.#perRow;
    if (parts === 1) return seq(set(this.#sums, get(SCRATCH)), tile);
    return seq(
      set(this.#sums, get(SCRATCH)),
      forLoop(
        this.#part,
        i32(0),
        i32(parts),
        1,
        seq(
          tile,
          set(this.#sums, add(get(this.#sums), i32(tileBytes))),
          // Back to the start of the panel, and on by the columns that are done.
          set(this.#block, sub(get(this.#block), i32(PANEL_BYTES - this.#shape.columns * 4))),
        ),
      ),
      set(this.#block, add(get(this.#block), i32(PANEL_BYTES - PANEL_COLUMNS * 4))),
    );
  }

  #tile(): Code {
    const { unroll } = this.#shape;
    const xBytes = unroll * 4 * (this.#layout.rowBytes / DIM);
    return seq(
      this.#startSums(),
      set(this.#xAt, get(X)),
      forLoop(
        this.#k,
        i32(0),
        i32(QUADS),
        unroll,
        seq(
          ...Array.from({ length: unroll }, (_v, u) => this.#group(u)),
          set(this.#block, add(get(this.#block), i32(unroll * QUAD_BLOCK_BYTES))),
          set(this.#xAt, add(get(this.#xAt), i32(xBytes))),
        ),
      ),
      ...this.#accumulators.map((acc, i) =>
        storeV(
          get(this.#sums),
          get(acc),
          this.#sumOffset(Math.floor(i / this.#perRow), i % this.#perRow),
        ),
      ),
    );
  }

  #startSums(): Code {
    const { rows } = this.#shape;
    const start = (j: number): Code =>
      hasCorrections(this.#shape) ? loadV('v128', this.#correctionsAt(), 16 * j) : splat8(0);
    return seq(
      ...Array.from({ length: rows }, (_r, row) =>
        seq(
          ...Array.from({ length: this.#perRow }, (_j, j) =>
            set(this.#accumulators[row * this.#perRow + j]!, start(j)),
          ),
        ),
      ),
    );
  }

  /** Address of the corrections (i32 a column) of the tile's first column. */
  #correctionsAt(): Code {
    const { columns } = this.#shape;
    const panel = add(get(CORRECTIONS), shl(get(this.#panel), 2));
    if (columns === PANEL_COLUMNS) return panel;
    return add(panel, mul(get(this.#part), i32(4 * columns)));
  }

  /** The products of 4 consecutive k: quads once, then row by row. */
  #group(u: number): Code {
    const { arithmetic, rows } = this.#shape;
    const at = u * QUAD_BLOCK_BYTES;
    const load = (local: number, j: number, plane: number): Code =>
      arithmetic === 'dot16'
        ? set(local, loadV('8x8_s', get(this.#block), plane + at + 8 * j))
        : set(local, loadV('v128', get(this.#block), plane + at + 16 * j));
    return seq(
      ...this.#quads.map((local, j) => load(local, j, 0)),
      ...this.#signs.map((local, j) => load(local, j, SIGNS_OFFSET)),
      ...Array.from({ length: rows }, (_r, row) => this.#rowGroup(row, u)),
    );
  }

  #rowGroup(row: number, u: number): Code {
    const { arithmetic, secondOperand, dot } = this.#shape;
    const { rowBytes } = this.#layout;
    const at = row * rowBytes + u * 4 * (rowBytes / DIM);
    const accumulators = this.#accumulators.slice(row * this.#perRow, (row + 1) * this.#perRow);
    const each = (sum: (acc: Code, quads: Code, j: number) => Code): Code =>
      seq(...accumulators.map((acc, j) => set(acc, sum(get(acc), get(this.#quads[j]!), j))));
    switch (arithmetic) {
      case 'relaxed32':
        return seq(
          set(this.#x, loadV('32_splat', get(this.#xAt), at)),
          each((acc, quads) =>
            dot === 'native'
              ? vec('i32x4.relaxed_dot_i8x16_i7x16_add_s', quads, get(this.#x), acc)
              : vec('i32x4.add', acc, emulatedDot32(quads, get(this.#x), secondOperand)),
          ),
        );
      case 'relaxed16':
        return seq(
          set(this.#x, loadV('32_splat', get(this.#xAt), at)),
          each((acc, quads, j) => {
            const signed = vec('v128.xor', get(this.#x), get(this.#signs[j]!));
            return vec(
              'i16x8.add',
              acc,
              dot === 'native'
                ? vec('i16x8.relaxed_dot_i8x16_i7x16_s', signed, quads)
                : emulatedDot16(signed, quads),
            );
          }),
        );
      case 'dot16':
        return seq(
          set(this.#x, loadV('64_splat', get(this.#xAt), at)),
          each((acc, quads) =>
            vec('i32x4.add', acc, vec('i32x4.dot_i16x8_s', quads, get(this.#x))),
          ),
        );
    }
  }

  /** Folds the sums of rows × 16 columns from scratch into `out`. */
  #foldPanel(): Code {
    const { rows, arithmetic, secondOperand } = this.#shape;
    const out = add(
      get(OUT),
      this.#layout.rowBytes === DIM ? get(this.#panel) : shl(get(this.#panel), 1),
    );
    return seq(
      set(this.#xAt, out),
      ...Array.from({ length: rows }, (_r, row) => {
        const quarter = (q: number): Code => foldLow16(this.#columnSums(row, q), this.#t[0]!);
        return seq(
          set(this.#t[1]!, quarter(0)),
          set(this.#t[2]!, quarter(1)),
          set(this.#t[1]!, vec('i16x8.narrow_i32x4_s', get(this.#t[1]!), get(this.#t[2]!))),
          set(this.#t[2]!, quarter(2)),
          set(this.#t[3]!, quarter(3)),
          set(this.#t[2]!, vec('i16x8.narrow_i32x4_s', get(this.#t[2]!), get(this.#t[3]!))),
          set(this.#t[1]!, vec('i8x16.narrow_i16x8_u', get(this.#t[1]!), get(this.#t[2]!))),
          storeX(
            { arithmetic, secondOperand },
            get(this.#xAt),
            row * this.#layout.rowBytes,
            this.#t[1]!,
          ),
        );
      }),
    );
  }

  /** Four columns of a row as i32 whose low 16 bits are the product's; q = 0 … 3. */
  #columnSums(row: number, q: number): Code {
    const at = (j: number): Code => loadV('v128', get(SCRATCH), this.#sumOffset(row, j));
    switch (this.#shape.arithmetic) {
      case 'relaxed32':
        return at(q);
      case 'relaxed16': {
        const t = this.#t[0]!;
        return seq(set(t, at(q)), vec('i32x4.add', get(t), shift('i32x4.shr_u', get(t), 16)));
      }
      case 'dot16':
        // Two sums a column lie side by side.
        return evenPlusOdd(at(2 * q), at(2 * q + 1));
    }
  }

  /** Offset in scratch of the j-th sum of a row: a row's sums of the whole panel lie together. */
  #sumOffset(row: number, j: number): number {
    return row * ((16 * this.#perRow * PANEL_COLUMNS) / this.#shape.columns) + 16 * j;
  }
}

/** Parameters of `product`. */
const MATRIX = 0;
const CORRECTIONS = 1;
const X = 2;
const OUT = 3;
const SCRATCH = 4;

const PANEL_BYTES = QUADS * QUAD_BLOCK_BYTES;

function accumulatorsPerRow(shape: KernelShape): number {
  return shape.arithmetic === 'dot16' ? shape.columns / 2 : shape.columns / 4;
}

/** (v + (v >> 8)) & 255 in each of four i32; `t` is a free local. */
function foldLow16(sums: Code, t: number): Code {
  return seq(
    set(t, sums),
    vec('v128.and', vec('i32x4.add', get(t), shift('i32x4.shr_u', get(t), 8)), splat32(255)),
  );
}
