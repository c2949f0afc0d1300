/**
 * Which kernel was the fastest on which device, so that it need not be found out at every start, and
 * which device had none that was right. A file that can be lost at any time: one that is broken or
 * cannot be written means another search.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../../src/util/errors.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../src/util/json.ts';
import { isObject, memberOf, objectAt, textAt } from '../../src/util/json-fields.ts';
import { replaceFile } from '../../src/util/whole-file.ts';
import type { KernelChoice } from '../kernel-choice.ts';

/** What is known of a device from earlier openings. */
export type Remembered = RememberedChoice | RememberedFailure;

export interface RememberedChoice extends KernelChoice {
  /** Kernels that took the process down when they were tried. */
  readonly avoid: readonly string[];
}

/** Kernels ran and were wrong, and none was right. */
export interface RememberedFailure {
  /** How the last of them was wrong. */
  readonly wrong: string;
  /** Its name. */
  readonly kernel: string;
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
  async get(key: string): Promise<Remembered | undefined> {
    const value = memberOf(await this.#read(), key);
    return value === undefined ? undefined : readRemembered(value);
  }

  /** Takes the place of what was known before. Rejects with the file system's error. */
  put(key: string, remembered: Remembered): Promise<void> {
    const path = this.#path;
    if (path === undefined) return Promise.resolve();
    const { kernel, avoid } = remembered;
    const entry = isFailure(remembered)
      ? { wrong: remembered.wrong, kernel, avoid }
      : { kernel, msPerHash: remembered.msPerHash, avoid };
    const written = this.#last.then(async () => {
      const choices = { ...(await this.#read()), [key]: entry };
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

export function isFailure(remembered: Remembered): remembered is RememberedFailure {
  return 'wrong' in remembered;
}

function readRemembered(value: JsonValue): Remembered | undefined {
  try {
    const entry = objectAt(value, 'choice');
    const kernel = textAt(entry, 'choice', 'kernel');
    const list = memberOf(entry, 'avoid');
    if (!Array.isArray(list)) return undefined;
    const avoid = list.filter((name): name is string => typeof name === 'string');
    const wrong = memberOf(entry, 'wrong');
    if (typeof wrong === 'string') return { wrong, kernel, avoid };
    const msPerHash = memberOf(entry, 'msPerHash');
    if (typeof msPerHash !== 'number' || !(msPerHash > 0)) return undefined;
    return { kernel, msPerHash, avoid };
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
