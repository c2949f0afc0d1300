/**
 * Every import a TypeScript file makes, found with a small tokenizer instead of a compiler: comments,
 * strings, templates and regular expressions are recognised, so an import quoted inside one of them
 * is not an import. What it cannot tell apart, a regular expression right after `)` or `}`, does not
 * occur at the head of a file, where static imports stand.
 */

export interface Import {
  /** As written; `undefined` for an `import()` whose argument is not one string literal. */
  readonly specifier: string | undefined;
  /** `import type` or `export type`: gone after compilation. */
  readonly typeOnly: boolean;
  /** 1-based. */
  readonly line: number;
}

/** The imports, re-exports and `import()` calls of one file, in order. */
export function importsOf(source: string): readonly Import[] {
  const tokens = tokenize(source);
  const found: Import[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== 'word' || tokens[i - 1]?.text === '.') continue;
    if (token.text !== 'import' && token.text !== 'export') continue;
    const next = tokens[i + 1];
    const imported =
      token.text === 'import' && next?.text === '(' ? callee(tokens, i + 2) : clause(tokens, i);
    if (imported === undefined) continue;
    found.push({ ...imported, line: lineAt(source, token.start) });
  }
  return found;
}

interface Token {
  readonly kind: 'word' | 'string' | 'mark';
  /** For a string, its content with escapes as written. */
  readonly text: string;
  readonly start: number;
}

type Imported = Omit<Import, 'line'>;

/** `import(` has been read: `at` is the first token of its argument. */
function callee(tokens: readonly Token[], at: number): Imported {
  const argument = tokens[at];
  const literal = argument?.kind === 'string' && [')', ','].includes(tokens[at + 1]?.text ?? '');
  return { specifier: literal ? argument.text : undefined, typeOnly: false };
}

/** The module named by the statement that starts at `at`, if it names one. */
function clause(tokens: readonly Token[], at: number): Imported | undefined {
  let i = at + 1;
  if (tokens[at]?.text === 'import' && tokens[i]?.kind === 'string') {
    return { specifier: tokens[i]!.text, typeOnly: false };
  }
  const second = tokens[i + 1];
  // `import type from './x.ts'` imports a default named "type".
  const typeOnly =
    tokens[i]?.text === 'type' && !(second?.text === 'from' && tokens[i + 2]?.kind === 'string');
  if (typeOnly) i++;
  // `export const`, `export type T =`, `export default` and `import.meta` name no module.
  const isExport = tokens[at]?.text === 'export';
  if (isExport && tokens[i]?.text !== '{' && tokens[i]?.text !== '*') return undefined;
  for (; i < tokens.length; i++) {
    const token = tokens[i]!;
    const after = tokens[i + 1];
    if (token.text === 'from' && after?.kind === 'string') {
      return { specifier: after.text, typeOnly };
    }
    // Only names, braces, commas and stars stand between the keyword and `from`.
    const fits = token.kind === 'word' || ['{', '}', ',', '*'].includes(token.text);
    if (!fits && token.kind !== 'string') return undefined;
    if (isExport && token.text === '}' && after?.text !== 'from') return undefined;
  }
  return undefined;
}

const SKIPPED = /\s+|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*|\d[\w.]*/uy;
const STRING = /'((?:\\[\s\S]|[^'\\\n])*)'|"((?:\\[\s\S]|[^"\\\n])*)"/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/[a-z]*/y;
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;

/** Words after which a slash starts a regular expression, as it does after most marks. */
const BEFORE_REGEX = new Set(['return', 'typeof', 'case', 'in', 'of', 'void', 'throw', 'await']);

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Open braces; 'template' marks one that a `${` opened. */
  const braces: ('block' | 'template')[] = [];
  let at = 0;

  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match;
  };
  const push = (kind: Token['kind'], text: string, start: number): void => {
    tokens.push({ kind, text, start });
  };
  /** Text of a template up to its end or up to the next `${`. */
  const templateText = (): void => {
    take(TEMPLATE_TEXT);
    if (source.startsWith('${', at)) {
      braces.push('template');
      at += 2;
    } else {
      at += 1;
    }
  };

  while (at < source.length) {
    if (take(SKIPPED)) continue;
    const start = at;
    const word = take(WORD);
    if (word) {
      push('word', word[0], start);
      continue;
    }
    const string = take(STRING);
    if (string) {
      push('string', string[1] ?? string[2] ?? '', start);
      continue;
    }
    const mark = source[at]!;
    if (mark === '/' && startsRegex(tokens.at(-1)) && take(REGEX)) {
      push('mark', '/', start);
      continue;
    }
    at += 1;
    if (mark === '`') {
      push('mark', '`', start);
      templateText();
    } else if (mark === '}' && braces.pop() === 'template') {
      templateText();
    } else {
      if (mark === '{') braces.push('block');
      push('mark', mark, start);
    }
  }
  return tokens;
}

function startsRegex(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === 'word') return BEFORE_REGEX.has(previous.text);
  return previous.kind === 'mark' && ![')', ']', '}', '`', '/'].includes(previous.text);
}

function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}
