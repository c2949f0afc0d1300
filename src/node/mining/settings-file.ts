/** A small JSON file that is there whole or not at all, whenever the power goes. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../../util/errors.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../util/json.ts';

/** Where settings outlive the program. */
export interface SettingsStore {
  /** How errors name it. */
  readonly name: string;
  /** `undefined` if nothing was saved yet. Rejects `InputError` if it is no JSON, or the system's error. */
  load(): Promise<JsonValue | undefined>;
  /** One call at a time. Rejects with the system's error. */
  save(value: JsonValue): Promise<void>;
}

/** More is no file of ours. */
const MAX_BYTES = 2 ** 20;

export class SettingsFile implements SettingsStore {
  readonly name: string;

  /** `path` in a directory that is there. */
  constructor(path: string) {
    this.name = path;
  }

  async load(): Promise<JsonValue | undefined> {
    const text = await this.#read();
    if (text === undefined) return undefined;
    if (text.length > MAX_BYTES) {
      throw new InputError(this.name, `at most ${MAX_BYTES} characters`, `${text.length}`);
    }
    try {
      return parseExact(text);
    } catch (cause) {
      throw new InputError(this.name, 'JSON', `"${text}"`, { cause });
    }
  }

  async save(value: JsonValue): Promise<void> {
    const temporary = `${this.name}.tmp`;
    try {
      await writeDurably(temporary, `${stringifyExact(value)}\n`);
      await rename(temporary, this.name);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(dirname(this.name));
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.name, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the new name last, where directories can be opened; elsewhere it is left to the system. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  // The file is whole in any case; a system that cannot do this is no reason to fail.
  await directory?.sync().catch(() => {});
  await directory?.close();
}
