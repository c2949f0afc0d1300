/**
 * Which kernel was the fastest on which GPU, so that it need not be found out at every start. A file
 * that can be lost at any time: one that is broken or cannot be written means another search.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SHADER_FILES } from '../../../shaders/index.ts';
import { InputError } from '../../../src/util/errors.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../../src/util/json.ts';
import { isObject, memberOf, objectAt, textAt } from '../../../src/util/json-fields.ts';
import { replaceFile } from '../../../src/util/whole-file.ts';
import type { KernelChoice } from '../engine/open-gpu.ts';
import { dawnVersion } from './dawn.ts';
import type { AdapterFacts } from './messages.ts';
import { readShaderFile } from './shader-files.ts';

export interface RememberedChoice extends KernelChoice {
  /** Kernels that took the process down when they were tried. */
  readonly avoid: readonly string[];
}

const FORMAT = 1;

export class KernelChoices {
  readonly #path: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Without a path nothing is remembered. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Undefined if nothing is known, or nothing that can be read. Never rejects. */
  async get(key: string): Promise<RememberedChoice | undefined> {
    const value = memberOf(await this.#read(), key);
    return value === undefined ? undefined : readChoice(value);
  }

  /** Rejects with the file system's error. */
  put(key: string, choice: RememberedChoice): Promise<void> {
    const path = this.#path;
    if (path === undefined) return Promise.resolve();
    const { kernel, msPerHash, avoid } = choice;
    const written = this.#last.then(async () => {
      const choices = { ...(await this.#read()), [key]: { kernel, msPerHash, avoid } };
      await mkdir(dirname(path), { recursive: true });
      await replaceFile(path, `${stringifyExact({ format: FORMAT, choices })}\n`);
    });
    this.#last = written.catch(() => {});
    return written;
  }

  async #read(): Promise<{ readonly [key: string]: JsonValue }> {
    if (this.#path === undefined) return {};
    try {
      const file = objectAt(parseExact(await readFile(this.#path, 'utf8')), 'file');
      const choices = memberOf(file, 'choices');
      return memberOf(file, 'format') === FORMAT && isObject(choices) ? choices : {};
    } catch {
      // Not there yet, not readable, not ours: like one that is empty.
      return {};
    }
  }
}

let program: Promise<string> | undefined;

/** Under what the choice for an adapter is remembered: anything that could make another one better. */
export async function choiceKey(facts: AdapterFacts): Promise<string> {
  program ??= programHash();
  const { backend, name, description } = facts;
  return [backend, name, description, `webgpu ${dawnVersion()}`, await program].join(' | ');
}

/** Changes with the shaders and with the list of variants. */
async function programHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of SHADER_FILES) hash.update(await readShaderFile(file));
  const variants = import.meta.url.endsWith('.ts')
    ? '../engine/variants.ts'
    : '../engine/variants.js';
  hash.update(await readFile(new URL(variants, import.meta.url)));
  return `kernels ${hash.digest('hex').slice(0, 16)}`;
}

function readChoice(value: JsonValue): RememberedChoice | undefined {
  try {
    const choice = objectAt(value, 'choice');
    const kernel = textAt(choice, 'choice', 'kernel');
    const msPerHash = memberOf(choice, 'msPerHash');
    const avoid = memberOf(choice, 'avoid');
    if (typeof msPerHash !== 'number' || !(msPerHash > 0) || !Array.isArray(avoid)) return;
    const names = avoid.filter((name): name is string => typeof name === 'string');
    return { kernel, msPerHash, avoid: names };
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
