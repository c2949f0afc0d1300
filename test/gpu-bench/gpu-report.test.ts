import { describe, expect, it } from 'vitest';
import type { Sample } from '../bench/gpu-measure.ts';
import { familyOf, figuresText, limitText, spreadOf } from '../bench/gpu-report.ts';

const SAMPLE: Sample = {
  searchRate: 100,
  hashRate: 90,
  peakRate: 400,
  hostCpuPercent: 3,
  oneHashMs: 12,
  abortMs: 60,
  inFlight: 8,
  tableMs: 25,
  loadMs: 5,
};
const VENDOR = {
  library: 'cuBLAS 13.0.2',
  device: 'GPU',
  products: [{ size: 8192, way: 'cublasGemmEx', macsPerSecond: 0.6e15 }],
  hashesPerSecond: 1000,
};
const ABSENT = { absent: 'no libcublas here' };

function figures(kernel: string, ...rates: readonly number[]) {
  return { kernel, samples: rates.map((searchRate) => ({ ...SAMPLE, searchRate })) };
}

describe('a spread', () => {
  it.for([
    [[3, 1, 2], { median: 2, min: 1, max: 3 }],
    [[4, 1, 2, 3], { median: 2.5, min: 1, max: 4 }],
    [[undefined, 7], { median: 7, min: 7, max: 7 }],
    [[undefined], undefined],
    [[], undefined],
  ] as const)('of %j', ([values, expected]) => expect(spreadOf(values)).toEqual(expected));
});

it.for([
  ['int8-matrix-16x16x32-64', 'int8-matrix'],
  ['float-matrix-16x16x16-64', 'float-matrix'],
  ['dp4a-64', 'dp4a'],
  ['f32-16', 'f32'],
  ['other', undefined],
] as const)('%s is of the family %s', ([kernel, family]) => expect(familyOf(kernel)).toBe(family));

describe('the figures', () => {
  const text = figuresText([
    figures('dp4a-16', 50, 40, 60),
    figures('int8-matrix-1', 2000, 1000, 1500),
    figures('f32-16'),
  ]);

  it('give median, range and runs, the fastest kernel first, and nothing of one that failed', () => {
    const [search] = text.split('\n\n');
    expect(search!.split('\n').map((line) => line.trim().split(/\s+/))).toEqual([
      ['search', '[H/s]'],
      ['median', 'min', 'max', 'runs'],
      ['int8-matrix-1', '1500', '1000', '2000', '3'],
      ['dp4a-16', '50', '40', '60', '3'],
    ]);
    expect(text).not.toContain('f32-16');
    expect(figuresText([figures('f32-16')])).toBe('');
  });

  it('relate each round to the peak of its own', () => {
    const own = { ...SAMPLE, searchRate: 300, peakRate: 600 };
    const both = figuresText([{ kernel: 'dp4a-16', samples: [SAMPLE, own] }]);
    expect(both).toMatch(/search, of that \[%\]\n.*\ndp4a-16 +37\.50 +25 +50 +2\n/);
    expect(both).toMatch(/seed change, in all \[ms\]\n.*\ndp4a-16 +30 +30 +30 +2\n/);
  });

  it('show a dash for what could not be measured', () => {
    const samples = [{ ...SAMPLE, hostCpuPercent: undefined }];
    expect(figuresText([{ kernel: 'dp4a-16', samples }])).toMatch(
      /main thread, searching \[% of a core\]\n.*\ndp4a-16 +- +- +- +1\n/,
    );
  });
});

describe('the limit', () => {
  it('is that of the maker’s library, and the best matrix kernel is held against it', () => {
    const text = limitText(
      [figures('dp4a-64', 500), figures('int8-matrix-1', 420), figures('int8-matrix-2', 440)],
      VENDOR,
    );
    expect(text).toContain('1000 H/s if a hash were its products alone, by cuBLAS 13.0.2');
    expect(text).toContain('8192³ 1200.0 TOPS (cublasGemmEx)');
    expect(text).toContain('fastest  dp4a-64: 50.0 % of the limit by cuBLAS 13.0.2');
    expect(text).toContain('target   43 % for a matrix kernel; int8-matrix-2: 44.0 % of the limit');
  });

  it('is that of the matrix instructions where there is no library', () => {
    const text = limitText([figures('int8-matrix-1', 100)], ABSENT);
    expect(text).toContain(
      "no int8 product of the maker's library to compare with: no libcublas here",
    );
    expect(text).toContain(
      'int8-matrix-1: 25.0 % of the limit by the matrix instructions on registers',
    );
  });

  it('is not told where there is neither', () => {
    expect(limitText([figures('dp4a-64', 100)], ABSENT).split('\n').length).toBe(1);
    expect(limitText([figures('int8-matrix-1')], ABSENT).split('\n').length).toBe(1);
  });
});
