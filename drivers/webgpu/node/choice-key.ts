/** Under what the kernel that was chosen for an adapter is remembered. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SHADER_FILES } from '../../../shaders/index.ts';
import { moduleBeside } from '../../../src/util/module-beside.ts';
import { dawnVersion } from './dawn.ts';
import type { AdapterFacts } from './gpu-news.ts';
import { readShaderFile } from './shader-files.ts';

let program: Promise<string> | undefined;

/** Changes with anything that could make another kernel better. Rejects if the shaders cannot be read. */
export async function choiceKey(facts: AdapterFacts): Promise<string> {
  program ??= programHash();
  const { backend, name, description } = facts;
  return [backend, name, description, `webgpu ${dawnVersion()}`, await program].join(' | ');
}

/** Changes with the shaders and with the list of variants. */
async function programHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of SHADER_FILES) hash.update(await readShaderFile(file));
  hash.update(await readFile(moduleBeside(import.meta.url, '../engine/variants')));
  return `kernels ${hash.digest('hex').slice(0, 16)}`;
}
