/**
 * The firmware's Tensority core, compiled for this machine and compared with the TypeScript reference: each
 * stage by itself, under every kernel, with the sanitizers on. Then the images of the boards, where there are
 * cross compilers: that they build without a warning, how large they are, and that their stacks are large enough.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { mulFold } from '../../src/tensority/matmul.ts';
import { finishHash } from '../../src/tensority/reference.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import { blockMix } from '../../src/tensority/smix.ts';
import { matrixOf } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { seededRandom } from '../support/random.ts';
import { repoRoot } from '../support/repo-files.ts';

const FIRMWARE = join(repoRoot, 'firmware-bridge/firmware');
const KERNELS = ['wide', 'narrow', 'dsp', 'plain'] as const;
/** Of every image. */
const TEXT_BYTES = 16_000;
/** Of `virt`, in bytes: 208 KiB of buffers, and all else, the stack included. */
const RAM_BYTES = 220 * 1024;
/** Of a stack that must be left by the deepest calls. */
const STACK_RESERVE = 0.2;
/** Of a function that the compiler brings, in bytes. */
const LIBRARY_FRAME = 64;

const folder = mkdtempSync(join(tmpdir(), 'firmware-core-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Vectors {
  readonly cases: readonly {
    readonly seed: string;
    readonly header_hash: string;
    readonly result: string;
  }[];
}
interface Stages {
  readonly seeds: readonly {
    readonly seed: string;
    readonly matrix_sha3: Readonly<Record<string, string>>;
  }[];
}
const vectors = readVectors<Vectors>('tensority').cases;
const stages = readVectors<Stages>('tensority-stages').seeds;
const SEED = stages[0]!.seed;
const table = buildMatrixTable(hexToBytes(SEED, 'seed', 32));

const random = seededRandom(0x7e50);
const bytes = (n: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: n }, () => Math.floor(random() * 256));

