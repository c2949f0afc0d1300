/** Kernels that need nothing but WebGPU itself: on the int8 dot product, and on f32. */
import { DIM, TABLE_BYTES } from '../../../src/tensority/params.ts';
import type { KernelVariant, PeakProgram, TableLayout } from './variants.ts';

/** Rows of a workgroup, and what each thread owns of them. */
interface Dp4aShape {
  readonly rows: number;
  readonly tileRows: number;
  /** Of four columns each. */
  readonly tileWords: number;
}

/** 64 results a thread: as many as leave room in the registers, and loads are few for them. */
const DP4A_SHAPES: readonly (Dp4aShape & { readonly name: string })[] = [
  { name: 'dp4a-64', rows: 64, tileRows: 8, tileWords: 2 },
  { name: 'dp4a-64-16x4', rows: 64, tileRows: 16, tileWords: 1 },
  { name: 'dp4a-32', rows: 32, tileRows: 8, tileWords: 2 },
  { name: 'dp4a-16', rows: 16, tileRows: 8, tileWords: 2 },
  { name: 'dp4a-16-16x4', rows: 16, tileRows: 16, tileWords: 1 },
];

export function dp4aVariants(): readonly KernelVariant[] {
  return DP4A_SHAPES.map(({ name, rows, tileRows, tileWords }) => ({
    name,
    family: 'dp4a',
    program: 'product-dp4a',
    constants: { ROWS: rows, TILE_ROWS: tileRows, TILE_WORDS: tileWords },
    rows,
    table: WORDS,
    peak: scalarPeak('peak-dp4a'),
    features: [],
    limits: workgroupLimits(rows * DIM, (rows / tileRows) * (DIM / 4 / tileWords), WORDS),
  }));
}

export function f32Variants(): readonly KernelVariant[] {
  return [16, 32].map((rows) => ({
    name: `f32-${rows}`,
    family: 'f32',
    program: 'product-f32',
    constants: { ROWS: rows },
    rows,
    table: WORDS,
    peak: scalarPeak('peak-f32'),
    features: [],
    limits: workgroupLimits(rows * DIM * 4, rows * 4, WORDS),
  }));
}

/** Limits that a workgroup of so many bytes and threads needs, and its table. */
export function workgroupLimits(
  storageBytes: number,
  threads: number,
  table: TableLayout,
): Record<string, number> {
  return {
    maxComputeWorkgroupStorageSize: storageBytes,
    maxComputeInvocationsPerWorkgroup: threads,
    maxComputeWorkgroupSizeX: threads,
    maxStorageBufferBindingSize: table.bytes,
  };
}

/** The constants of the other layouts must have some value: a program is compiled as a whole. */
const WORDS: TableLayout = {
  entry: 'pack_words',
  bytes: TABLE_BYTES,
  constants: { TILE_N: 16, TILE_K: 32, PER_WORD: 4 },
};

const PEAK_THREADS = 256;
/** Results of a thread, each added to once a turn. */
const PEAK_RESULTS = 64;
const PEAK_TURNS = 256;

function scalarPeak(program: 'peak-dp4a' | 'peak-f32'): PeakProgram {
  // A dot product adds four products.
  const macs = program === 'peak-dp4a' ? 4 : 1;
  return {
    program,
    constants: { THREADS: PEAK_THREADS, TURNS: PEAK_TURNS },
    macsPerWorkgroup: PEAK_THREADS * PEAK_RESULTS * macs * PEAK_TURNS,
    outBytesPerWorkgroup: PEAK_THREADS * 4,
  };
}
