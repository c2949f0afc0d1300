/** Run after a build: puts what is not TypeScript beside the compiled code that reads it. */
import { cpSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Folders whose files of these kinds are read at run time. */
const ASSETS: readonly (readonly [folder: string, extensions: RegExp])[] = [
  ['shaders', /\.wgsl$/],
  ['drivers/webgpu/web', /\.(html|css|svg)$/],
  ['test/bench', /\.py$/],
];

for (const [folder, extensions] of ASSETS) {
  for (const name of readdirSync(join(root, folder)).filter((each) => extensions.test(each))) {
    cpSync(join(root, folder, name), join(root, 'dist', folder, name));
  }
}

// The firmware's sources, which a simulated board is built from.
const FIRMWARE = 'firmware-bridge/firmware';
cpSync(join(root, FIRMWARE), join(root, 'dist', FIRMWARE), {
  recursive: true,
  filter: (path) => basename(path) !== 'build',
});