describe.each(KERNELS)('the core with the kernel %s, sanitized', (kernel) => {
  const check = (ctx: TestContext, commands: readonly string[]): string[] =>
    ask(ctx, `core-check-${kernel}-sanitized`, commands);

  it('says which kernel it is', (ctx) => {
    const [answer] = check(ctx, ['kernel']);
    expect(answer).toMatch(new RegExp(`^${kernel} \\d+$`));
  });

  it('computes SHA3-256 of every length to 300 bytes', (ctx) => {
    const inputs = Array.from({ length: 301 }, (_, n) => bytes(n));
    const answers = check(
      ctx,
      inputs.map((input) => `sha3 ${input.length === 0 ? '-' : bytesToHex(input)}`),
    );
    for (const [n, input] of inputs.entries()) {
      expect(answers[n], `${n} bytes`).toBe(bytesToHex(sha3(input)));
    }
  });

  it('mixes blocks', (ctx) => {
    const inputs = [new Uint8Array(128), new Uint8Array(128).fill(255)];
    for (let i = 0; i < 30; i++) inputs.push(bytes(128));
    const answers = check(
      ctx,
      inputs.map((input) => `blockmix ${bytesToHex(input)}`),
    );
    for (const [i, input] of inputs.entries()) {
      const x = new Uint32Array(input.slice().buffer);
      blockMix(x);
      expect(answers[i], `block ${i}`).toBe(bytesToHex(new Uint8Array(x.buffer)));
    }
  });

  it('derives the first 128 bytes of every even matrix, and from them whole matrices', (ctx) => {
    const names = Array.from({ length: 16 }, (_, i) => 16 * i + (i % 2)).concat(255);
    const [, checkpoints, ...matrices] = check(ctx, [
      `derive ${SEED}`,
      'checkpoints',
      ...names.map((name) => `matrix ${hexByte(name)}`),
    ]);
    const expected = Array.from({ length: 128 }, (_, i) =>
      bytesToHex(asBytes(matrixOf(table, 2 * i).subarray(0, 128))),
    );
    expect(checkpoints).toBe(expected.join(''));
    for (const [i, name] of names.entries()) {
      // Not toBe: a difference of 64 KiB of text takes minutes to print.
      const same = matrices[i] === bytesToHex(asBytes(matrixOf(table, name)));
      expect(same, `matrix ${name}`).toBe(true);
    }
  });

  it('derives the matrices that were published', (ctx) => {
    for (const { seed, matrix_sha3 } of stages) {
      const names = Object.keys(matrix_sha3);
      const [, ...matrices] = check(ctx, [
        `derive ${seed}`,
        ...names.map((name) => `matrix ${hexByte(Number(name))}`),
      ]);
      for (const [i, name] of names.entries()) {
        const digest = sha3(hexToBytes(matrices[i]!, 'matrix'));
        expect(bytesToHex(digest), `${seed} ${name}`).toBe(matrix_sha3[name]);
      }
    }
  });

  it('multiplies extremes and random rows modulo 2^16', (ctx) => {
    const filled = (...values: number[]): Int8Array =>
      Int8Array.from({ length: 256 }, (_, k) => values[k % values.length]!);
    const extremes = [
      filled(-128),
      filled(127),
      filled(-128, 127),
      filled(127, -128),
      filled(-128, -128, 127),
      filled(-1),
      filled(0),
      filled(0, 0, 0, -128),
      filled(1, -128, 127, -1, 0),
    ];
    const pairs = extremes.flatMap((a) => extremes.map((b) => [a, b] as const));
    for (let i = 0; i < 40; i++) {
      pairs.push([new Int8Array(bytes(256).buffer), new Int8Array(bytes(256).buffer)]);
    }
    const answers = check(
      ctx,
      pairs.map(([a, b]) => `dot ${bytesToHex(asBytes(a))} ${bytesToHex(asBytes(b))}`),
    );
    for (const [i, [a, b]] of pairs.entries()) {
      const sum = a.reduce((total, value, k) => total + value * b[k]!, 0);
      expect(answers[i], `pair ${i}`).toBe((sum & 0xffff).toString(16).padStart(4, '0'));
    }
  });

  it('multiplies 1 … all rows of a pass, also extreme ones, and folds', (ctx) => {
    const [named] = check(ctx, ['kernel']);
    const pass = Number(named!.split(' ')[1]);
    const extreme = (): Uint8Array<ArrayBuffer> =>
      bytes(256 * 256).map((v) => (v < 128 ? 0x80 : 0x7f));
    const cases: { rows: Uint8Array<ArrayBuffer>; matrix: Uint8Array<ArrayBuffer> }[] = [];
    for (let n = 1; n <= pass; n++) {
      cases.push({ rows: bytes(n * 256), matrix: bytes(256 * 256) });
    }
    cases.push(
      { rows: extreme().slice(0, pass * 256), matrix: extreme() },
      { rows: new Uint8Array(pass * 256).fill(0x80), matrix: new Uint8Array(65_536).fill(0x80) },
    );
    const answers = check(
      ctx,
      cases.map(({ rows, matrix }) => `products ${bytesToHex(rows)} ${bytesToHex(matrix)}`),
    );
    for (const [i, { rows, matrix }] of cases.entries()) {
      const a = new Int8Array(256 * 256);
      a.set(new Int8Array(rows.buffer));
      const out = new Int8Array(256 * 256);
      mulFold(a, new Int8Array(matrix.buffer), out);
      expect(answers[i], `case ${i}`).toBe(bytesToHex(asBytes(out.subarray(0, rows.length))));
    }
  });

  it('finishes sums by FNV and SHA-3', (ctx) => {
    const sums = [bytes(65_536), new Uint8Array(65_536), new Uint8Array(65_536).fill(255)];
    const answers = check(
      ctx,
      sums.map((sum) => `finish ${bytesToHex(sum)}`),
    );
    for (const [i, sum] of sums.entries()) {
      expect(answers[i], `sum ${i}`).toBe(bytesToHex(finishHash(sum)));
    }
  });

  it('computes single rows, the first and last among them', (ctx) => {
    const cases = [
      { hash: vectors[0]!.header_hash, row0: 0, n: 1 },
      { hash: bytesToHex(bytes(32)), row0: 252, n: 4 },
      { hash: bytesToHex(bytes(32)), row0: 77, n: 3 },
    ];
    const [, ...answers] = check(ctx, [
      `derive ${SEED}`,
      ...cases.map(({ hash, row0, n }) => `rows ${hash} ${hexByte(row0)} ${hexByte(n)}`),
    ]);
    for (const [i, { hash, row0, n }] of cases.entries()) {
      const rows = summedRows(hexToBytes(hash, 'hash', 32), table, row0, n);
      expect(answers[i], `${row0} + ${n}`).toBe(bytesToHex(rows));
    }
  });

  it('ends when a hook says so: before a product, and within one', (ctx) => {
    const hash = vectors[0]!.header_hash;
    const [, atProduct, atPoll] = check(ctx, [
      `derive ${SEED}`,
      `stop ${hash} ffffff 02`,
      `stop ${hash} 03 ff`,
    ]);
    expect(atProduct).toMatch(/^stopped [0-9a-f]+ 2$/);
    expect(atPoll).toBe('stopped 3 1');
  });
});

