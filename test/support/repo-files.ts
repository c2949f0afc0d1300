/** The files of this checkout as a fresh clone would have them: nothing installed, nothing built. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repoRoot: string = fileURLToPath(new URL('../../', import.meta.url));

const NOT_COMMITTED = new Set(['.git', 'node_modules', 'dist', 'dist-packages', 'coverage']);

/** Paths relative to the root, with `/` between the parts, sorted. */
export function repoFiles(): readonly string[] {
  const files: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(repoRoot, folder), { withFileTypes: true })) {
      if (NOT_COMMITTED.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  walk('');
  return files.sort();
}
