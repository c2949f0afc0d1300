/**
 * The files of the GPU page: the page, every module it imports, directly or not, and the shaders.
 * Found by following the imports of what the compiler wrote, so that nothing else is given away.
 */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { SHADER_FILES } from '../../shaders/index.ts';

export interface PageSources {
  /** The folder that the build writes. */
  readonly dist: string;
  /** The folder of the package `@noble/hashes`, the only one that the page needs. */
  readonly noble: string;
  /** Our own licence. */
  readonly license: string;
  readonly version: string;
}

export interface PageFile {
  /** MIME type, with its charset. */
  readonly type: string;
  readonly content: Uint8Array;
}

const PAGE = 'drivers/webgpu/web';
const NOBLE = '@noble/hashes/';
/** Where the import map of the page looks for it. */
const VENDOR = 'vendor/noble-hashes/';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.wgsl': 'text/plain; charset=utf-8',
  '': 'text/plain; charset=utf-8',
};

/** All of them by their path on the site, `index.html` first. Throws if one is missing. */
export function pageFiles(sources: PageSources): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const add = (path: string, content: string): void => {
    const type = TYPES[posix.extname(path)];
    if (type === undefined) throw new Error(`${path}: no type is known for such a file`);
    files.set(path, { type, content: new TextEncoder().encode(content) });
  };
  const read = (path: string): string => {
    const source = path.startsWith(VENDOR)
      ? join(sources.noble, path.slice(VENDOR.length))
      : join(sources.dist, path);
    return readFileSync(source, 'utf8');
  };

  add('index.html', read(`${PAGE}/index.html`));
  for (const name of ['page.css', 'icon.svg']) add(`${PAGE}/${name}`, read(`${PAGE}/${name}`));
  const waiting = [`${PAGE}/page.js`];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (files.has(path)) continue;
    const text = read(path);
    // The maps are not given away: a browser would ask in vain.
    add(path, text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, '\n'));
    for (const specifier of importedBy(text)) waiting.push(placeOf(specifier, path));
  }
  for (const name of SHADER_FILES) add(`shaders/${name}`, read(`shaders/${name}`));
  add('build.json', `${JSON.stringify({ version: sources.version })}\n`);
  add('LICENSE', readFileSync(sources.license, 'utf8'));
  add(`${VENDOR}LICENSE`, read(`${VENDOR}LICENSE`));
  return files;
}

/** Modules that compiled code names at the beginning of a line, or in an `import()`. */
export function importedBy(code: string): readonly string[] {
  const statements = /^(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*(['"])([^'"\n]+)\1/gm;
  const calls = /\bimport\(\s*(['"])([^'"\n]+)\1\s*\)/g;
  return [...code.matchAll(statements), ...code.matchAll(calls)].map((match) => match[2]!);
}

/** Where a module stands that the one at `path` imports. */
function placeOf(specifier: string, path: string): string {
  if (specifier.startsWith(NOBLE)) return VENDOR + specifier.slice(NOBLE.length);
  const place = posix.join(posix.dirname(path), specifier);
  if (specifier.startsWith('.') && !place.startsWith('..')) return place;
  throw new Error(`${path} imports "${specifier}", which the page does not have`);
}
