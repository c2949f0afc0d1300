/** A small JSON file that is there whole or not at all, whenever the power goes. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../../util/errors.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../util/json.ts';
import { replaceFile } from '../../util/whole-file.ts';

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
    await replaceFile(this.name, `${stringifyExact(value)}\n`);
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