describe('whole hashes', () => {
  const programs = [
    ['core-check-plain', 6],
    ['core-check-wide', 3],
    ['core-check-narrow', 2],
    ['core-check-dsp', 2],
    ['core-check-wide-sanitized', 1],
  ] as const;
  for (const [program, count] of programs) {
    it(`${program}: ${count} of the published ones`, { timeout: 240_000 }, (ctx) => {
      const cases = vectors.slice(0, count);
      const commands = cases.flatMap(({ seed, header_hash }, i) =>
        // Two hashes of one seed in a row: the second finds what the first has left.
        seed === cases[i - 1]?.seed
          ? [`hash ${header_hash}`]
          : [`derive ${seed}`, `hash ${header_hash}`],
      );
      const answers = ask(ctx, program, commands).filter((answer) => answer.length === 64);
      expect(answers).toEqual(cases.map(({ result }) => result));
    });
  }

  it('a wrong command is an error in words', (ctx) => {
    const answers = ask(ctx, 'core-check-wide', [
      'hash',
      'hash 00',
      'hash 0g',
      'nothing',
      'dot 00 00',
      `rows ${'00'.repeat(32)} ff 02`,
    ]);
    expect(answers).toHaveLength(6);
    for (const answer of answers) expect(answer).toMatch(/^error /);
  });
});

describe('images of boards', () => {
  const images = [
    ['virt', 'riscv64-unknown-elf-gcc'],
    ['mps2-an385', 'arm-none-eabi-gcc'],
    ['mps2-an505', 'arm-none-eabi-gcc'],
    ['nucleo-h743zi2', 'arm-none-eabi-gcc'],
  ] as const;
  for (const [image, compiler] of images) {
    it(`${image} builds without a warning and keeps to its limits`, (ctx) => {
      const printed = make(ctx, compiler, image);
      expect(printed).not.toMatch(/warning:/i);
      const [, text, ram] = new RegExp(`${image}.elf +text +(\\d+) +RAM +(\\d+)`).exec(printed)!;
      expect(Number(text)).toBeGreaterThan(4096);
      expect(Number(text)).toBeLessThanOrEqual(TEXT_BYTES);
      expect(Number(ram)).toBeGreaterThan(208 * 1024);
      if (image === 'virt') expect(Number(ram)).toBeLessThanOrEqual(RAM_BYTES);
    });

    it(`${image} has a stack for its deepest calls`, (ctx) => {
      const build = join(folder, `stack-${image}`);
      make(ctx, compiler, image, `BUILD=${build}`, 'EXTRA=-fcallgraph-info=su');
      const script = readFileSync(join(FIRMWARE, 'boards', image, 'image.ld'), 'utf8');
      const [, size, unit] = /^STACK_BYTES = .*?(\d+)(K?);$/m.exec(script)!;
      const bytes = Number(size) * (unit === 'K' ? 1024 : 1);
      const graphs = readdirSync(build).filter((name) => name.endsWith('.ci'));
      const graph = graphs.map((name) => readFileSync(join(build, name), 'utf8')).join('');
      const deepest = stackOf(graph);
      // The names of functions that are called by pointer are known here by heart.
      expect(deepest.path).toContain('requests_handle');
      expect(deepest.bytes, deepest.path.join(' > ')).toBeGreaterThan(500);
      expect(deepest.bytes, deepest.path.join(' > ')).toBeLessThan(bytes * (1 - STACK_RESERVE));
    });
  }
});

