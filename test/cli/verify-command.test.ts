import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { KernelsDisagreeError, type VerifyParts } from '../../src/cli/pow-input.ts';
import { parseVectors, readVectors, runVerifyVectors } from '../../src/cli/verify-command.ts';
import { InputError } from '../../src/util/errors.ts';
import { stringifyExact } from '../../src/util/json.ts';
import { emptyTables, type KnownHash, LookupHasher } from './lookup-hasher.ts';

const path = fileURLToPath(new URL('../vectors/tensority.json', import.meta.url));
const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { readonly cases: KnownHash[] };
const seeds = new Set(cases.map((c) => c.seed)).size;

const folder = mkdtempSync(join(tmpdir(), 'bytom-verify-'));
afterAll(() => rmSync(folder, { recursive: true }));

function parts(known: readonly KnownHash[] = cases, confirm?: readonly KnownHash[]): VerifyParts {
  const hasher = new LookupHasher(known);
  if (confirm === undefined) return { hasher, tables: emptyTables };
  return { hasher, tables: emptyTables, confirm: new LookupHasher(confirm) };
}

/** The cases with the result of those at `indexes` changed in its last digit. */
function spoilt(...indexes: readonly number[]): KnownHash[] {
  return cases.map((c, i) => {
    if (!indexes.includes(i)) return c;
    return { ...c, result: c.result.slice(0, -1) + (c.result.endsWith('0') ? '1' : '0') };
  });
}

describe('verify --vectors', () => {
  it('counts the published vectors', async () => {
    const output = await runVerifyVectors(await readVectors(path), parts());
    expect(stringifyExact(output.result)).toBe('{"ok":33,"wrong":0}');
    expect([output.text, output.exitCode]).toEqual(['33 ok, 0 wrong', 0]);
  });

  it('reads an array as well as an object with cases', async () => {
    const file = join(folder, 'array.json');
    writeFileSync(file, JSON.stringify(cases.slice(0, 3)));
    const output = await runVerifyVectors(await readVectors(file), parts());
    expect(output.result).toEqual({ ok: 3, wrong: 0 });
  });

  it('loads each seed once, fills batches and reports progress to the end', async () => {
    const hasher = new LookupHasher(cases, 2);
    const tables: string[] = [];
    const progress: (readonly [number, number])[] = [];
    await runVerifyVectors(
      parseVectors(JSON.stringify(cases)),
      {
        hasher,
        tables: (seed) => {
          tables.push(Buffer.from(seed).toString('hex'));
          return emptyTables(seed);
        },
      },
      (done, total) => progress.push([done, total]),
    );
    expect(tables.length).toBe(seeds);
    expect(new Set(tables).size).toBe(seeds);
    expect(hasher.loaded).toEqual(tables);
    expect(seeds).toBeLessThan(cases.length);
    expect(Math.max(...hasher.batches)).toBe(2);
    const dones = progress.map(([done]) => done);
    expect(dones).toEqual([...dones].sort((a, b) => a - b));
    expect(progress.at(-1)).toEqual([33, 33]);
  });

  it('lists every wrong one by its place in the file, and fails', async () => {
    const bad = spoilt(30, 2);
    const output = await runVerifyVectors(parseVectors(JSON.stringify(bad)), parts());
    expect(output.exitCode).toBe(1);
    expect(output.result).toEqual({
      ok: 31,
      wrong: 2,
      failures: [2, 30].map((index) => ({
        index,
        expected: bad[index]!.result,
        got: cases[index]!.result,
      })),
    });
    const lines = output.text.split('\n');
    expect(lines[0]).toBe(`vector 2: expected ${bad[2]!.result}, got ${cases[2]!.result}`);
    expect(lines.at(-1)).toBe('31 ok, 2 wrong');
  });

  it('computes a wrong one again by another kernel, and only that one', async () => {
    const vectors = parseVectors(JSON.stringify(spoilt(5)));
    const both = parts(cases, cases);
    const output = await runVerifyVectors(vectors, both);
    expect(output.result.wrong).toBe(1);
    expect((both.confirm as LookupHasher).batches).toEqual([1]);
  });

  it('gives no answer when the second kernel computes something else', async () => {
    const vectors = parseVectors(JSON.stringify(cases));
    const work = runVerifyVectors(vectors, parts(spoilt(5), cases));
    await expect(work).rejects.toThrow(KernelsDisagreeError);
    await expect(work).rejects.toMatchObject({
      detail: { code: 'kernels-disagree', headerHash: cases[5]!.header_hash },
    });
  });
});

describe('a vectors file that cannot be used', () => {
  const good = cases[0]!;
  const files: readonly (readonly [string, string])[] = [
    ['', 'vectors: expected JSON, got '],
    ['{"cases":[', 'vectors: expected JSON, got '],
    ['5', 'vectors: expected an array, or an object with an array "cases", got number 5'],
    ['{"vectors":[]}', 'got an object with vectors'],
    ['{"cases":{}}', 'got an object with cases'],
    ['[]', 'vectors: expected at least one vector, got none'],
    ['[1]', '[0]: expected an object, got number 1'],
    ['{"cases":[null]}', 'cases[0]: expected an object, got null'],
    [
      JSON.stringify({ cases: [good, good, good, { ...good, seed: 'ab' }] }),
      'cases[3].seed: expected 64 hex digits, got 2 characters "ab"',
    ],
    [
      JSON.stringify({ cases: [{ ...good, header_hash: `${good.header_hash}00` }] }),
      'cases[0].header_hash: expected 64 hex digits, got 66 characters',
    ],
    [
      JSON.stringify([{ ...good, result: `zz${good.result.slice(2)}` }]),
      '[0].result: expected 64 hex digits, got "z" at position 0',
    ],
    [
      JSON.stringify([{ ...good, result: undefined }]),
      '[0].result: expected 64 hex digits, got nothing',
    ],
    [JSON.stringify([{ ...good, seed: 7 }]), '[0].seed: expected 64 hex digits, got number 7'],
    [
      JSON.stringify([{ ...good, seed: [] }]),
      '[0].seed: expected 64 hex digits, got an array of 0',
    ],
  ];

  it('is refused with the field and what was got', () => {
    for (const [text, message] of files) {
      expect(() => parseVectors(text), text.slice(0, 40)).toThrow(message);
      expect(() => parseVectors(text), text.slice(0, 40)).toThrow(InputError);
    }
  });

  it('or does not exist is named', async () => {
    const missing = join(folder, 'missing.json');
    await expect(readVectors(missing)).rejects.toThrow(
      /^vectors: expected a readable file, got ENOENT/,
    );
  });
});
