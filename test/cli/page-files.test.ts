import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SHADER_FILES } from '../../shaders/index.ts';
import { importedBy, type PageFile, pageFiles } from '../../src/cli/page-files.ts';
import { repoRoot } from '../support/repo-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'page-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** A build of these modules, with all else that a page has. */
function built(modules: Readonly<Record<string, string>>): ReadonlyMap<string, PageFile> {
  const root = join(folder, `build-${count++}`);
  const web = 'dist/drivers/webgpu/web';
  const files: Readonly<Record<string, string>> = {
    [`${web}/index.html`]: '<!doctype html>',
    [`${web}/page.css`]: 'p {}',
    [`${web}/icon.svg`]: '<svg/>',
    [`${web}/page.js`]: '',
    [`${web}/other.js`]: 'nobody imports this',
    ...Object.fromEntries(SHADER_FILES.map((name) => [`dist/shaders/${name}`, `// ${name}`])),
    'noble/LICENSE': 'theirs',
    'noble/sha3.js': "import { split } from './_u64.js';",
    'noble/_u64.js': '',
    'noble/scrypt.js': 'nobody imports this',
    LICENSE: 'ours',
    ...modules,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return pageFiles({
    dist: join(root, 'dist'),
    noble: join(root, 'noble'),
    license: join(root, 'LICENSE'),
    version: '1.2.3',
  });
}

const text = (files: ReadonlyMap<string, PageFile>, path: string): string =>
  new TextDecoder().decode(files.get(path)?.content);

describe('the files of the page', () => {
  it('are what it imports, near and far, its shaders, and nothing else', () => {
    const files = built({
      'dist/drivers/webgpu/web/page.js':
        "import { a } from '../engine/a.js';\nimport './b.js';\nawait import('./c.js');\n",
      'dist/drivers/webgpu/engine/a.js':
        "export { sha3 } from '../../../src/util/sha3.js';\nimport { b } from '../web/b.js';",
      'dist/drivers/webgpu/web/b.js': "import {\n  one,\n  two,\n} from './page.js';\n",
      'dist/drivers/webgpu/web/c.js': '',
      'dist/src/util/sha3.js': "import { sha3_256 } from '@noble/hashes/sha3.js';\n",
    });
    expect([...files.keys()].sort()).toEqual(
      [
        'index.html',
        'drivers/webgpu/web/page.css',
        'drivers/webgpu/web/icon.svg',
        'drivers/webgpu/web/page.js',
        'drivers/webgpu/web/b.js',
        'drivers/webgpu/web/c.js',
        'drivers/webgpu/engine/a.js',
        'src/util/sha3.js',
        'vendor/noble-hashes/sha3.js',
        'vendor/noble-hashes/_u64.js',
        'vendor/noble-hashes/LICENSE',
        ...SHADER_FILES.map((name) => `shaders/${name}`),
        'build.json',
        'LICENSE',
      ].sort(),
    );
    expect(text(files, 'build.json')).toBe('{"version":"1.2.3"}\n');
    expect(text(files, 'LICENSE')).toBe('ours');
    expect(files.get('drivers/webgpu/web/page.js')?.type).toBe('text/javascript; charset=utf-8');
    expect(files.get('index.html')?.type).toBe('text/html; charset=utf-8');
  });

  it('name no maps that are not there', () => {
    const page = 'let a;\n//# sourceMappingURL=page.js.map';
    const files = built({ 'dist/drivers/webgpu/web/page.js': page });
    expect(text(files, 'drivers/webgpu/web/page.js')).toBe('let a;\n');
  });

  it.each([
    ["import fs from 'node:fs';", '"node:fs"'],
    ["import { z } from 'zod';", '"zod"'],
    ["import { x } from '../../../../secret.js';", '"../../../../secret.js"'],
  ])('hold nothing that no page can have: %s', (page, specifier) => {
    const build = () => built({ 'dist/drivers/webgpu/web/page.js': page });
    expect(build).toThrow(`drivers/webgpu/web/page.js imports ${specifier}, which the page`);
  });

  it('are all there, or there is no page', () => {
    const page = "import './missing.js';";
    expect(() => built({ 'dist/drivers/webgpu/web/page.js': page })).toThrow('missing.js');
  });
});

describe('the imports of compiled code', () => {
  it('are those of statements, not of comments and texts', () => {
    const code = [
      '/**',
      " * import { no } from 'comment';",
      ' */',
      "import a from './a.js';",
      'import * as b from "./b.js";',
      "export * from './c.js';",
      "export const text = 'from here';",
      "const d = await import('./d.js');",
      'export function from() {}',
    ].join('\n');
    expect(importedBy(code)).toEqual(['./a.js', './b.js', './c.js', './d.js']);
  });
});

describe('index.html', () => {
  const html = readFileSync(join(repoRoot, 'drivers/webgpu/web/index.html'), 'utf8');
  const map = /<script type="importmap">([^<]*)<\/script>/.exec(html)?.[1] ?? '';

  it('allows its import map, and no other script in its text', () => {
    const hash = createHash('sha256').update(map).digest('base64');
    expect(html).toContain(`script-src 'self' 'sha256-${hash}';`);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).not.toMatch(/ on[a-z]+=|style=|unsafe/);
  });

  it('finds the one package where the files put it', () => {
    expect(JSON.parse(map)).toEqual({
      imports: { '@noble/hashes/': './vendor/noble-hashes/' },
    });
  });

  it('names its files by where they are from it', () => {
    const names = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!);
    expect(names).toHaveLength(3);
    for (const name of names) expect(name).toMatch(/^\.\/drivers\/webgpu\/web\//);
  });
});
