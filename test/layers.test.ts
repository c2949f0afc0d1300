/**
 * Who may import whom. The table is the one in ARCHITECTURE.md; a file that no row covers, or an
 * import that its row does not list, fails here with the rule it broke. Type-only imports count: a
 * type from above is a dependency too.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BROWSER_SAFE } from './support/browser-safe.ts';
import { type Import, importsOf } from './support/imports.ts';
import { repoFiles, repoRoot } from './support/repo-files.ts';

interface Layer {
  /** A folder with its `/`, or one file. */
  readonly path: string;
  /** Folders and files it may import from, besides its own folder. */
  readonly imports: readonly string[] | typeof EVERYTHING;
  /** npm packages it may import. */
  readonly packages: readonly string[] | typeof EVERYTHING;
}

const EVERYTHING = 'everything';

/** From the bottom up: a row lists only rows above it. A new dependency gets its row here first. */
const LAYERS: readonly Layer[] = [
  { path: 'shaders/', imports: [], packages: [] },
  { path: 'src/util/', imports: [], packages: ['@noble/hashes'] },
  { path: 'src/web/', imports: [], packages: [] },
  {
    path: 'src/keys/',
    imports: ['src/util/'],
    packages: ['@noble/hashes', '@noble/curves', '@scure/bip39'],
  },
  { path: 'src/tensority/', imports: ['src/util/'], packages: [] },
  { path: 'src/pow/', imports: ['src/util/', 'src/tensority/'], packages: [] },
  { path: 'src/chain/', imports: ['src/util/'], packages: ['@scure/base'] },
  {
    path: 'src/vm/',
    imports: ['src/util/', 'src/keys/', 'src/chain/'],
    packages: ['@noble/hashes'],
  },
  {
    path: 'src/consensus/',
    imports: ['src/util/', 'src/keys/', 'src/tensority/', 'src/chain/', 'src/vm/'],
    packages: ['@noble/hashes'],
  },
  { path: 'src/store/', imports: ['src/util/', 'src/chain/'], packages: ['lmdb'] },
  {
    path: 'src/p2p/',
    imports: ['src/util/', 'src/keys/', 'src/chain/'],
    packages: ['@noble/ciphers', '@noble/curves', '@noble/hashes'],
  },
  {
    path: 'src/node/',
    imports: [
      'src/util/',
      'src/keys/',
      'src/tensority/',
      'src/pow/',
      'src/chain/',
      'src/vm/',
      'src/consensus/',
      'src/store/',
      'src/p2p/',
    ],
    packages: ['fastify', 'prom-client', 'zod'],
  },
  { path: 'src/node-api/', imports: ['src/util/', 'src/chain/'], packages: [] },
  {
    path: 'src/stratum/',
    imports: ['src/util/', 'src/tensority/', 'src/chain/'],
    packages: [],
  },
  {
    path: 'firmware-bridge/',
    imports: ['src/util/', 'src/tensority/'],
    packages: ['serialport'],
  },
  {
    path: 'drivers/',
    imports: [
      'shaders/',
      'src/util/',
      'src/tensority/',
      // Only to hash a header with its nonce: a driver knows nothing of blocks.
      'src/chain/header.ts',
      'firmware-bridge/',
    ],
    packages: ['webgpu', 'onnxruntime-node', 'gpu.js', 'serialport'],
  },
  {
    path: 'miner/',
    imports: [
      'src/util/',
      'src/tensority/',
      'src/chain/',
      'src/node-api/',
      'src/stratum/',
      'drivers/driver.ts',
      'drivers/open.ts',
    ],
    packages: [],
  },
  {
    path: 'pool/',
    imports: [
      'src/util/',
      'src/keys/',
      'src/tensority/',
      'src/pow/',
      'src/chain/',
      'src/node-api/',
      'src/stratum/',
    ],
    packages: ['fastify', 'prom-client'],
  },
  { path: 'src/cli/', imports: EVERYTHING, packages: ['commander'] },
  { path: 'src/devnet/', imports: EVERYTHING, packages: [] },
  { path: 'src/index.ts', imports: EVERYTHING, packages: [] },
  { path: 'test/', imports: EVERYTHING, packages: EVERYTHING },
  { path: 'vitest.config.ts', imports: EVERYTHING, packages: ['vitest'] },
];

