/**
 * The archive for Linux on x86-64: built once, unpacked elsewhere, and run without an environment,
 * without a network and, where we may, without the checkout that it was made from.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { libraryNeeds } from '../../src/cli/package-needs.ts';
import { LAUNCHERS } from '../../src/cli/package-texts.ts';
import { repoRoot } from '../support/repo-files.ts';

/** A program of the machine, not of this package. */
const READELF = 'readelf';
const PACKER = join(repoRoot, 'dist/src/cli/package-linux.js');
const MOST_BYTES = 60 * 2 ** 20;
const BUILD_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 240_000;
/** Without a driver unless a test wants one. */
const NO_GPU = { VK_ICD_FILENAMES: '/nonexist' };
const GPU = {
  VK_ICD_FILENAMES: process.env['VK_ICD_FILENAMES'] ?? '',
  XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '/tmp',
};
const hasGpu = process.env['TEST_WEBGPU'] === '1';
const isHere = process.platform === 'linux' && process.arch === 'x64';

describe.skipIf(!isHere)('the archive for Linux on x86-64', () => {
  const folder = mkdtempSync(join(tmpdir(), 'archive-'));
  let packed: { readonly stdout: string; readonly archive: string };
  /** The unpacked folder. */
  let home: string;
  let isolation: readonly string[];

  beforeAll(async () => {
    const outs = ['first', 'second'].map((name) => join(folder, name));
    // At once, each with half of the machine; the second as somebody whose files nobody else may read.
    const [first] = await Promise.all([
      pack(['node', PACKER, '--out', outs[0]!]),
      pack(['sh', '-c', 'umask 077; exec "$@"', 'sh', 'node', PACKER, '--out', outs[1]!]),
    ]);
    const [name] = readdirSync(outs[0]!);
    packed = { stdout: first!, archive: join(outs[0]!, name!) };
    execFileSync('tar', ['-xzf', packed.archive, '-C', folder]);
    home = join(folder, name!.replace(/\.tar\.gz$/, ''));
    mkdirSync(join(folder, 'elsewhere'));
    isolation = chooseIsolation();
  }, BUILD_LIMIT_MS);
  afterAll(() => rmSync(folder, { recursive: true }));

  async function pack(command: readonly string[]): Promise<string> {
    const path = `${join(process.execPath, '..')}:${process.env['PATH']}`;
    const env = { ...process.env, PATH: path };
    const child = spawn(command[0]!, command.slice(1), { env, cwd: folder });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  }

  /** A command's beginning that hides the network and the checkout from the rest of it. */
  function chooseIsolation(): readonly string[] {
    const hidden = ['unshare', '--mount', '--net', 'sh', '-c'];
    const command = [...hidden, `mount -t tmpfs none '${repoRoot}' && exec "$@"`, 'sh'];
    const checks = `! [ -e '${repoRoot}/package.json' ]`;
    const probe = spawnSync(command[0]!, [...command.slice(1), 'sh', '-c', checks]);
    return probe.status === 0 ? command : [];
  }

  interface Ended {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }

  /** Runs a program of the archive with nothing in its environment but what is given. */
  function run(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = NO_GPU,
  ): Ended {
    const settings = Object.entries({ PATH: '/usr/bin:/bin', ...env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const [command, ...rest] = [...isolation, 'env', '-i', ...settings, program, ...args];
    const { status, stdout, stderr } = spawnSync(command!, rest, {
      cwd: join(folder, 'elsewhere'),
      encoding: 'utf8',
      timeout: RUN_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    return { code: status, stdout, stderr };
  }

  it('is small enough, says what takes how much, and where it is', () => {
    const { size } = statSync(packed.archive);
    expect(size).toBeLessThanOrEqual(MOST_BYTES);
    expect(packed.stdout).toMatch(/^Node 24\.\d+\.\d+ +\d+\.\d MiB {2}1 files$/m);
    expect(packed.stdout).toMatch(/^Dawn \d+\.\d+\.\d+ +\d+\.\d MiB {2}\d+ files$/m);
    expect(packed.stdout).toContain(
      `packed               ${(size / 2 ** 20).toFixed(1).padStart(7)} MiB`,
    );
    expect(packed.stdout.trimEnd().split('\n').at(-1)).toMatch(
      /first\/bytom-tensority-.*\.tar\.gz$/,
    );
  });

  it('has the same bytes when it is made again', () => {
    const digest = (path: string): string =>
      createHash('sha256').update(readFileSync(path)).digest('hex');
    const again = packed.archive.replace('/first/', '/second/');
    expect(digest(again)).toBe(digest(packed.archive));
    // Nothing is left of the making but the archive.
    expect(readdirSync(join(folder, 'first')).length).toBe(1);
  });

  it('holds one Node, one Dawn, the programs and the texts, and no sources, maps or tests', () => {
    const files = readdirSync(home, { recursive: true, encoding: 'utf8' });
    const native = files.filter((file) => file.endsWith('.node'));
    expect(native.filter((file) => file.includes('webgpu'))).toEqual([
      'node_modules/webgpu/dist/linux-x64/dawn.node',
    ]);
    expect(native.filter((file) => file.includes('lmdb'))).toEqual([
      'node_modules/@lmdb/lmdb-linux-x64/node.napi.glibc.node',
    ]);
    for (const file of ['bin/node', 'README.md', 'LICENSE', 'THIRD-PARTY.txt', 'USING.txt']) {
      expect(files, file).toContain(file);
    }
    for (const [name, program] of Object.entries(LAUNCHERS)) {
      expect(files, program).toContain(program);
      expect(statSync(join(home, name)).mode & 0o777, name).toBe(0o755);
    }
    expect(files).toContain('dist/test/bench/gpu-vendor-product.py');
    expect(files).toContain('dist/shaders/keccak.wgsl');
    expect(files.filter((file) => /\.(?:ts|map)$/.test(file))).toEqual([]);
    expect(files.filter((file) => /^dist\/test\/(?!bench(?:$|\/gpu))/.test(file))).toEqual([]);
    expect(
      files.filter((file) =>
        /^node_modules\/(?:vitest|typescript|@types|@webgpu\/types)\//.test(file),
      ),
    ).toEqual([]);
    expect(files.filter((file) => lstatSync(join(home, file)).isSymbolicLink())).toEqual([]);
  });

  it('gives every package that it carries its terms', () => {
    const text = readFileSync(join(home, 'THIRD-PARTY.txt'), 'utf8');
    const names = readdirSync(join(home, 'node_modules')).flatMap((name) =>
      name.startsWith('@')
        ? readdirSync(join(home, 'node_modules', name)).map((rest) => `${name}/${rest}`)
        : [name],
    );
    for (const name of names) {
      const { version } = JSON.parse(
        readFileSync(join(home, 'node_modules', name, 'package.json'), 'utf8'),
      ) as { readonly version: string };
      expect(text, name).toContain(`\n  ${name} ${version}: `);
      expect(text, name).toContain(`\n${name} ${version} (`);
    }
    expect(text).toContain('Copyright Node.js contributors');
    expect(text).toContain('Dawn & Tint Authors');
    expect(text).toContain('OpenLDAP Public License');
    expect(text.match(/Apache License\s+Version 2\.0/g)?.length).toBeGreaterThan(4);
  });

  it('says truly which C and C++ libraries it needs', (ctx) => {
    const dynamic = spawnSync(READELF, ['--version']);
    if (dynamic.error !== undefined) ctx.skip('there is no readelf');
    const files = readdirSync(home, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.node') || file === 'bin/node')
      .map((file) => join(home, file));
    const versions = execFileSync(READELF, ['--version-info', ...files], { encoding: 'utf8' });
    const needs = libraryNeeds(files.map((file) => readFileSync(file)));
    expect([needs.glibc, needs.libstdcxx]).toEqual(
      ['GLIBC', 'GLIBCXX'].map((prefix) => {
        const found = versions.matchAll(new RegExp(`\\b${prefix}_(\\d+(?:\\.\\d+)+)`, 'g'));
        const order = new Intl.Collator('en', { numeric: true });
        return [...found]
          .map(([, version]) => version!)
          .sort(order.compare)
          .at(-1);
      }),
    );
    // Debian 12 and Ubuntu 22.04, which the text names.
    const [, glibc] = needs.glibc!.split('.').map(Number);
    expect(glibc).toBeLessThanOrEqual(35);
    const [, , libstdcxx] = needs.libstdcxx!.split('.').map(Number);
    expect(libstdcxx).toBeLessThanOrEqual(30);
    const using = readFileSync(join(home, 'USING.txt'), 'utf8');
    expect(using).toContain(`glibc ${needs.glibc} or newer`);
    expect(using).toContain(`GLIBCXX_${needs.libstdcxx}`);
  });

  it('loads every package that a program may load', () => {
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(home, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    // Two it goes without.
    const names = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
      (name) => name !== 'onnxruntime-node' && name !== 'gpu.js',
    );
    // @noble's and @scure's packages have only parts.
    const parts = names.map((name) =>
      name === '@noble/ciphers'
        ? '@noble/ciphers/salsa.js'
        : name === '@noble/curves'
          ? '@noble/curves/ed25519.js'
          : name === '@noble/hashes'
            ? '@noble/hashes/sha3.js'
            : name,
    );
    const text = `for (const name of ${JSON.stringify(parts)}) {
      const from = import.meta.resolve(name);
      if (!from.startsWith(${JSON.stringify(`file://${home}/`)})) throw new Error(name + ' is from ' + from);
      await import(name);
    }
    console.log('loaded');
    process.exit(0);`;
    const script = `cd '${home}' && exec bin/node --input-type=module -e "$1"`;
    const { code, stdout, stderr } = run('sh', ['-c', script, 'sh', text]);
    expect([code, stdout, stderr]).toEqual([0, 'loaded\n', '']);
  });

  it('runs its programs, from anywhere and through a link', () => {
    const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    symlinkSync(join(home, 'bytom-miner'), join(folder, 'miner'));
    for (const program of [join(home, 'bytom-miner'), '../miner', join(home, 'bytom-node')]) {
      const { code, stdout, stderr } = run(program, ['--version']);
      expect([code, stdout, stderr], program).toEqual([0, `${version}\n`, '']);
    }
    expect(run(join(home, 'gpu-page'), ['--help']).code).toBe(0);
  });

  it('mines on the CPU where there is no GPU, and says what is missing', () => {
    const list = run(join(home, 'bytom-miner'), ['--list-devices']);
    expect(list.code, list.stderr).toBe(0);
    expect(list.stdout).toMatch(/^cpu /m);
    expect(`${list.stdout}${list.stderr}`).toMatch(/webgpu.*Vulkan/i);
    const benchmark = run(join(home, 'bytom-miner'), ['--device', 'cpu', '--benchmark=2']);
    expect(benchmark.code, benchmark.stderr).toBe(0);
    expect(benchmark.stdout).toMatch(/^2 hashes in .*, every one checked/m);
    const bench = run(join(home, 'bench-gpu'), []);
    expect([bench.code, bench.stdout]).toEqual([3, '']);
    expect(bench.stderr).toMatch(/^bench-gpu: no such device: gpu0 .*\n$/);
  });

  it('keeps a chain', () => {
    const vectors = gunzipSync(readFileSync(join(repoRoot, 'test/vectors/solonet-chain.json.gz')));
    const { blocks } = JSON.parse(vectors.toString()) as {
      readonly blocks: readonly { readonly height: number; readonly raw_block: string }[];
    };
    const file = join(folder, 'blocks.txt');
    const first = blocks.slice(0, 3);
    writeFileSync(file, first.map((block) => `${block.raw_block}\n`).join(''));
    const common = ['--network', 'solonet', '--data', join(folder, 'chain')];
    const imported = run(join(home, 'bytom-node'), ['import', ...common, file]);
    expect([imported.code, imported.stderr]).toEqual([0, '']);
    const status = run(join(home, 'bytom-node'), ['status', ...common, '--json']);
    expect(status.code, status.stderr).toBe(0);
    const { height } = JSON.parse(status.stdout.trim().split('\n').at(-1)!) as {
      readonly height: number;
    };
    expect(height).toBe(first.at(-1)!.height);
  });

  it('writes the page', () => {
    const { code, stderr } = run(join(home, 'gpu-page'), ['--out', join(folder, 'page')]);
    expect([code, stderr]).toEqual([0, '']);
    expect(existsSync(join(folder, 'page/index.html'))).toBe(true);
  });

  it('mines on a GPU, and measures its kernels', { timeout: 2 * RUN_LIMIT_MS }, (ctx) => {
    if (!hasGpu) ctx.skip('TEST_WEBGPU=1 is not set: needs a Vulkan adapter');
    const list = run(join(home, 'bytom-miner'), ['--list-devices'], GPU);
    expect(list.stdout, list.stderr).toMatch(/^gpu0 .*webgpu/m);
    const args = ['--device', 'gpu0', '--benchmark=2'];
    const benchmark = run(join(home, 'bytom-miner'), args, { ...GPU, HOME: folder });
    expect(benchmark.code, benchmark.stderr).toBe(0);
    const kernel = / H\/s on gpu0, kernel (\S+)$/m.exec(benchmark.stdout)?.[1];
    expect(kernel, benchmark.stdout).toBeDefined();
    expect(benchmark.stdout).toMatch(/^2 hashes in .*, every one checked/m);

    const json = join(folder, 'bench.json');
    const short = ['--rounds', '1', '--seconds', '0.5', '--kernel', kernel!, '--json', json];
    const bench = run(join(home, 'bench-gpu'), short, GPU);
    expect(bench.code, `${bench.stdout}${bench.stderr}`).toBe(0);
    expect(bench.stdout).toMatch(/^limit {4}no int8 product of the maker's library/m);
    const { kernels } = JSON.parse(readFileSync(json, 'utf8')) as {
      readonly kernels: readonly {
        readonly kernel: string;
        readonly samples: readonly Readonly<Record<string, number>>[];
      }[];
    };
    expect(kernels.map((each) => each.kernel)).toEqual([kernel]);
    const [sample] = kernels[0]!.samples;
    for (const name of ['searchRate', 'hashRate', 'peakRate', 'oneHashMs', 'inFlight', 'loadMs']) {
      expect(sample![name], name).toBeGreaterThan(0);
    }
    expect(sample!['hostCpuPercent']).toBeGreaterThanOrEqual(0);
    expect(bench.stdout).toMatch(new RegExp(`^search \\[H/s\\]\n.*\n${kernel} `, 'm'));
  });
});
