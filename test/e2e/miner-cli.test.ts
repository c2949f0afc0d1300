/** The built program's commands and what it says to wrong ones. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TIER_NAMES } from '../../src/tensority/wasm/tiers.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { repoRoot } from '../support/repo-files.ts';
import { expectRefusal, runMiner } from './miner-process.ts';
import { type Ended, expectSuccess, lastLine } from './program-process.ts';

interface PowCase {
  readonly seed: string;
  readonly header_hash: string;
  readonly result: string;
}

const VECTORS = join(repoRoot, 'test/vectors/tensority.json');
const { cases } = readJson<{ readonly cases: readonly PowCase[] }>(VECTORS);
const { mainnet } = readJson<{
  readonly mainnet: readonly { readonly header_hex: string; readonly hash: string }[];
}>(join(repoRoot, 'test/vectors/block_headers.json'));
const block123 = mainnet[0]!;
const pow123 = cases.find((c) => c.header_hash === block123.hash)!;
const { seed } = pow123;
/** Of one seed, so that one table is enough. */
const twoCases = cases.filter((c) => c.seed === seed).slice(0, 2);

const folder = mkdtempSync(join(tmpdir(), 'bytom-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The object of `--json`, its numbers exact. */
function jsonOf(ended: Ended): Readonly<Record<string, JsonValue>> {
  return parseExact(lastLine(ended)) as Readonly<Record<string, JsonValue>>;
}

describe('help', () => {
  it('fits 100 columns, with the groups in their order', async () => {
    const help = await runMiner(['--help']);
    expectSuccess(help);
    const headings = help.stdout.split('\n').filter((line) => /^[A-Z].*:$/.test(line));
    expect(headings).toEqual([
      'What to do:',
      'Where jobs come from:',
      'Devices:',
      'Output:',
      'Commands:',
      'Examples:',
    ]);
    expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('of a command comes by `help` and by `--help`', async () => {
    const [byCommand, byFlag] = await Promise.all([
      runMiner(['help', 'verify']),
      runMiner(['verify', '--help']),
    ]);
    expectSuccess(byCommand);
    expect(byCommand.stdout).toContain('--expect-bits');
    expect(byFlag).toEqual(byCommand);
  });

  it('and version need nothing else to be right', async () => {
    const { version } = readJson<{ readonly version: string }>(join(repoRoot, 'package.json'));
    const ended = await runMiner(['--version'], { env: { BYTOM_MINER_CONFIG: '/no/such/file' } });
    expectSuccess(ended);
    expect(ended.stdout).toBe(`${version}\n`);
  });
});

describe('a wrong command line', () => {
  const good = { seed: ['--seed', seed], header: ['--header', block123.hash] };
  const refusals: readonly (readonly [args: readonly string[], code: number, text: string])[] = [
    [['--bogus'], 2, "unknown option '--bogus'"],
    [['--versoin'], 2, '(Did you mean --version?)'],
    [['verify', '--bogus'], 2, "unknown option '--bogus'"],
    [['mine'], 2, "unknown command 'mine' (there are: hash, verify, export-onnx, help)"],
    [['verify', 'extra'], 2, "too many arguments for 'verify'"],
    [['--shares'], 2, "option '--shares <n>' argument missing"],
    [['--shares', '0'], 2, 'shares: expected a whole number from 1, got "0"'],
    [['--time-limit', '0'], 2, 'time-limit: expected seconds from 0.001 to below 2147483'],
    [['--log-cycle', '-1'], 2, 'log-cycle: expected seconds from 0 to below'],
    [['--difficulty', '1.5'], 2, 'difficulty: expected a whole number from 1'],
    [['--threads', '0'], 2, 'threads: expected a whole number from 1 to 1024, got "0"'],
    [['--kernel', 'avx'], 2, 'kernel: expected one of relaxed32-256, '],
    [['--benchmark=0'], 2, 'benchmark: expected a whole number from 1'],
    [['--list-devices=xml'], 2, 'list-devices: expected one of text, json, got "xml"'],
    [['--log-format', 'xml'], 2, 'log-format: expected one of text, json, got "xml"'],
    [['--log-level', 'loud'], 2, 'log-level: expected one of trace, '],
    [['-i', '101'], 2, 'intensity: expected percents from 1 to 100 or *'],
    [['-i', '80,80'], 2, 'intensity: expected at most 1, one for each of cpu, got 2'],
    [['-o', 'http://pool:1', '-u', 'a.b'], 2, 'url: expected stratum+tcp://host:port'],
    [['-o', 'stratum+tcp://pool', '-u', 'a.b'], 2, 'url: expected stratum+tcp://host:port'],
    [['-o', 'stratum+tcp://pool:1'], 2, 'user: expected address.worker at the pool, got nothing'],
    [['-o', 'pool:1', '-u', ' '], 2, 'user: expected address.worker, got ""'],
    [['-o', 'pool:1', '-u', 'a', '-u', 'b'], 2, 'user: expected one, as there is one pool, got 2'],
    [['-u', 'a.b', '-p', 'x'], 2, '--url is missing'],
    [['--tls-fingerprint', 'ab'], 2, 'tls-fingerprint: expected a SHA-256 fingerprint'],
    [['--solo', 'ftp://node'], 2, 'solo: node URL: expected http://host:port'],
    [['--solo', 'http://node', '--dummy'], 2, 'take one of --url, --solo and --dummy'],
    [['--device', 'gpu0'], 3, 'no such device: gpu0 (there are: cpu'],
    [['-d', '!cpu'], 3, 'no device is left of !cpu (there are: cpu'],
    [['-d', 'cpu,'], 2, 'device: expected names like'],
    [['--log-file', `${folder}/no/log`], 2, 'log-file: expected a file that can be appended to'],
    [['hash', ...good.header], 2, "required option '--seed <hex>' not specified"],
    [['hash', ...good.header, '--seed', 'ab'], 2, 'seed: expected 64 hex digits, got 2 characters'],
    [['hash', ...good.header, '--seed', `${seed}00`], 2, 'seed: expected 64 hex digits, got 66'],
    [['hash', ...good.seed, '--header', 'xy'], 2, 'hex digits, got "x" at position 0'],
    [['hash', ...good.seed, '--header', seed.slice(2)], 2, 'header: expected 32 bytes'],
    [['hash', ...good.seed, ...good.header, '-d', 'gpu7'], 3, 'no such device: gpu7'],
    [['--shares', '1', 'hash', ...good.seed, ...good.header], 2, "'--shares' has no meaning"],
    [['verify'], 2, 'verify takes either --vectors FILE or --block HEX|FILE'],
    [['verify', '--vectors', 'f', '--block', 'b'], 2, 'verify takes either'],
    [['verify', '--vectors', 'f', ...good.seed], 2, '--seed and --expect-bits go with --block'],
    [['verify', '--block', block123.header_hex], 2, '--block needs --seed HEX'],
    [
      ['verify', '--block', 'nothing', ...good.seed],
      2,
      'block: expected the name of a file or hex',
    ],
    [['verify', '--vectors', `${folder}/none`], 2, 'vectors: expected a readable file, got ENOENT'],
    [['verify', '--vectors', join(repoRoot, 'biome.json')], 2, 'an object with an array "cases"'],
    [['verify', '--vectors', join(repoRoot, 'LICENSE')], 2, 'vectors: expected JSON, got '],
  ];

  it.each(refusals)('%j ends with %i and one line: %s', async (args, code, text) => {
    const ended = await runMiner(args);
    expectRefusal(ended, code, text);
    expect(ended.stdout).toBe('');
  });

  it('is found before a device is opened, which would take longer', async () => {
    // A self-test of this kernel takes most of a minute.
    const slow = ['--kernel', 'javascript'];
    const header = ['--header', 'ab'];
    const start = performance.now();
    expectRefusal(await runMiner(['hash', '--seed', seed, ...header, ...slow]), 2, 'header: ');
    expectRefusal(await runMiner(['verify', '--vectors', folder, ...slow]), 2, 'vectors: ');
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('--list-devices', () => {
  it('lists them for people and as one JSON object', async () => {
    const [text, json, flag] = await Promise.all([
      runMiner(['--list-devices', '--threads', '3']),
      runMiner(['--list-devices=json', '--threads', '3']),
      runMiner(['--list-devices', '--threads', '3', '--json']),
    ]);
    expectSuccess(text);
    expect(text.stdout).toMatch(/^cpu {2,}\S.*, 3 threads, driver cpu\n/);
    expect(text.stdout).toMatch(/^webgpu: not available, .+$/m);
    expectSuccess(json);
    expect(jsonOf(json)).toMatchObject({
      devices: expect.arrayContaining([
        expect.objectContaining({ id: 'cpu', threads: 3, driver: 'cpu' }),
      ]),
      unavailable: expect.arrayContaining([{ driver: 'webgpu', reason: expect.any(String) }]),
    });
    expect(flag).toEqual(json);
  });
});

describe('hash', () => {
  it('prints the PoW hash of a header hash or a header', async () => {
    for (const [header, read] of [
      [block123.hash, 'header-hash'],
      [block123.header_hex, 'header'],
    ] as const) {
      const ended = await runMiner(['hash', '--seed', seed, '--header', header, '--json']);
      expectSuccess(ended);
      expect(ended.stdout).toMatch(new RegExp(`^${pow123.result} {2}\\(of the .*\\)\n\\{.*\\}\n$`));
      expect(jsonOf(ended)).toEqual({
        seed,
        read,
        headerHash: block123.hash,
        powHash: pow123.result,
      });
    }
  });

  it('takes options that stand before its name', async () => {
    const ended = await runMiner(['--json', 'hash', '--seed', seed, '--header', block123.hash]);
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({ powHash: pow123.result });
    const wrong = await runMiner(['-d', 'gpu0', 'hash', '--seed', seed, '--header', seed]);
    expectRefusal(wrong, 3, 'no such device: gpu0');
  });
});

describe('verify', () => {
  it('counts the published vectors', async () => {
    const ended = await runMiner(['verify', '--vectors', VECTORS, '--json']);
    expectSuccess(ended);
    expect(ended.stdout).toBe(`${cases.length} ok, 0 wrong\n{"ok":${cases.length},"wrong":0}\n`);
    expect(cases.length).toBe(33);
  });

  it('names a wrong vector and ends with 1', async () => {
    const [good, bad] = [twoCases[0]!, { ...twoCases[1]!, result: seed }];
    const path = file('wrong.json', JSON.stringify([good, bad]));
    const ended = await runMiner(['verify', '--vectors', path, '--json']);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toContain(`vector 1: expected ${seed}, got ${twoCases[1]!.result}\n`);
    expect(jsonOf(ended)).toMatchObject({ ok: 1, wrong: 1 });
  });

  it('accepts the work of mainnet block 123, from hex or a file, with exact numbers', async () => {
    const block = file('header.hex', `${block123.header_hex}\n`);
    for (const value of [block123.header_hex, block]) {
      const ended = await runMiner(['verify', '--block', value, '--seed', seed, '--json']);
      expectSuccess(ended);
      expect(ended.stdout).toMatch(/^valid\n/);
      expect(lastLine(ended)).toContain('"bits":2161727821137910632,');
      expect(jsonOf(ended)).toMatchObject({
        valid: true,
        blockHash: block123.hash,
        powHash: pow123.result,
        target: `0000011b68${'0'.repeat(54)}`,
        difficulty: 15_154_807,
        bits: 2_161_727_821_137_910_632n,
        nonce: 8_946_685_314_549,
      });
    }
  });

  it('refuses other work, and bits that were not asked for, with 1', async () => {
    const changed = block123.header_hex.replace(/^01017b/, '01017c');
    const mined = ['verify', '--block', block123.header_hex, '--seed', seed, '--json'];
    const [other, bits] = await Promise.all([
      runMiner(['verify', '--block', changed, '--seed', seed, '--json']),
      runMiner([...mined, '--expect-bits', '2161727821137910633']),
    ]);
    for (const ended of [other, bits]) {
      expect(ended.code, ended.stderr).toBe(1);
      expect(ended.stderr).toBe('');
      expect(ended.stdout).toMatch(/^not valid: /);
    }
    expect(jsonOf(other)).toMatchObject({
      valid: false,
      reason: 'the PoW hash is above the target',
    });
    expect(jsonOf(bits)).toMatchObject({ valid: false, powHash: pow123.result });
    expectSuccess(await runMiner([...mined, '--expect-bits', '0x1e00000000011b68']));
  });

  it('refuses what no block can hold, naming the field', async () => {
    // The nonce as a varint, and one of 2^63 in its place.
    const tooLarge = block123.header_hex.replace('f58b8080b18402', `${'80'.repeat(9)}01`);
    expect(tooLarge).not.toBe(block123.header_hex);
    const ended = await runMiner(['verify', '--block', tooLarge, '--seed', seed]);
    expectRefusal(ended, 2, 'block.nonce: expected ');
    const cut = await runMiner([
      'verify',
      '--block',
      block123.header_hex.slice(0, -2),
      '--seed',
      seed,
    ]);
    expectRefusal(cut, 2, 'block.bits: expected a whole varint');
  });
});

describe('--kernel', () => {
  const vectors = (): string => file('two.json', JSON.stringify(twoCases));

  // Plain JavaScript takes a minute or two; test/tensority/thread-hasher-vectors.test.ts compares it.
  it.each(TIER_NAMES.filter((name) => name !== 'javascript'))(
    '%s is exact, where the processor has it',
    async (kernel) => {
      const ended = await runMiner([
        'verify',
        '--vectors',
        vectors(),
        '--kernel',
        kernel,
        '--json',
      ]);
      if (ended.code === 3) {
        expectRefusal(ended, 3, `(what this processor runs exactly), got ${kernel}`);
        return;
      }
      expectSuccess(ended);
      expect(lastLine(ended)).toBe('{"ok":2,"wrong":0}');
    },
  );
});

describe('--benchmark', () => {
  it('tells speed, share of the peak and a checksum, with every hash checked', async () => {
    const ended = await runMiner(['--benchmark=64', '--json']);
    expectSuccess(ended);
    const result = jsonOf(ended);
    expect(Object.keys(result)).toEqual([
      'hashes',
      'seconds',
      'hashesPerSecond',
      'device',
      'kernel',
      'threads',
      'fractionOfPeak',
      'checksum',
    ]);
    expect(result).toMatchObject({
      hashes: 64,
      device: 'cpu',
      checksum: '8fa31a466a92f1c962621a9f13c1452e8704d7112a7b4315be4ee67458e2f403',
    });
    expect(ended.stdout).toMatch(/^\d+\.\d\d H\/s on cpu, kernel \S+, \d+ threads?\n/);
  });

  it('runs on one thread, and without the 256-bit pass, if told to', async () => {
    const one = await runMiner(['--benchmark=2', '--threads', '1', '--no-revectorize', '--json']);
    expectSuccess(one);
    expect(jsonOf(one)).toMatchObject({ hashes: 2, threads: 1 });
    expect(jsonOf(one)['kernel']).not.toMatch(/-256$/);
    expect(one.stdout).toContain(', 1 thread\n');
  });

  it('ends after --time-limit', async () => {
    const ended = await runMiner(['--benchmark', '--time-limit', '0.3', '--json']);
    expectSuccess(ended);
    const { hashes, seconds } = jsonOf(ended);
    expect(hashes).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(9);
  });
});