describe('layers', () => {
  it('every import stays within the table', () => {
    const files = repoFiles().filter((path) => path.endsWith('.ts'));
    expect(files).toContain('test/layers.test.ts');
    const violations = files.flatMap((path) =>
      checkFile(path, readFileSync(join(repoRoot, path), 'utf8')),
    );
    expect(violations.join('\n')).toBe('');
  });

  it('the table itself only points upwards', () => {
    LAYERS.forEach((layer, row) => {
      if (layer.imports === EVERYTHING) return;
      const above = LAYERS.slice(0, row).map((each) => each.path);
      for (const target of layer.imports) {
        expect(covers(above, target), `${layer.path} lists ${target}`).toBe(true);
      }
    });
  });

  it.each([
    ['a layer above', 'src/chain/x.ts', '../stratum/messages.ts', 'src/chain/ may import'],
    ['a neighbour', 'miner/x.ts', '../pool/server.ts', 'miner/ may import'],
    ['a file the row leaves out', 'miner/x.ts', '../drivers/cpu.ts', 'miner/ may import'],
    ['a sibling of the one file allowed', 'drivers/x.ts', '../src/chain/tx.ts', 'drivers/ may'],
    ['a package that is not its own', 'miner/x.ts', 'commander', 'src/cli/, test/'],
    ['a package without a row', 'pool/x.ts', '@left/pad/deep.js', '"@left/pad"'],
    ['a missing extension', 'src/chain/x.ts', './header', 'end in .ts'],
    ['the compiled extension', 'src/chain/x.ts', './header.js', 'end in .ts'],
    ['a place outside the checkout', 'src/chain/x.ts', '../../../x.ts', 'outside'],
    ['a built-in in a page', 'src/chain/x.ts', 'node:crypto', 'runs in a page'],
    ['an unsafe file in a page', 'src/chain/x.ts', '../util/log.ts', 'runs in a page'],
  ])('catches %s', (_name, file, specifier, rule) => {
    const violations = checkFile(file, `import { x } from '${specifier}';`);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(`${file}:1: "${specifier}": `);
    expect(violations[0]).toContain(rule);
  });

  it('catches a type-only import, a re-export and a lazy import alike', () => {
    for (const source of [
      "import type { X } from '../pool/x.ts';",
      "export { x } from '../pool/x.ts';",
      "const x = await import('../pool/x.ts');",
    ]) {
      expect(checkFile('miner/x.ts', source), source).toHaveLength(1);
    }
  });

  it('catches an import() that nobody can check, and a file without a row', () => {
    expect(checkFile('drivers/x.ts', 'await import(name);')).toHaveLength(1);
    expect(checkFile('scripts/x.ts', '')).toEqual([
      'scripts/x.ts: no row of the table in test/layers.test.ts covers it',
    ]);
  });

  it('lets through what the table allows', () => {
    const source = `
      import { readFileSync } from 'node:fs';
      import type { Logger } from '../src/util/log.ts';
      import { openTested } from '../drivers/open.ts';
      import { rate } from './report/rate.ts';`;
    expect(checkFile('miner/x.ts', source)).toEqual([]);
    const inPage = "import type { Logger } from '../util/log.ts';\nimport { a } from './a.ts';";
    expect(checkFile('src/chain/x.ts', inPage)).toEqual([]);
  });
});

/** The rules `source`, standing at `path`, breaks: one line each. */
function checkFile(path: string, source: string): string[] {
  const layer = LAYERS.find((each) => covers([each.path], path));
  if (layer === undefined) return [`${path}: no row of the table in test/layers.test.ts covers it`];
  return importsOf(source).flatMap((each) => {
    const rule = brokenRule(layer, path, each);
    return rule === undefined ? [] : [`${path}:${each.line}: "${each.specifier}": ${rule}`];
  });
}

function brokenRule(layer: Layer, path: string, each: Import): string | undefined {
  const { specifier } = each;
  if (specifier === undefined)
    return 'import() takes one string literal, so that it can be checked';
  const inPage = covers(BROWSER_SAFE, path);
  if (isBuiltin(specifier)) {
    return inPage ? `${path} also runs in a page: no Node built-ins` : undefined;
  }
  if (!specifier.startsWith('.')) return brokenPackageRule(layer, specifier);

  if (!specifier.endsWith('.ts')) return 'relative imports end in .ts';
  const target = posix.join(posix.dirname(path), specifier);
  if (target.startsWith('../')) return 'it lies outside the checkout';
  if (layer.imports !== EVERYTHING && !covers([layer.path, ...layer.imports], target)) {
    return `${layer.path} may import only ${list(layer.imports)} and itself`;
  }
  if (inPage && !each.typeOnly && !covers(BROWSER_SAFE, target)) {
    return `${path} also runs in a page, ${target} does not`;
  }
  return undefined;
}

function brokenPackageRule(layer: Layer, specifier: string): string | undefined {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  if (layer.packages === EVERYTHING || layer.packages.includes(name)) return undefined;
  const users = LAYERS.filter(
    ({ packages }) => packages === EVERYTHING || packages.includes(name),
  ).map((each) => each.path);
  return `package "${name}" may be imported only in ${list(users)}`;
}

/** True if `path` is one of the files, or lies in one of the folders, of `places`. */
function covers(places: readonly string[], path: string): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));
}

function list(paths: readonly string[]): string {
  return paths.length === 0 ? 'nothing' : paths.join(', ');
}
