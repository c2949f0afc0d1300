/**
 * The mode `cpu`: gpu.js makes a JavaScript function of the kernel. Its numbers are doubles, so two
 * columns go in one, y₁ + y₂·2²⁶: an entry of M times that is two products at once. Each sum stays below
 * 2²³, so everything is exact.
 */
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { type ChainKernel, FOLDED, type RunningMatrix, SingleChain } from './chain.ts';
import type { Gpujs, Input, Kernel } from './package.ts';
import { forColumns, forRows, forTile, TILE_COLUMNS, TILE_ROWS, threeBytes } from './tile.ts';

/** What the second column of a double is multiplied by. */
const SHIFT = 2 ** 26;
/** Columns that come first in their double; the others are so many further on. */
const HALF = DIM / 2;
/** Threads side by side. The last one has a column to spare, which is 0. */
const WIDTH = Math.ceil(HALF / TILE_COLUMNS);
/** Doubles of Y that a thread reads: those of its columns lie together. */
const STRIP = TILE_COLUMNS * DIM;

/**
 * The results beside the one that is returned. A result is a float, which holds the bytes of three columns
 * and no more; gpu.js reads these functions as text.
 */
const RESULTS = {
  high0: function high0(v: number): number {
    return v;
  },
  low1: function low1(v: number): number {
    return v;
  },
  high1: function high1(v: number): number {
    return v;
  },
  low2: function low2(v: number): number {
    return v;
  },
  high2: function high2(v: number): number {
    return v;
  },
  low3: function low3(v: number): number {
    return v;
  },
  high3: function high3(v: number): number {
    return v;
  },
};

/** Of s = v₁ + v₂·2²⁶, `h` is v₂ and `l` is v₁; a result has the bytes of one of them in a row of the tile. */
const SOURCE = `function (m, y) {
  let mAt = this.thread.y * ${TILE_ROWS * DIM};
  let yAt = this.thread.x * ${STRIP};
  ${forTile((r, c) => `let s${r}${c} = 0;`)}
  for (let k = 0; k < ${DIM}; k++) {
    ${forColumns((c) => `const y${c} = y[yAt + ${c}];`)}
    ${forRows((r) => `const m${r} = m[mAt + ${r * DIM}];`)}
    ${forTile((r, c) => `s${r}${c} += m${r} * y${c};`)}
    mAt += 1;
    yAt += ${TILE_COLUMNS};
  }
  ${forTile((r, c) => `const h${r}${c} = Math.floor((s${r}${c} + ${SHIFT / 2}) / ${SHIFT});`)}
  ${forTile((r, c) => `const l${r}${c} = s${r}${c} - h${r}${c} * ${SHIFT};`)}
  ${forRows((r) => (r === 0 ? '' : `low${r}(${threeBytes((c) => folded(`l${r}${c}`))});`))}
  ${forRows((r) => `high${r}(${threeBytes((c) => folded(`h${r}${c}`))});`)}
  return ${threeBytes((c) => folded(`l0${c}`))};
}`;

function folded(v: string): string {
  return `((${v} + (${v} >> 8)) & 255)`;
}

type Rows = readonly Float32Array[];
type Results = Readonly<Record<'result' | keyof typeof RESULTS, Rows>>;

export async function openCpuChain({ GPU, input }: Gpujs): Promise<ChainKernel> {
  const gpu = new GPU({ mode: 'cpu' });
  const kernel = gpu.createKernelMap(RESULTS, SOURCE, { output: [WIDTH, DIM / TILE_ROWS] });
  return new SingleChain(new DoubleMatrix(kernel, input), () => gpu.destroy());
}

class DoubleMatrix implements RunningMatrix {
  readonly #kernel: Kernel;
  /** M as doubles, so that its entries are not converted each of the 43 times that they are read. */
  readonly #m = new Float64Array(MATRIX_BYTES);
  /** By strip, then row, then column. */
  readonly #y = new Float64Array(WIDTH * STRIP);
  readonly #inputs: readonly Input[];

  constructor(kernel: Kernel, input: Gpujs['input']) {
    this.#kernel = kernel;
    this.#inputs = [input(this.#m, [MATRIX_BYTES]), input(this.#y, [WIDTH * STRIP])];
  }

  start(matrix: Int8Array): void {
    for (let row = 0; row < DIM; row++) {
      for (let column = 0; column < HALF; column++) {
        const at = row * DIM + column;
        const low = FOLDED[matrix[at]! & 255]!;
        const high = FOLDED[matrix[at + HALF]! & 255]!;
        this.#y[placeOf(row, column)] = low + high * SHIFT;
      }
    }
  }

  step(matrix: Int8Array): void {
    this.#m.set(matrix);
    const results = this.#kernel(...this.#inputs) as Results;
    const low = [results.result, results.low1, results.low2, results.low3];
    const high = [results.high0, results.high1, results.high2, results.high3];
    for (let row = 0; row < TILE_ROWS; row++) this.#take(row, low[row]!, high[row]!);
  }

  read(): Int8Array<ArrayBuffer> {
    const y = new Int8Array(MATRIX_BYTES);
    for (let row = 0; row < DIM; row++) {
      for (let column = 0; column < HALF; column++) {
        const both = this.#y[placeOf(row, column)]!;
        const high = Math.round(both / SHIFT);
        y[row * DIM + column] = both - high * SHIFT;
        y[row * DIM + column + HALF] = high;
      }
    }
    return y;
  }

  /** Takes row `row` of every tile. */
  #take(row: number, low: Rows, high: Rows): void {
    const y = this.#y;
    for (let tile = 0; tile < DIM / TILE_ROWS; tile++) {
      const lowTiles = low[tile]!;
      const highTiles = high[tile]!;
      let at = (tile * TILE_ROWS + row) * TILE_COLUMNS;
      for (let x = 0; x < WIDTH; x++, at += STRIP) {
        const l = lowTiles[x]!;
        const h = highTiles[x]!;
        y[at] = ((l << 24) >> 24) + ((h << 24) >> 24) * SHIFT;
        y[at + 1] = ((l << 16) >> 24) + ((h << 16) >> 24) * SHIFT;
        y[at + 2] = ((l << 8) >> 24) + ((h << 8) >> 24) * SHIFT;
      }
    }
  }
}

/** Where the double of column `column` and the one `HALF` further on lies. */
function placeOf(row: number, column: number): number {
  const strip = Math.floor(column / TILE_COLUMNS);
  return strip * STRIP + row * TILE_COLUMNS + (column % TILE_COLUMNS);
}
