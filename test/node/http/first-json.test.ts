import { describe, expect, it } from 'vitest';
import { type JsonNode, JsonTextError, parseFirstJson } from '../../../src/node/http/first-json.ts';
import { seededRandom } from '../../support/random.ts';

/** The value as `JSON.parse` would give it. */
function plain(node: JsonNode): unknown {
  switch (node.type) {
    case 'null':
      return null;
    case 'boolean':
    case 'string':
      return node.value;
    case 'number':
      return Number(node.source);
    case 'array':
      return node.items.map(plain);
    case 'object':
      return Object.fromEntries(node.members.map(([name, value]) => [name, plain(value)]));
  }
}

function messageOf(text: string): string {
  try {
    parseFirstJson(text);
  } catch (error) {
    if (error instanceof JsonTextError) return error.message;
    throw error;
  }
  return 'none';
}

describe('the first JSON value of a text', () => {
  it('is what JSON.parse says of it', () => {
    for (const text of [
      '{}',
      '[]',
      ' \t\r\n{ "a" : [ 1 , -2.5e+3 , true , false , null , "" ] } ',
      '"\\u0041\\n\\"\\\\"',
      '"\\\\"',
      '{"\\"":"\\\\\\""}',
      '-0',
      '{"":{"":{"":[]}}}',
      '"é\u{1f600}"',
    ]) {
      expect(plain(parseFirstJson(text)), text).toEqual(JSON.parse(text));
    }
  });

  it('is that of random values, however they are written', () => {
    const random = seededRandom(7);
    const value = (depth: number): unknown => {
      const kind = Math.floor(random() * (depth > 3 ? 4 : 6));
      if (kind === 0) return null;
      if (kind === 1) return random() < 0.5;
      if (kind === 2) return Math.round((random() - 0.5) * 10 ** Math.floor(random() * 18));
      if (kind === 3)
        return String.fromCharCode(...Array.from({ length: 5 }, () => random() * 200));
      const items = Array.from({ length: random() * 4 }, () => value(depth + 1));
      return kind === 4 ? items : Object.fromEntries(items.map((item, i) => [`${i}\\"`, item]));
    };
    for (let i = 0; i < 500; i++) {
      const expected = value(0);
      const text = JSON.stringify(expected, null, Math.floor(random() * 3));
      expect(plain(parseFirstJson(text)), text).toEqual(JSON.parse(text));
    }
  });

  it('refuses what JSON.parse refuses, cut off anywhere', () => {
    const whole = '{"a":[1.5e3,"x\\n"],"b":{"c":null,"d":true}}';
    for (let end = 0; end < whole.length; end++) {
      expect(messageOf(whole.slice(0, end)), whole.slice(0, end)).not.toBe('none');
    }
    for (const text of [
      '{a:1}',
      "{'a':1}",
      '{"a" 1}',
      '{"a":1,}',
      '{,}',
      '[1,]',
      '[1 2]',
      '{"a":01}',
      '{"a":+1}',
      '{"a":.5}',
      '{"a":1.}',
      '{"a":NaN}',
      '{"a":0x10}',
      '"a\nb"',
      '"\\x"',
      'tru',
      '\ufeff{}',
      '\u00a0{}',
      '/* */{}',
    ]) {
      expect(messageOf(text), text).not.toBe('none');
    }
  });

  it('names the end of the text as the reference does', () => {
    expect(messageOf('')).toBe('EOF');
    expect(messageOf(' \n')).toBe('EOF');
    expect(messageOf('{')).toBe('unexpected EOF');
    expect(messageOf('{"a":')).toBe('unexpected EOF');
    expect(messageOf('"abc')).toBe('unexpected EOF');
  });

  it('ends where the value ends, whatever follows', () => {
    for (const text of ['{"a":1} garbage', '{"a":1}}', '{"a":1}{"a":2}', '{"a":1}\u0000']) {
      expect(plain(parseFirstJson(text)), text).toEqual({ a: 1 });
    }
  });

  it('keeps repeated names in order, names of the prototype among them, and numbers as written', () => {
    const text = '{"a":1,"A":2,"a":1.0,"__proto__":{"x":1},"constructor":18446744073709551616}';
    const node = parseFirstJson(text);
    expect(node).toEqual({
      type: 'object',
      members: [
        ['a', { type: 'number', source: '1' }],
        ['A', { type: 'number', source: '2' }],
        ['a', { type: 'number', source: '1.0' }],
        ['__proto__', { type: 'object', members: [['x', { type: 'number', source: '1' }]] }],
        ['constructor', { type: 'number', source: '18446744073709551616' }],
      ],
    });
  });

  it('refuses what is too deep or of too many values, instead of dying of it', () => {
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(messageOf(deep(500))).toBe('none');
    expect(messageOf(deep(100_000))).toBe('JSON nested too deeply');
    expect(messageOf('{"a":'.repeat(100_000))).toBe('JSON nested too deeply');
    expect(messageOf(`[${'0,'.repeat(70_000)}0]`)).toBe('JSON of too many values');
  });

  it('takes time in proportion to the length of a string, escapes or none', () => {
    const started = performance.now();
    const long = 'a'.repeat(2_000_000);
    expect(plain(parseFirstJson(`"${long}"`))).toBe(long);
    expect(messageOf(`"${'\\"'.repeat(500_000)}`)).toBe('unexpected EOF');
    expect(plain(parseFirstJson(`"${'\\\\'.repeat(500_000)}"`))).toHaveLength(500_000);
    // Linear work takes some ten milliseconds, quadratic work minutes.
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
