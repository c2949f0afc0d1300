/**
 * The mode `webasm`: gpu.js makes a WebAssembly module of the kernel, in which four threads side by side
 * are the lanes of a vector of floats. Three peculiarities of its compiler make the kernel what it is:
 *
 * - What is read at a place that differs from lane to lane is read number by number, with some forty
 *   instructions. So each thread reads the numbers of all four lanes, at places that are the same for
 *   them, and keeps its own by a multiplication with 1 and 0.
 * - That is still dear, so three columns, as bytes, lie in one float, which is exact up to 24 bits.
 * - A counter that begins with a literal becomes a float, and each index that is made of it is converted;
 *   one that begins with a size of the output and is incremented somewhere is an integer.
 *
 * A thread returns four floats, one for each row of its tile, and these are just what the next step reads.
 */
import { DIM, MATRIX_BYTES } from '../../src/tensority/params.ts';
import { type ChainKernel, checkMode, FOLDED, type RunningMatrix, SingleChain } from './chain.ts';
import type { Gpujs, Input, Kernel } from './package.ts';
import { forColumns, forRows, forTile, TILE_ROWS, threeBytes } from './tile.ts';

const LANES = [0, 1, 2, 3];
/** Vectors of threads in a row of tiles. The last ones have columns to spare, which are 0. */
const VECTORS = 22;
/** Threads in a row of tiles; the columns of one are so many apart. */
const WIDTH = LANES.length * VECTORS;
const HEIGHT = DIM / TILE_ROWS;
/** Floats of Y in a vector of threads: by lane, then row of the tile. */
const VECTOR_FLOATS = LANES.length * TILE_ROWS;
const FLOATS = VECTOR_FLOATS * VECTORS * HEIGHT;

const SOURCE = `function (m, y) {
  ${LANES.map((lane) => `const is${lane} = this.thread.x === ${lane} ? 1.0 : 0.0;`).join(' ')}
  let k = this.output.x;
  let mAt = this.output.x;
  let yAt = this.output.x;
  mAt++;
  yAt++;
  mAt = this.thread.z * ${TILE_ROWS * DIM};
  yAt = this.thread.y * ${VECTOR_FLOATS};
  ${forTile((r, c) => `let s${r}${c} = 0.0;`)}
  for (k = 0; k < ${HEIGHT}; k++) {
    ${forRows(addRow)}
    mAt += ${TILE_ROWS};
    yAt += ${VECTOR_FLOATS * VECTORS};
  }
  ${forTile((r, c) => `const f${r}${c} = s${r}${c} - Math.floor(s${r}${c} / 256) * 255;`)}
  ${forTile((r, c) => `const b${r}${c} = f${r}${c} - Math.floor(f${r}${c} / 256) * 256;`)}
  return [${[0, 1, 2, 3].map((r) => threeBytes((c) => `b${r}${c}`)).join(', ')}];
}`;

/** The products with a row of Y, the one at `yAt` or one of the three after it. */
function addRow(row: number): string {
  const place = (lane: number): string => `y[yAt + ${lane * TILE_ROWS + row}]`;
  return `const p${row} = ${LANES.map((lane) => `is${lane} * ${place(lane)}`).join(' + ')};
    ${forColumns((c) => `const y${row}${c} = (p${row} << ${24 - 8 * c}) >> 24;`)}
    ${forRows((r) => `const m${row}${r} = m[mAt + ${r * DIM + row}];`)}
    ${forTile((r, c) => `s${r}${c} += m${row}${r} * y${row}${c};`)}`;
}

export async function openWebasmChain({ GPU, input }: Gpujs): Promise<ChainKernel> {
  const gpu = new GPU({ mode: 'webasm' });
  const kernel = gpu.createKernel(SOURCE, { output: [LANES.length, VECTORS, HEIGHT] });
  return new SingleChain(new FloatMatrix(kernel, input), () => gpu.destroy());
}

/** By row of tiles, then vector, then lane. */
type Tiles = readonly (readonly (readonly Float32Array[])[])[];

class FloatMatrix implements RunningMatrix {
  readonly #kernel: Kernel;
  readonly #input: Gpujs['input'];
  /** By row of tiles, then thread, then row of the tile. */
  #y = new Float32Array(FLOATS);

  constructor(kernel: Kernel, input: Gpujs['input']) {
    this.#kernel = kernel;
    this.#input = input;
  }

  start(matrix: Int8Array): void {
    this.#y.fill(0);
    for (let row = 0; row < DIM; row++) {
      for (let column = 0; column < DIM; column++) {
        const byte = FOLDED[matrix[row * DIM + column]! & 255]! & 255;
        this.#y[placeOf(row, column)]! += byte * 256 ** Math.floor(column / WIDTH);
      }
    }
  }

  step(matrix: Int8Array): void {
    const m: Input = this.#input(matrix, [MATRIX_BYTES]);
    const y: Input = this.#input(this.#y, [FLOATS]);
    const tiles = this.#kernel(m, y) as Tiles;
    checkMode(this.#kernel);
    this.#y = wholeOf(tiles);
  }

  read(): Int8Array<ArrayBuffer> {
    const y = new Int8Array(MATRIX_BYTES);
    for (let row = 0; row < DIM; row++) {
      for (let column = 0; column < DIM; column++) {
        y[row * DIM + column] = this.#y[placeOf(row, column)]! >> (8 * Math.floor(column / WIDTH));
      }
    }
    return y;
  }
}

/** The thousands of small arrays of a result are views of one, which saves to put them together. */
function wholeOf(tiles: Tiles): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset } = tiles[0]![0]![0]!;
  if (byteOffset !== 0 || buffer.byteLength !== 4 * FLOATS || !(buffer instanceof ArrayBuffer)) {
    throw new Error('gpu.js has its results in other arrays than it used to');
  }
  return new Float32Array(buffer);
}

function placeOf(row: number, column: number): number {
  const tile = Math.floor(row / TILE_ROWS) * WIDTH + (column % WIDTH);
  return TILE_ROWS * tile + (row % TILE_ROWS);
}
