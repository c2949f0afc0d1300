/**
 * Run after a build: puts our programs into `node_modules/.bin`, where `npx` and npm scripts look first.
 * Without that, npx installs the checkout into a cache of its own on first use, and goes on using that
 * copy's list of programs when an update brings a new one ("not found").
 */
import { chmodSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bins = join(root, 'node_modules', '.bin');
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly bin: Readonly<Record<string, string>>;
};

// There is no such folder where we are a dependency, and there npm makes the links. Links need rights
// on Windows, where npx then goes its own way.
if (existsSync(bins) && process.platform !== 'win32') {
  for (const [name, file] of Object.entries(bin)) {
    const program = join(root, file);
    const link = join(bins, name);
    chmodSync(program, 0o755);
    rmSync(link, { force: true });
    symlinkSync(relative(bins, program), link);
  }
}
