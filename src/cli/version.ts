/** Name and version of this program, as `--version` and the pool login tell them. */
import { readFileSync } from 'node:fs';

/** The version in package.json, two folders up from here or, compiled, three. */
export const VERSION: string = readVersion();

function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8');
      const found = JSON.parse(text) as { readonly name?: unknown; readonly version?: unknown };
      if (found.name === 'bytom-tensority' && typeof found.version === 'string') {
        return found.version;
      }
    } catch {
      // Not there: the other place is.
    }
  }
  return '0.0.0';
}