/** Answers of a program of the Makefile, a line each, to commands, a line each. */
function ask(ctx: TestContext, program: string, commands: readonly string[]): string[] {
  make(ctx, 'cc', join(folder, program));
  const { stdout, stderr, status, error } = spawnSync(join(folder, program), {
    input: `${commands.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trimEnd().split('\n');
}

interface Depth {
  readonly bytes: number;
  readonly path: readonly string[];
}

/** Of main's calls, from what GCC's -fcallgraph-info=su says of all files. */
function stackOf(graph: string): Depth {
  const frames = new Map<string, number>();
  const calls = new Map<string, Set<string>>();
  for (const [, name, bytes] of graph.matchAll(
    /^node: .*title: "(.*?)" .*\\n(\d+) bytes \(static\)/gm,
  )) {
    frames.set(name!, Number(bytes));
  }
  for (const [, from, to] of graph.matchAll(/^edge: .*sourcename: "(.*?)" targetname: "(.*?)"/gm)) {
    calls.set(from!, (calls.get(from!) ?? new Set()).add(to!));
  }
  expect(graph).not.toMatch(/bytes \(dynamic/);
  const called = new Set([...calls.values()].flatMap((names) => [...names]));
  const isHandler = (name: string): boolean =>
    /^tsp\/requests\.c:(?!poll_)/.test(name) && !called.has(name);
  const byPointer = new Map([
    ['ten_derive', ['tsp/work.c:poll_derive']],
    ['ten_hash', ['tsp/work.c:poll_hash', 'tsp/work.c:next_product']],
    ['ten_rows', ['tsp/work.c:poll_rows']],
    ['tsp/requests.c:selftest', ['tsp/requests.c:poll_finish']],
    ['requests_handle', [...frames.keys()].filter(isHandler)],
  ]);
  const below = (name: string, pointers: readonly string[], path: readonly string[]): Depth => {
    const inside = byPointer.get(name) ?? pointers;
    const call = `${name} (${inside.join()})`;
    if (path.includes(call)) throw new Error(`recursion: ${[...path, call].join(' > ')}`);
    // A product's hook is called by the hash alone, not by what the hash calls.
    const targets = inside.filter((to) => name === 'ten_hash' || to !== 'tsp/work.c:next_product');
    const next = [...(calls.get(name) ?? [])].flatMap((to) =>
      to === '__indirect_call' ? targets : [to],
    );
    const depths = next.map((to) => below(to, inside, [...path, call]));
    const deepest = depths.sort((a, b) => b.bytes - a.bytes)[0] ?? { bytes: 0, path: [] };
    const own = frames.get(name) ?? LIBRARY_FRAME;
    return { bytes: own + deepest.bytes, path: [name, ...deepest.path] };
  };
  return below('main', [], []);
}

/** What `make` printed. Skips the test where make or the compiler is not installed. */
function make(
  ctx: TestContext,
  compiler: string,
  target: string,
  ...more: readonly string[]
): string {
  for (const tool of ['make', compiler]) {
    if (spawnSync(tool, ['--version']).error !== undefined) ctx.skip(`${tool} is not installed`);
  }
  const { stdout, stderr, status } = spawnSync(
    'make',
    ['-C', FIRMWARE, `BUILD=${folder}`, 'WERROR=-Werror', ...more, target],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`make ${target} exited ${status}: ${stderr}`);
  return stdout + stderr;
}

function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(repoRoot, `test/vectors/${name}.json`), 'utf8')) as T;
}

function asBytes(values: Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.length);
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
