/**
 * The script that times the GPU maker's library, against a stand-in for those libraries: what it calls,
 * with which arguments, how it reckons, and what it says where something is missing or wrong.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { MACS_PER_HASH } from '../../src/tensority/params.ts';
import { measureVendor, parseVendor } from '../bench/gpu-vendor.ts';

const SOURCE = fileURLToPath(new URL('./stub-library.c', import.meta.url));
const CUDA = ['libcuda.so.1', 'libcublas.so.12', 'libcublasLt.so.12'];
const ROCM = ['libamdhip64.so.7', 'librocblas.so.5'];
/** Milliseconds of a product by the stand-in's clock. */
const MS = { gemmEx: 2, bestLt: 1, rocblas: 8 };

/** Of the machine, not of this package; tests that need it are skipped without it. */
const COMPILER = 'cc';
const hasCompiler = spawnSync(COMPILER, ['--version']).status === 0;
const hasPython = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(process.platform !== 'linux')('the product of the maker’s library', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vendor-'));
    if (!hasCompiler) return;
    const library = join(folder, 'stub.so');
    execFileSync(COMPILER, ['-shared', '-fPIC', '-O2', '-nostdlib', '-o', library, SOURCE]);
    for (const [kind, names] of [
      ['cuda', CUDA],
      ['rocm', ROCM],
    ] as const) {
      // One library under all names, so that they share its clock.
      mkdirSync(join(folder, kind, 'lib64'), { recursive: true });
      for (const name of names) symlinkSync(library, join(folder, kind, 'lib64', name));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function measure(
    ctx: Pick<TestContext, 'skip'>,
    kind: 'cuda' | 'rocm',
    { stub = '', name = 'Stub GPU 9000', sizes = [64, 192] } = {},
  ) {
    if (!hasCompiler) ctx.skip('there is no cc to build the stand-in with');
    if (!hasPython) ctx.skip('there is no python3');
    const env = { ...process.env, LD_LIBRARY_PATH: join(folder, kind, 'lib64'), STUB: stub };
    return measureVendor({ name, sizes, seconds: 0.02, env });
  }
  const rate = (size: number, ms: number): number => (1000 * size ** 3) / ms;

  it('takes the fastest way of cuBLAS, and reckons hashes from multiply-accumulates', (ctx) => {
    const result = measure(ctx, 'cuda');
    expect(result).toMatchObject({
      library: 'cuBLAS 13.0.2',
      device: 'Stub GPU 9000',
      products: [
        { size: 64, way: 'cublasLt, algorithm 1', macsPerSecond: rate(64, MS.bestLt) },
        { size: 192, way: 'cublasLt, algorithm 1', macsPerSecond: rate(192, MS.bestLt) },
      ],
      hashesPerSecond: rate(192, MS.bestLt) / MACS_PER_HASH,
    });
  });

  it('takes cublasGemmEx where that is all there is', (ctx) => {
    const products = [{ way: 'cublasGemmEx', macsPerSecond: rate(64, MS.gemmEx) }];
    expect(measure(ctx, 'cuda', { stub: 'lt', sizes: [64] })).toMatchObject({ products });
  });

  it('takes rocBLAS where there is no cuBLAS; a part of the name will do', (ctx) => {
    const name = 'AMD Stub GPU 9000 (some driver)';
    expect(measure(ctx, 'rocm', { name, sizes: [64] })).toMatchObject({
      library: 'rocBLAS 5.1',
      products: [{ way: 'rocblas_gemm_ex', macsPerSecond: rate(64, MS.rocblas) }],
    });
  });

  it('finds the library in the folder that CUDA_HOME names', (ctx) => {
    if (!hasCompiler || !hasPython) ctx.skip('there is no cc or no python3');
    const env = { ...process.env, CUDA_HOME: join(folder, 'cuda'), LD_LIBRARY_PATH: '' };
    const name = 'Stub GPU 9000';
    const result = measureVendor({ name, sizes: [64], seconds: 0.02, env });
    // Where CUDA is installed, that one is found first and knows no such device.
    if ('absent' in result && result.absent.includes('no device called')) {
      ctx.skip('this machine has a library of its own');
    }
    expect(result).toMatchObject({ library: 'cuBLAS 13.0.2' });
  });

  it('shows no figure of a wrong product', (ctx) => {
    expect(measure(ctx, 'cuda', { stub: 'wrong' })).toEqual({
      absent: expect.stringMatching(/^the library failed: wrong product: entry \d+, \d+ is /),
    });
  });

  it('goes without the sizes that there is too little memory for', (ctx) => {
    const result = measure(ctx, 'cuda', { stub: 'memory' });
    expect(result).toMatchObject({ products: [{ size: 64, way: 'cublasGemmEx' }] });
    expect('products' in result && result.products.length).toBe(1);
  });

  it.for([
    ['no-driver', /CUDA finds no device/],
    ['no-device', /no device called Stub GPU 9000 \(there are: none\)/],
    ['create', /^the library failed: cublasCreate_v2 answered 1$/],
    ['lt gemm', /^the library failed: size 64: cublasGemmEx answered 15/],
  ] as const)('says why where %s', ([stub, reason], ctx) => {
    expect(measure(ctx, 'cuda', { stub })).toEqual({ absent: expect.stringMatching(reason) });
  });

  it('measures no other device than the one that is meant', (ctx) => {
    expect(measure(ctx, 'cuda', { name: 'llvmpipe (LLVM 15.0.6, 256 bits)' })).toEqual({
      absent: expect.stringMatching(/no device called llvmpipe .* \(there are: Stub GPU 9000\)/),
    });
  });

  it('says in one line that there is no library', (ctx) => {
    if (!hasPython) ctx.skip('there is no python3');
    expect(measureVendor({ name: 'no GPU has this name' })).toEqual({
      absent: expect.stringMatching(/^no [^\n]*$/),
    });
  });

  it('says in one line that there is no python3', () => {
    expect(measureVendor({ name: 'any', env: { PATH: folder } })).toEqual({
      absent: expect.stringMatching(/^it takes python3/),
    });
  });
});

describe('an answer of the script', () => {
  const product = { size: 64, way: 'x', macsPerSecond: 1e12, fastest: 2e12, runs: 5 };

  it('counts with the best of its sizes', () => {
    const products = [product, { ...product, size: 128, macsPerSecond: 3e12 }];
    const text = JSON.stringify({ library: 'L', device: 'D', products });
    expect(parseVendor(text)).toMatchObject({ hashesPerSecond: 3e12 / MACS_PER_HASH });
  });

  it.for([
    '',
    'Traceback (most recent call last):',
    '{}',
    'null',
    '{"library":"L","device":"D","products":[]}',
    '{"library":"L","device":"D","products":[{"size":64,"way":"x","macsPerSecond":0}]}',
    '{"library":"L","device":"D","products":[{"size":64}]}',
    '{"library":"L","device":"D","products":[null]}',
  ])('that is none is not taken for one: %s', (text) => expect(parseVendor(text)).toBeUndefined());
});
