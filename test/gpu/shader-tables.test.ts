/** The table layouts that the GPU makes, entry by entry. */
import { describe, expect, it, type TestContext } from 'vitest';
import { TABLE_WORKGROUPS } from '../../drivers/webgpu/engine/variants.ts';
import { fold } from '../../src/tensority/matmul.ts';
import { createBuffer, gpuOrSkip, readBuffer, runProgram } from '../support/gpu.ts';
import { seededRandom } from '../support/random.ts';

describe('tables', () => {
  const random = seededRandom(3);
  const raw = Int8Array.from({ length: 1 << 24 }, () => random() * 256 - 128);
  /** The column that stands at a place of a row in word order. */
  const columnAt = (place: number): number => (place & 3) * 64 + (place >> 2);
  const entry = (matrix: number, row: number, column: number): number =>
    raw[(matrix << 16) | (row << 8) | column]!;
  /** Every entry of some matrices, in no order. */
  const MATRICES = [0, 1, 137, 255];

  async function make(
    ctx: Pick<TestContext, 'skip'>,
    name: string,
    { TILE_N = 16, TILE_K = 32, PER_WORD = 4 } = {},
  ): Promise<ArrayBuffer> {
    const gpu = await gpuOrSkip(ctx);
    const out = createBuffer(gpu.device, (1 << 24) * (4 / PER_WORD));
    await runProgram(gpu, {
      program: 'tables',
      constants: { TILE_N, TILE_K, PER_WORD },
      entry: name,
      workgroups: [TABLE_WORKGROUPS],
      bindings: [raw, out],
    });
    const { buffer } = await readBuffer(gpu.device, out);
    out.destroy();
    return buffer;
  }

  /** Compares all entries of the matrices; a mismatch names the first one. */
  function compare(actual: (m: number, a: number, b: number) => number, expected: typeof actual) {
    for (const m of MATRICES) {
      for (let a = 0; a < 256; a++) {
        for (let b = 0; b < 256; b++) {
          const [is, should] = [actual(m, a, b), expected(m, a, b)];
          if (is !== should) expect(is, `matrix ${m}, ${a}, ${b}`).toBe(should);
        }
      }
    }
  }

  it('start slices with the folded transpose, its columns in word order', async (ctx) => {
    const first = new Int8Array(await make(ctx, 'fold_transpose'));
    compare(
      (m, row, place) => first[(m << 16) | (row << 8) | place]!,
      (m, row, place) => fold(entry(m, columnAt(place), row)),
    );
  });

  it('pack four columns to a vec4, four entries along k to a word', async (ctx) => {
    const packed = new Int8Array(await make(ctx, 'pack_words'));
    compare(
      (m, column, k) => {
        const word = column & 63;
        const vec4 = (m << 12) | ((k >> 2) << 6) | word;
        return packed[(vec4 << 4) | ((column >> 6) << 2) | (k & 3)]!;
      },
      (m, column, k) => entry(m, column, columnAt(k)),
    );
  });

  it.for([
    ['int8', 16, 32, 4],
    ['int8', 8, 32, 4],
    ['int8', 16, 16, 4],
    ['f16', 16, 16, 2],
    ['f16', 8, 8, 2],
    ['f32', 8, 8, 1],
  ] as const)('pack tiles of %s, %i columns and %i deep', async ([type, N, K, perWord], ctx) => {
    const buffer = await make(ctx, 'pack_tiles', { TILE_N: N, TILE_K: K, PER_WORD: perWord });
    const views = { int8: Int8Array, f16: Uint16Array, f32: Float32Array };
    const packed = new views[type](buffer);
    const stored = type === 'f16' ? halfBits : (value: number): number => value;
    compare(
      (m, place, k) => {
        const tile = Math.floor(k / K) * (256 / N) + Math.floor(place / N);
        return packed[m * 65_536 + (tile * N + (place % N)) * K + (k % K)]!;
      },
      (m, place, k) => stored(entry(m, columnAt(place), columnAt(k))),
    );
  });
});

/** The bits of an integer −2048 … 2048 as f16. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = 31 - Math.clz32(Math.abs(value));
  const mantissa = (Math.abs(value) << (10 - exponent)) & 0x3ff;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | mantissa;
}
