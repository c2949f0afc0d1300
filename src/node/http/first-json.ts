/**
 * The JSON value at the start of a text, whatever follows it, with what `JSON.parse` loses: repeated
 * names in their order, and numbers as they were written. Bytom 1.x mining interfaces, A.1.
 */
import { CodedError } from '../../util/errors.ts';

export type JsonNode =
  | { readonly type: 'null' }
  | { readonly type: 'boolean'; readonly value: boolean }
  /** `source` is a number by the grammar of JSON. */
  | { readonly type: 'number'; readonly source: string }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly items: readonly JsonNode[] }
  | { readonly type: 'object'; readonly members: readonly JsonMember[] };

export type JsonMember = readonly [name: string, value: JsonNode];

/** The message is what a client reads. */
export class JsonTextError extends CodedError<{ readonly code: 'bad-json' }> {
  constructor(message: string) {
    super(message, { code: 'bad-json' });
  }
}

/** The recursion below takes some hundred bytes of stack a level. */
const MAX_DEPTH = 500;
/** A value takes some hundred bytes of memory, and two bytes of text. */
const MAX_VALUES = 65_536;

/** Throws `JsonTextError`: it is none, deeper than 500 levels, or of more than 65,536 values. */
export function parseFirstJson(text: string): JsonNode {
  return new Scanner(text).value(0);
}

class Scanner {
  readonly #text: string;
  #at = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonNode {
    if (++this.#values > MAX_VALUES) throw new JsonTextError('JSON of too many values');
    if (depth > MAX_DEPTH) throw new JsonTextError('JSON nested too deeply');
    switch (this.#peek()) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return { type: 'string', value: this.#string() };
      case 't':
        return this.#word('true', { type: 'boolean', value: true });
      case 'f':
        return this.#word('false', { type: 'boolean', value: false });
      case 'n':
        return this.#word('null', { type: 'null' });
      default:
        return { type: 'number', source: this.#match(NUMBER) ?? this.#fail('a value') };
    }
  }

  #object(depth: number): JsonNode {
    this.#at++;
    const members: JsonMember[] = [];
    if (this.#skip('}')) return { type: 'object', members };
    do {
      if (this.#peek() !== '"') this.#fail('a name');
      const name = this.#string();
      if (!this.#skip(':')) this.#fail('":"');
      members.push([name, this.value(depth + 1)]);
    } while (this.#skip(','));
    if (!this.#skip('}')) this.#fail('"," or "}"');
    return { type: 'object', members };
  }

  #array(depth: number): JsonNode {
    this.#at++;
    const items: JsonNode[] = [];
    if (this.#skip(']')) return { type: 'array', items };
    do items.push(this.value(depth + 1));
    while (this.#skip(','));
    if (!this.#skip(']')) this.#fail('"," or "]"');
    return { type: 'array', items };
  }

  #string(): string {
    const start = this.#at;
    // From quote to quote: it may be a whole block, which is no length for a pattern.
    for (this.#at++; ; ) {
      const end = this.#text.indexOf('"', this.#at);
      if (end < 0) throw new JsonTextError('unexpected EOF');
      this.#at = end + 1;
      if (this.#backslashesBefore(end) % 2 === 0) break;
    }
    try {
      return JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch {
      throw new JsonTextError(`invalid string literal at byte ${start}`);
    }
  }

  #backslashesBefore(end: number): number {
    let at = end;
    while (this.#text[at - 1] === '\\') at--;
    return end - at;
  }

  #word(word: string, node: JsonNode): JsonNode {
    if (!this.#text.startsWith(word, this.#at)) this.#fail(`"${word}"`);
    this.#at += word.length;
    return node;
  }

  #skip(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  /** The next character that is no white space. */
  #peek(): string | undefined {
    this.#match(SPACE);
    return this.#text[this.#at];
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(expected: string): never {
    const at = this.#at;
    if (at >= this.#text.length) {
      throw new JsonTextError(
        this.#values === 1 && expected === 'a value' ? 'EOF' : 'unexpected EOF',
      );
    }
    throw new JsonTextError(`invalid JSON at character ${at}, expected ${expected}`);
  }
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
