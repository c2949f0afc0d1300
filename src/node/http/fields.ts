/**
 * The fields that calls take, each with how it is read and how it is described. Bytom 1.x mining
 * interfaces, A.1: names match regardless of case, unknown ones are ignored, of a repeated one the
 * last counts, null is as good as absent, and integers are written as plain digits.
 */
import { z } from 'zod';
import { hexToBytes } from '../../util/bytes.ts';
import { clip } from '../../util/errors.ts';
import { badBody } from './envelope.ts';
import type { JsonNode } from './first-json.ts';
import { HEX, UINT16, UINT64 } from './schemas.ts';

export interface Field<T> {
  /** Throws `RequestError`. `where` names the field. Never gets null. */
  readonly read: (node: JsonNode, where: string) => T;
  readonly schema: z.ZodType;
}

// biome-ignore lint/suspicious/noExplicitAny: a record of fields of any types; `Values` names each
export type Fields = Readonly<Record<string, Field<any>>>;

/** What a body says; a field that is absent is `undefined`. */
export type Values<F extends Fields> = {
  readonly [K in keyof F]: (F[K] extends Field<infer T> ? T : never) | undefined;
};

/** Reads the fields of an object, or of null, which has none. Throws `RequestError`. */
export function readFields<F extends Fields>(fields: F, node: JsonNode, where = ''): Values<F> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) values[name] = undefined;
  if (node.type === 'null') return values as Values<F>;
  if (node.type !== 'object') throw wrong(where === '' ? 'the body' : where, 'an object', node);
  for (const [written, value] of node.members) {
    const name = folded(written);
    // Not inherited ones: "constructor" is a name like any other.
    if (value.type === 'null' || !Object.hasOwn(fields, name)) continue;
    const field = fields[name]!;
    // Each is read, so that a bad one is refused even if a good one follows.
    values[name] = field.read(value, where === '' ? name : `${where}.${name}`);
  }
  return values as Values<F>;
}

/** 0 … 2^64−1. */
export const uint64Field: Field<bigint> = {
  schema: UINT64,
  read: (node, where) => {
    const value = plainDigits(node);
    if (value !== undefined) return value;
    throw wrong(where, 'an integer from 0 to 2^64-1 in plain digits', node);
  },
};

export const uint16Field: Field<number> = {
  schema: UINT16,
  read: (node, where) => {
    const value = plainDigits(node);
    if (value !== undefined && value <= 0xffffn) return Number(value);
    throw wrong(where, 'an integer from 0 to 65535 in plain digits', node);
  },
};

export const textField: Field<string> = {
  schema: z.string(),
  read: (node, where) => {
    if (node.type !== 'string') throw wrong(where, 'a string', node);
    // A lone surrogate is no character: as in the reference, it becomes a replacement character.
    return Buffer.from(node.value, 'utf8').toString('utf8');
  },
};

export const flagField: Field<boolean> = {
  schema: z.boolean(),
  read: (node, where) => {
    if (node.type !== 'boolean') throw wrong(where, 'true or false', node);
    return node.value;
  },
};

/** Bytes in hex of either case, of any length. */
export const hexField: Field<Uint8Array> = {
  schema: HEX,
  read: (node, where) => {
    if (node.type !== 'string') throw wrong(where, 'hex in a string', node);
    return hexBytes(node.value, where);
  },
};

export function listField<T>(item: Field<T>): Field<readonly T[]> {
  return {
    schema: z.array(item.schema),
    read: (node, where) => {
      if (node.type !== 'array') throw wrong(where, 'an array', node);
      return node.items.map((each, i) => item.read(each, `${where}[${i}]`));
    },
  };
}

export function objectField<F extends Fields>(fields: F): Field<Values<F>> {
  return {
    schema: fieldsSchema(fields),
    read: (node, where) => readFields(fields, node, where),
  };
}

/** How a body with these fields is described. */
export function fieldsSchema(fields: Fields): z.ZodType {
  const shape = Object.entries(fields).map(([name, { schema }]) => [name, schema.optional()]);
  return z.looseObject(Object.fromEntries(shape) as Record<string, z.ZodType>);
}

const MAX_UINT64 = (1n << 64n) - 1n;

/** Digits and nothing else: no sign, no fraction, no exponent, no quotes. */
function plainDigits(node: JsonNode): bigint | undefined {
  if (node.type !== 'number' || !/^\d{1,20}$/.test(node.source)) return undefined;
  const value = BigInt(node.source);
  return value <= MAX_UINT64 ? value : undefined;
}

function hexBytes(text: string, where: string): Uint8Array {
  const bad = text.search(/[^0-9a-fA-F]/);
  if (bad >= 0) throw badBody(`encoding/hex: invalid byte: ${firstByte(text, bad)}`);
  if (text.length % 2 !== 0) throw badBody('encoding/hex: odd length hex string');
  return hexToBytes(text, where);
}

/** The first byte of a character, as the reference shows it: `U+007A 'z'`. */
function firstByte(text: string, at: number): string {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  const byte = Buffer.from(character, 'utf8')[0] ?? 0;
  const code = `U+${byte.toString(16).toUpperCase().padStart(4, '0')}`;
  const printable = (byte >= 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return printable ? `${code} '${String.fromCodePoint(byte)}'` : code;
}

/** The long s is an s to the reference; `toLowerCase` knows the other such letter, the Kelvin sign. */
function folded(name: string): string {
  return name.replaceAll('\u017f', 's').toLowerCase();
}

function wrong(where: string, expected: string, node: JsonNode): Error {
  return badBody(`${where}: expected ${expected}, got ${shown(node)}`);
}

function shown(node: JsonNode): string {
  switch (node.type) {
    case 'number':
      return `the number ${clip(node.source, 40)}`;
    case 'string':
      return 'a string';
    case 'boolean':
      return `${node.value}`;
    case 'null':
      return 'null';
    case 'array':
      return 'an array';
    case 'object':
      return 'an object';
  }
}
