/**
 * The text of a key file: its members, and what is wrong with one that is none. A member that is not
 * listed here is refused, and so is one that is there twice, of which a person would read one and a
 * program the other: nothing stands in a file that its password does not cover. No error
 * shows a value: the wrong file may be somebody's secret in plain text.
 */
import { hexToBytes } from '../util/bytes.ts';
import { CodedError } from '../util/errors.ts';

export const FORMAT = 'bytom-tensority-key';
export const VERSION = 1;

/** All but ciphertext and tag. Bytes as lower-case hex. */
export interface Header {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly alias?: string;
  readonly kind: 'mnemonic' | 'xprv';
  readonly xpub: string;
  readonly kdf: {
    readonly name: 'scrypt';
    readonly n: number;
    readonly r: number;
    readonly p: number;
    readonly salt: string;
  };
  readonly cipher: { readonly name: 'aes-256-gcm'; readonly nonce: string };
}

export interface ParsedKeyFile {
  readonly header: Header;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

export type KeyFileDetail =
  /** The two look the same. */
  | { readonly code: 'wrong-password-or-damaged' }
  /** Written by a newer program. */
  | { readonly code: 'unsupported-version'; readonly supported: number }
  | { readonly code: 'malformed'; readonly field: string; readonly expected: string }
  /** There is something at the path already, and it was not asked to be replaced. */
  | { readonly code: 'exists'; readonly path: string };

export class KeyFileError extends CodedError<KeyFileDetail> {
  constructor(detail: KeyFileDetail, options?: ErrorOptions) {
    super(keyFileMessage(detail), detail, options);
  }
}

export function malformed(field: string, expected: string): KeyFileError {
  return new KeyFileError({ code: 'malformed', field, expected });
}

export const ALIAS_FORM = '1 to 64 characters without control characters';

export function isAlias(text: string): boolean {
  return text.length >= 1 && text.length <= 64 && !/\p{C}/u.test(text);
}

/** What the tag covers besides the secret: one text for one header, whatever the file's spaces. */
export function headerBytes(header: Header): Uint8Array {
  const { format, version, alias, kind, xpub, kdf, cipher } = header;
  return Buffer.from(
    JSON.stringify([
      [format, version, alias ?? null, kind, xpub],
      [kdf.name, kdf.n, kdf.r, kdf.p, kdf.salt],
      [cipher.name, cipher.nonce],
    ]),
  );
}

/** The members of a key file's text, each of its form. Throws a `KeyFileError`. */
export function parseKeyFile(text: string): ParsedKeyFile {
  const file = objectOf(parseJson(text), 'file');
  if (file['format'] !== FORMAT) throw malformed('format', `"${FORMAT}"`);
  const version = wholeNumber(file, '', 'version');
  if (version !== VERSION) {
    throw new KeyFileError({ code: 'unsupported-version', supported: VERSION });
  }
  const required = ['format', 'version', 'kind', 'xpub', 'kdf', 'cipher', 'ciphertext', 'tag'];
  checkMembers(file, '', required, ['alias']);
  const kdf = objectOf(file['kdf'], 'kdf');
  checkMembers(kdf, 'kdf.', ['name', 'n', 'r', 'p', 'salt']);
  const cipher = objectOf(file['cipher'], 'cipher');
  checkMembers(cipher, 'cipher.', ['name', 'nonce']);
  const known = [file, kdf, cipher].reduce((sum, object) => sum + Object.keys(object).length, 0);
  if (countMembers(text) !== known) throw malformed('file', 'every member once');
  const alias = file['alias'];
  if (alias !== undefined && !(typeof alias === 'string' && isAlias(alias))) {
    throw malformed('alias', ALIAS_FORM);
  }
  const header: Header = {
    format: FORMAT,
    version: VERSION,
    ...(alias === undefined ? {} : { alias }),
    kind: oneOf(file, '', 'kind', ['mnemonic', 'xprv']),
    xpub: hexText(file, '', 'xpub', 64, 64),
    kdf: {
      name: oneOf(kdf, 'kdf.', 'name', ['scrypt']),
      n: wholeNumber(kdf, 'kdf.', 'n'),
      r: wholeNumber(kdf, 'kdf.', 'r'),
      p: wholeNumber(kdf, 'kdf.', 'p'),
      salt: hexText(kdf, 'kdf.', 'salt', 16, 64),
    },
    cipher: {
      name: oneOf(cipher, 'cipher.', 'name', ['aes-256-gcm']),
      nonce: hexText(cipher, 'cipher.', 'nonce', 12, 12),
    },
  };
  return {
    header,
    ciphertext: hexToBytes(hexText(file, '', 'ciphertext', 16, 64), 'ciphertext'),
    tag: hexToBytes(hexText(file, '', 'tag', 16, 16), 'tag'),
  };
}

type Members = Readonly<Record<string, unknown>>;

const MOST_CHARACTERS = 16_384;

function parseJson(text: string): unknown {
  if (text.length > MOST_CHARACTERS) {
    throw malformed('file', `at most ${MOST_CHARACTERS} characters`);
  }
  try {
    return JSON.parse(text);
  } catch {
    // The cause would show a piece of the text.
    throw malformed('file', 'JSON');
  }
}

/** How many members all objects of a JSON text have, repeated ones and what they hold included. */
function countMembers(text: string): number {
  let count = 0;
  for (const [, colon] of text.matchAll(STRING_AND_COLON)) if (colon !== undefined) count++;
  return count;
}

/** A string, and whether it is the name of a member. */
const STRING_AND_COLON = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

function objectOf(value: unknown, field: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(field, 'an object');
  }
  return value as Members;
}

function checkMembers(
  object: Members,
  where: string,
  required: readonly string[],
  optional: readonly string[] = [],
): void {
  const missing = required.find((name) => !Object.hasOwn(object, name));
  if (missing !== undefined) throw malformed(where + missing, 'to be there');
  const known = new Set([...required, ...optional]);
  if (Object.keys(object).some((name) => !known.has(name))) {
    throw malformed(where === '' ? 'file' : where.slice(0, -1), 'no member but those of its form');
  }
}

function oneOf<T extends string>(
  object: Members,
  where: string,
  name: string,
  values: readonly T[],
): T {
  const found = values.find((value) => value === object[name]);
  if (found === undefined) {
    throw malformed(where + name, values.map((value) => `"${value}"`).join(' or '));
  }
  return found;
}

function wholeNumber(object: Members, where: string, name: string): number {
  const value = object[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw malformed(where + name, 'a whole number from 1');
  }
  return value;
}

/** Lower case only: there is one way to write a file's bytes. */
function hexText(
  object: Members,
  where: string,
  name: string,
  least: number,
  most: number,
): string {
  const value = object[name];
  const fits =
    typeof value === 'string' &&
    value.length >= 2 * least &&
    value.length <= 2 * most &&
    /^(?:[0-9a-f]{2})*$/.test(value);
  if (fits) return value;
  const size = least === most ? `${least}` : `${least} to ${most}`;
  throw malformed(where + name, `${size} bytes as lower-case hex`);
}

function keyFileMessage(detail: KeyFileDetail): string {
  switch (detail.code) {
    case 'wrong-password-or-damaged':
      return 'key file: the password is wrong, or the file is damaged';
    case 'unsupported-version':
      return `key file: expected version ${detail.supported}, got another: a newer program wrote it`;
    case 'malformed':
      return `key file: ${detail.field}: expected ${detail.expected}`;
    case 'exists':
      return `key file: ${detail.path} is there already`;
  }
}
