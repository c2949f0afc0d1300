/**
 * Exact JSON. A double cannot hold Bytom's `bits`, nonces and amounts, so `JSON.parse` silently
 * changes them. Here an integer literal that a double cannot hold becomes a `bigint`, and a
 * `bigint` is written as plain digits.
 */

export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

interface SourceContext {
  readonly source?: string;
}

/** Parses JSON text; integers outside ±(2^53−1) come back as `bigint`. Throws `SyntaxError`. */
export function parseExact(text: string): JsonValue {
  const reviver = (_key: string, value: unknown, context?: SourceContext): unknown => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
    const source = context?.source;
    return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
  };
  // TypeScript's lib does not know the reviver's third argument ("JSON.parse source text access").
  const parse = JSON.parse as (text: string, reviver: unknown) => JsonValue;
  try {
    return parse(text, reviver);
  } catch (error) {
    // The reviver walks the tree recursively; text nested deeply enough exhausts the stack.
    if (error instanceof RangeError)
      throw new SyntaxError('JSON nested too deeply', { cause: error });
    throw error;
  }
}

/** JSON text on one line; `bigint` as plain digits, `undefined` members left out. */
export function stringifyExact(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? rawJSON(item.toString()) : item,
  );
}
