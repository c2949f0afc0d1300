import { describe, expect, it } from 'vitest';
import { abortWord, BATCHES, nextWord } from '../../../src/tensority/wasm/control.ts';
import {
  CORRECTION_BYTES,
  CORRECTIONS_OFFSET,
  type MemoryNeeds,
  PAGE_BYTES,
  planMemory,
  SCRATCH_BYTES,
  SIGNS_OFFSET,
  THREAD_BYTES,
  THREAD_RAW,
  THREAD_SCRATCH,
  THREAD_SEQUENCE,
  THREAD_SUM,
  THREAD_X0,
  THREAD_X1,
  X_BYTES,
} from '../../../src/tensority/wasm/memory-map.ts';
import { type KernelShape, xLayout } from '../../../src/tensority/wasm/operands.ts';

type Area = readonly [name: string, from: number, to: number];

/** The areas that overlap the one before them, in order of their places. */
function overlapsOf(areas: readonly Area[]): string[] {
  const sorted = areas.toSorted(([, a], [, b]) => a - b);
  return sorted.slice(1).flatMap(([name, from], i) => {
    const [before, , to] = sorted[i]!;
    return from < to ? [`${before} and ${name}`] : [];
  });
}

describe('planMemory', () => {
  it('keeps all areas apart, page 0 for the control words, and within its pages', () => {
    for (const batches of [1, 4]) {
      for (const maxBatch of [1, 63, 64, 65, 256, 1000]) {
        for (const [threads, slots, signs] of [
          [1, 1, false],
          [3, 2, true],
          [64, 2, false],
        ] as const) {
          const needs: MemoryNeeds = { batches, maxBatch, threads, slots, signs };
          const map = planMemory(needs);
          const slotBytes = signs ? SIGNS_OFFSET + CORRECTIONS_OFFSET : SIGNS_OFFSET;
          const areas: Area[] = [
            ['control', 0, PAGE_BYTES],
            ...spans('batch', batches, map.batch, 64 * maxBatch),
            ...spans('thread', threads, map.thread, THREAD_BYTES),
            ...spans('slot', slots, map.slot, slotBytes),
            ['end', map.pages * PAGE_BYTES, map.pages * PAGE_BYTES],
          ];
          expect(overlapsOf(areas), JSON.stringify(needs)).toEqual([]);
          expect(areas.filter(([, from]) => from % 64 !== 0)).toEqual([]);
        }
      }
    }
  });

  function spans(
    name: string,
    count: number,
    at: (index: number) => number,
    length: number,
  ): Area[] {
    return Array.from({ length: count }, (_v, i) => [`${name} ${i}`, at(i), at(i) + length]);
  }
});

describe('a thread area', () => {
  it('holds its parts apart', () => {
    const areas: Area[] = [
      ['x0', THREAD_X0, THREAD_X0 + X_BYTES],
      ['x1', THREAD_X1, THREAD_X1 + X_BYTES],
      ['sum', THREAD_SUM, THREAD_SUM + 65_536],
      ['raw', THREAD_RAW, THREAD_RAW + 65_536],
      ['scratch', THREAD_SCRATCH, THREAD_SCRATCH + SCRATCH_BYTES],
      ['sequences', THREAD_SEQUENCE, THREAD_SEQUENCE + 4 * 32],
      ['end', THREAD_BYTES, THREAD_BYTES],
    ];
    expect(overlapsOf(areas)).toEqual([]);
  });

  it('has room for X in every arithmetic with up to 8 rows a tile, and for its sums with 6', () => {
    for (const arithmetic of ['relaxed32', 'relaxed16', 'dot16'] as const) {
      for (let rows = 1; rows <= 8; rows++) {
        const shape: KernelShape = {
          arithmetic,
          secondOperand: 'unsigned',
          dot: 'native',
          rows,
          columns: 16,
          unroll: 1,
        };
        expect(xLayout(shape).totalBytes, `${arithmetic}, ${rows} rows`).toBeLessThanOrEqual(
          X_BYTES,
        );
      }
    }
    expect(6 * 16 * 8).toBeLessThanOrEqual(SCRATCH_BYTES);
  });
});

describe('a table slot', () => {
  it('has its corrections behind 256 matrices and its signs behind those', () => {
    expect(CORRECTIONS_OFFSET).toBe(256 * 65_536);
    expect(SIGNS_OFFSET).toBe(CORRECTIONS_OFFSET + 256 * CORRECTION_BYTES);
  });
});

describe('the control words', () => {
  it('lie in page 0, those of different batches in different cache lines', () => {
    const words = Array.from({ length: BATCHES }, (_v, b) => [nextWord(b), abortWord(b)]);
    expect(new Set(words.flat()).size).toBe(2 * BATCHES);
    const lines = words.map((pair) => pair.map((word) => Math.floor((4 * word) / 64)));
    for (const [next, abort] of lines) expect(next).toBe(abort);
    expect(new Set(lines.map(([next]) => next)).size).toBe(BATCHES);
    expect(Math.max(...words.flat())).toBeLessThan(256);
  });
});
