import { describe, expect, it } from 'vitest';
import { RequestError } from '../../../src/node/http/envelope.ts';
import {
  type Fields,
  flagField,
  hexField,
  listField,
  objectField,
  readFields,
  textField,
  uint16Field,
  uint64Field,
} from '../../../src/node/http/fields.ts';
import { parseFirstJson } from '../../../src/node/http/first-json.ts';

const FIELDS = {
  block_height: uint64Field,
  port: uint16Field,
  is_mining: flagField,
  text: textField,
  hex: hexField,
  list: listField(hexField),
  inner: objectField({ bits: uint64Field }),
} as const;

const read = (text: string): Readonly<Record<string, unknown>> =>
  readFields(FIELDS as Fields, parseFirstJson(text));

/** What is refused, and how. */
function refusalOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    expect(error.detail).toMatchObject({ status: 400, refusal: 'BTM002' });
    return error.message;
  }
  return 'none';
}

describe('the fields of a body', () => {
  it('are absent from {} and from null, and null is as good as absent', () => {
    const none = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, undefined]));
    expect(read('{}')).toEqual(none);
    expect(read('null')).toEqual(none);
    expect(read('{"block_height":null,"list":null,"inner":null}')).toEqual(none);
    expect(read('{"block_height":5,"block_height":null}')['block_height']).toBe(5n);
  });

  it('refuse an array, a text, a number and a boolean in place of the object', () => {
    for (const text of ['[]', '[{}]', '"{}"', '1', 'true']) {
      expect(refusalOf(text), text).toMatch(/^the body: expected an object/);
    }
  });

  it('match regardless of case; of repeated ones the last counts; unknown ones are ignored', () => {
    expect(read('{"Block_HEIGHT":1}')['block_height']).toBe(1n);
    expect(read('{"block_height":1,"BLOCK_HEIGHT":2}')['block_height']).toBe(2n);
    expect(read('{"BLOCK_HEIGHT":2,"block_height":1}')['block_height']).toBe(1n);
    // The two letters beyond ASCII that fold to one of ASCII.
    expect(read('{"bloc\u212a_height":3}')['block_height']).toBe(3n);
    expect(read('{"i\u017f_mining":true}')['is_mining']).toBe(true);
    expect(read('{"blockheight":1,"block_height ":2,"x":[{}]}')['block_height']).toBeUndefined();
  });

  it('are refused even if a good one follows a bad one', () => {
    expect(refusalOf('{"block_height":"1","block_height":1}')).toContain('block_height');
  });

  it('take nothing from names of the prototype', () => {
    const values = read('{"__proto__":{"block_height":7},"constructor":1,"hasOwnProperty":2}');
    expect(values['block_height']).toBeUndefined();
    expect(Object.keys(values)).toEqual(Object.keys(FIELDS));
    expect(Object.hasOwn(values, 'constructor')).toBe(false);
    expect(({} as Record<string, unknown>)['block_height']).toBeUndefined();
  });

  it('take integers of 64 bits in plain digits and nothing else', () => {
    expect(read('{"block_height":0}')['block_height']).toBe(0n);
    expect(read('{"block_height":18446744073709551615}')['block_height']).toBe(2n ** 64n - 1n);
    expect(read('{"block_height":9007199254740993}')['block_height']).toBe(9007199254740993n);
    for (const bad of [
      '18446744073709551616',
      '99999999999999999999999999',
      '1'.repeat(10_000),
      '-1',
      '-0',
      '1.0',
      '1e3',
      '1E0',
      '"1"',
      'true',
      '[]',
      '{}',
    ]) {
      expect(refusalOf(`{"block_height":${bad}}`), bad).toMatch(
        /^block_height: expected an integer/,
      );
    }
  });

  it('take a port up to 65535', () => {
    expect(read('{"port":65535}')['port']).toBe(65_535);
    expect(refusalOf('{"port":65536}')).toMatch(/^port: expected an integer from 0 to 65535/);
  });

  it('take texts and flags as what they are', () => {
    expect(read('{"text":"a\\u0000b","is_mining":false}')).toMatchObject({
      text: 'a\u0000b',
      is_mining: false,
    });
    expect(read('{"text":"\\ud800"}')['text']).toBe('\ufffd');
    for (const bad of ['1', 'true', '[]', '{}']) {
      expect(refusalOf(`{"text":${bad}}`), bad).toMatch(/^text: expected a string/);
    }
    for (const bad of ['1', '0', '"true"', '[]']) {
      expect(refusalOf(`{"is_mining":${bad}}`), bad).toMatch(/^is_mining: expected true or false/);
    }
  });

  it('take hex of either case, and word what is none as the reference does', () => {
    const hint = ': check request parameters for missing and/or incorrect values';
    expect(read('{"hex":"aAfF00"}')['hex']).toEqual(Uint8Array.of(0xaa, 0xff, 0));
    expect(read('{"hex":""}')['hex']).toEqual(new Uint8Array(0));
    expect(refusalOf('{"hex":"zz"}')).toBe(`encoding/hex: invalid byte: U+007A 'z'${hint}`);
    expect(refusalOf('{"hex":"0"}')).toBe(`encoding/hex: odd length hex string${hint}`);
    expect(refusalOf('{"hex":"0é"}')).toBe(`encoding/hex: invalid byte: U+00C3 'Ã'${hint}`);
    expect(refusalOf('{"hex":"0\\u0000"}')).toBe(`encoding/hex: invalid byte: U+0000${hint}`);
    expect(refusalOf('{"hex":"0x00"}')).toContain("U+0078 'x'");
    expect(refusalOf('{"hex":12}')).toMatch(/^hex: expected hex in a string, got the number 12/);
  });

  it('read lists and objects in them, and name what is wrong there', () => {
    expect(read('{"list":["00","ff"]}')['list']).toEqual([Uint8Array.of(0), Uint8Array.of(255)]);
    expect(refusalOf('{"list":["00",1]}')).toMatch(/^list\[1\]: expected hex/);
    expect(refusalOf('{"list":{}}')).toMatch(/^list: expected an array/);
    expect(read('{"inner":{"BITS":5}}')['inner']).toEqual({ bits: 5n });
    expect(refusalOf('{"inner":{"bits":-5}}')).toMatch(/^inner\.bits: expected an integer/);
    expect(refusalOf('{"inner":[]}')).toMatch(/^inner: expected an object/);
  });
});
