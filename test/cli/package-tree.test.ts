import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isLicence, isLoadable, productionPackages } from '../../src/cli/package-tree.ts';
import { repoRoot } from '../support/repo-files.ts';

const LINUX = { os: 'linux', cpu: 'x64', libc: 'glibc' };

function lock(packages: Readonly<Record<string, object>>): string {
  return JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'root' }, ...packages } });
}

describe('production packages', () => {
  it('are those that are no development tools, by path, with nested ones', () => {
    const found = productionPackages(
      lock({
        'node_modules/zod': { version: '4.0.0', license: 'MIT' },
        'node_modules/vitest': { version: '5.0.0', dev: true },
        'node_modules/@a/b': { version: '1.0.0', license: 'ISC', optional: true },
        'node_modules/@a/b/node_modules/c': { version: '2.0.0' },
        'node_modules/both': { version: '3.0.0', devOptional: true },
      }),
      LINUX,
    );
    expect(
      found.map(({ path, name, version, isOptional }) => [path, name, version, isOptional]),
    ).toEqual([
      ['node_modules/@a/b', '@a/b', '1.0.0', true],
      ['node_modules/@a/b/node_modules/c', 'c', '2.0.0', false],
      ['node_modules/both', 'both', '3.0.0', true],
      ['node_modules/zod', 'zod', '4.0.0', false],
    ]);
    expect(found.map(({ licence }) => licence)).toEqual(['ISC', 'unknown', 'unknown', 'MIT']);
  });

  it.for([
    [{ os: ['linux'], cpu: ['x64'] }, true],
    [{ os: ['linux'], cpu: ['arm64'] }, false],
    [{ os: ['darwin'] }, false],
    [{ os: ['!win32'] }, true],
    [{ os: ['!linux'] }, false],
    [{ libc: ['musl'] }, false],
    [{ libc: ['glibc'], cpu: ['x64', 'ia32'] }, true],
    [{}, true],
  ] as const)('%j on this platform: %s', ([entry, isHere]) => {
    const found = productionPackages(lock({ 'node_modules/a': entry }), LINUX);
    expect(found.length === 1).toBe(isHere);
  });

  it('go without a dependency and what only it needs', () => {
    const packages = {
      '': {
        dependencies: { kept: '1' },
        optionalDependencies: { large: '1' },
        devDependencies: { tool: '1' },
      },
      'node_modules/kept': { dependencies: { shared: '1', nested: '2' } },
      'node_modules/kept/node_modules/nested': {},
      'node_modules/kept/node_modules/nested/node_modules/deep': {},
      'node_modules/large': {
        dependencies: { shared: '1', nested: '1', kept: '1' },
        optionalDependencies: { own: '1', absent: '1' },
      },
      'node_modules/large/node_modules/own': { dependencies: { own2: '1', large: '1' } },
      'node_modules/nested': {},
      'node_modules/own2': { peerDependencies: { peer: '1' } },
      'node_modules/peer': {},
      'node_modules/shared': {},
      'node_modules/tool': { dev: true },
    };
    const pathsOf = (without: readonly string[]): readonly string[] =>
      productionPackages(JSON.stringify({ packages }), LINUX, without).map(({ path }) => path);
    expect(pathsOf(['large'])).toEqual([
      'node_modules/kept',
      'node_modules/kept/node_modules/nested',
      'node_modules/kept/node_modules/nested/node_modules/deep',
      'node_modules/shared',
    ]);
    expect(pathsOf([])).toHaveLength(Object.keys(packages).length - 2);
  });

  it('of this checkout hold every dependency, and no tool', () => {
    const text = readFileSync(join(repoRoot, 'package-lock.json'), 'utf8');
    const names = new Set(productionPackages(text, LINUX).map(({ name }) => name));
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(repoRoot, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      expect(names, name).toContain(name);
    }
    expect(names).toContain('@lmdb/lmdb-linux-x64');
    expect([...names].filter((name) => /win32|darwin|arm/.test(name))).toEqual([]);
    for (const tool of ['node', 'typescript', 'vitest', 'knip']) expect(names).not.toContain(tool);
  });
});

describe('what of a package can be loaded', () => {
  it.for([
    'index.js',
    'dist/index.cjs',
    'esm/a.mjs',
    'package.json',
    'lib/data/table.json',
    'dict/dict.txt',
    'LICENSE',
    'LICENSE.md',
    'dist/linux-x64/dawn.node',
    'node.napi.glibc.node',
    'node.abi137.glibc.node',
    'prebuilds/linux-x64/node.napi.node',
    'dist/test.js',
  ])('%s', (path) => expect(isLoadable(path, LINUX, '137')).toBe(true));

  it.for([
    'index.d.ts',
    'index.d.cts',
    'src/index.ts',
    'dist/index.js.map',
    'README.md',
    'binding.gyp',
    'src/lmdb.c',
    'test/index.js',
    'tests/a.js',
    'docs/a.js',
    'examples/a.js',
    '.github/a.js',
    '.taprc',
    'dist/linux-arm64/dawn.node',
    'dist/darwin-universal/dawn.node',
    'prebuilds/darwin-x64+arm64/a.node',
    'prebuilds/linux-arm64/a.armv8.glibc.node',
    'dist/win32-x64/dxcompiler.dll',
    'node.napi.musl.node',
    'node.abi115.glibc.node',
  ])('not %s', (path) => expect(isLoadable(path, LINUX, '137')).toBe(false));
});

it.for([
  ['LICENSE', true],
  ['deps/lz4/LICENSE', true],
  ['license.md', true],
  ['LICENCE-MIT', true],
  ['COPYING', true],
  ['liblmdb/COPYRIGHT', true],
  ['NOTICE.txt', true],
  ['license-checker.js', false],
  ['lib/licenses.json', false],
  ['notice-board.js', false],
] as const)('%s is a licence: %s', ([path, is]) => expect(isLicence(path)).toBe(is));
