/**
 * Reading members of decoded JSON. Each reader throws an `InputError` that names the field as
 * `where.name` (`job.bits`) and says what was there. Members nobody asks for are ignored.
 */
import { hexToBytes } from './bytes.ts';
import { InputError } from './errors.ts';
import { type JsonValue, parseExact, stringifyExact } from './json.ts';

export type JsonObject = { readonly [key: string]: JsonValue };

/** The JSON value of a whole message. Throws an `InputError` for the field `message`. */
export function parseMessage(text: string): JsonValue {
  try {
    return parseExact(text);
  } catch (cause) {
    // Not only SyntaxError: brackets nested thousands deep end in a RangeError.
    throw new InputError('message', 'JSON', text, { cause });
  }
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(value: JsonValue | undefined, field: string): JsonObject {
  if (!isObject(value)) throw new InputError(field, 'an object', shown(value));
  return value;
}

/** A member that may be missing: `undefined` if it is absent or null. */
export function optionalText(object: JsonObject, where: string, name: string): string | undefined {
  const value = memberOf(object, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new InputError(`${where}.${name}`, 'a text', shown(value));
  return value;
}

export function textAt(object: JsonObject, where: string, name: string): string {
  const value = memberOf(object, name);
  if (typeof value !== 'string') throw new InputError(`${where}.${name}`, 'a text', shown(value));
  return value;
}

/** A text, or a whole number as its digits: for ids, which some servers write without quotes. */
export function idTextAt(object: JsonObject, where: string, name: string): string {
  const value = memberOf(object, name);
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value);
  return textAt(object, where, name);
}

/** `length` bytes of hex, in the order they are written. */
export function bytesAt(
  object: JsonObject,
  where: string,
  name: string,
  length: number,
): Uint8Array {
  return hexToBytes(textAt(object, where, name), `${where}.${name}`, length);
}

/** The member itself; never something inherited, whatever its name. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A value as an error shows it. */
export function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  return value === null ? 'null' : `${kindOf(value)} ${stringifyExact(value)}`;
}

function kindOf(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'bigint' ? 'number' : typeof value;
}
