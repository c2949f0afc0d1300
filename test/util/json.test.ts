import { describe, expect, it } from 'vitest';
import { parseExact, stringifyExact } from '../../src/util/json.ts';

describe('parseExact', () => {
  it('keeps integers that a double would change', () => {
    expect(parseExact('{"bits":2305843009214298638}')).toEqual({ bits: 2305843009214298638n });
    expect(parseExact('[9007199254740991,9007199254740992,9007199254740993]')).toEqual([
      9007199254740991,
      9007199254740992n,
      9007199254740993n,
    ]);
    expect(parseExact('-9007199254740993')).toBe(-9007199254740993n);
    expect(parseExact('18446744073709551615')).toBe((1n << 64n) - 1n);
  });

  it('leaves every other value as JSON.parse gives it', () => {
    const text = '{"a":[1,-2,0.5,1e3,1e300,"9007199254740993",true,null,{"":{}}]}';
    expect(parseExact(text)).toEqual(JSON.parse(text));
  });

  it('does not let a member named __proto__ reach the prototype', () => {
    const value = parseExact('{"__proto__":{"polluted":1}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('answers all bad text with SyntaxError, however deep it nests', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    for (const bad of ['', '{', '{"a":1}x', 'nan', '01', deep]) {
      expect(() => parseExact(bad), bad.slice(0, 20)).toThrow(SyntaxError);
    }
  });
});

describe('stringifyExact', () => {
  it('writes bigints as plain digits on one line', () => {
    const value = { nonce: (1n << 64n) - 1n, list: [-1n, 'x\ny'], gone: undefined };
    expect(stringifyExact(value)).toBe('{"nonce":18446744073709551615,"list":[-1,"x\\ny"]}');
  });

  it('survives a round trip', () => {
    const text = '{"bits":2305843009214298638,"nonce":0,"small":[1,2.5]}';
    expect(stringifyExact(parseExact(text))).toBe(text);
  });
});
