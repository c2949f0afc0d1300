/**
 * Options from a file. Flags win over the environment, the environment over the file, the file over
 * the defaults; the file is never written to.
 */
import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { errorText, InputError } from '../util/errors.ts';
import { type JsonValue, parseExact } from '../util/json.ts';
import { readAt } from './option-values.ts';

/** Options that may be given more than once: an array stands for one after the other. */
const REPEATED: ReadonlySet<string> = new Set([
  ...['url', 'user', 'pass', 'onnx-option'],
  ...['connect', 'seed', 'rpc-allow-host', 'rpc-allow-origin'],
  ...['node', 'listen', 'trusted-proxy', 'http-allow-host'],
]);
/** Options whose value is a list with commas: an array stands for that list. */
const LISTS: ReadonlySet<string> = new Set(['device', 'intensity']);

/**
 * Gives `command` the options of a JSON file: one object with the options' long names as members,
 * `{"url": ["stratum+tcp://…"], "log-cycle": 60, "no-color": true}`. Options already set by flag or
 * environment stay. Throws a `CommanderError` or `InputError` that names the file and the member.
 */
export function applyConfigFile(command: Command, path: string): void {
  const setBy = new Map<string, string>();
  for (const [name, value] of Object.entries(readObject(path))) {
    const option = command.options.find((candidate) => candidate.name() === name);
    if (option === undefined || name === 'config' || name === 'version') {
      throw new InputError(`config ${path}`, 'long names of options', `"${name}"`);
    }
    const key = option.attributeName();
    const parsed = readAt(`config ${path}`, () => optionValue(option, value));
    // `"no-rpc": false` takes nothing away from `--rpc <address>`, and gives it no value.
    if (option.negate && parsed === true && hasCounterpart(command, option)) continue;
    const other = setBy.get(key);
    if (other !== undefined) {
      throw new InputError(`config ${path}`, `one of "${other}" and "${name}"`, 'both');
    }
    setBy.set(key, name);
    const source = command.getOptionValueSource(key);
    if (source !== undefined && source !== 'default') continue;
    command.setOptionValueWithSource(key, parsed, 'config');
  }
}

/** The options of `command`, with those of the file that `given` names. Throws as `applyConfigFile` does. */
export function withConfigFile<T extends { readonly config?: string }>(
  given: T,
  command: Command,
): T {
  if (given.config === undefined) return given;
  applyConfigFile(command, given.config);
  return command.opts<T & Record<string, unknown>>();
}

/** Whether the same setting can be given a value, by an option without the `no-`. */
function hasCounterpart(command: Command, option: Option): boolean {
  const key = option.attributeName();
  return command.options.some((other) => other !== option && other.attributeName() === key);
}

function readObject(path: string): Readonly<Record<string, JsonValue>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError('config', 'a readable file', errorText(error), { cause: error });
  }
  let value: JsonValue;
  try {
    value = parseExact(text);
  } catch (error) {
    throw new InputError(`config ${path}`, 'JSON', errorText(error), { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(`config ${path}`, 'a JSON object of options', JSON.stringify(value));
  }
  return value as Readonly<Record<string, JsonValue>>;
}

/** The value as a flag would give it. Throws `InputError`. */
function optionValue(option: Option, value: JsonValue): unknown {
  const name = option.name();
  if (option.isBoolean() || option.negate) {
    if (typeof value === 'boolean') return value !== option.negate;
    throw new InputError(name, 'true or false', JSON.stringify(value));
  }
  // `--benchmark` alone has a meaning too.
  if (value === true && option.optional) return true;
  const texts = valueTexts(name, value);
  const parse = option.parseArg as ((text: string, before: unknown) => unknown) | undefined;
  let result: unknown;
  for (const text of texts) result = parse === undefined ? text : parse(text, result);
  return result;
}

/** The texts that stand for `value` on a command line, one for each time the option is given. */
function valueTexts(name: string, value: JsonValue): readonly string[] {
  const items: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  const isList = LISTS.has(name);
  const isFit = items.length === 1 || (items.length > 1 && (isList || REPEATED.has(name)));
  const texts = items.map((item) =>
    typeof item === 'string' || typeof item === 'number' || typeof item === 'bigint'
      ? String(item)
      : undefined,
  );
  if (!isFit || !texts.every((text) => text !== undefined)) {
    const expected =
      isList || REPEATED.has(name) ? 'text or an array of texts' : 'text or a number';
    throw new InputError(name, expected, describe(value));
  }
  return isList ? [texts.join(',')] : texts;
}

function describe(value: JsonValue): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
