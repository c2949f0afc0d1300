import { describe, expect, it } from 'vitest';
import { importsOf } from './imports.ts';

/** The specifiers found, type-only ones marked. */
function found(source: string): string[] {
  return importsOf(source).map(({ specifier = '(computed)', typeOnly }) =>
    typeOnly ? `type ${specifier}` : specifier,
  );
}

describe('importsOf', () => {
  it.each([
    ['a side effect', "import './a.ts';", ['./a.ts']],
    ['a default', "import a from './a.ts';", ['./a.ts']],
    ['a default named type', "import type from './a.ts';", ['./a.ts']],
    ['a namespace', "import * as a from './a.ts';", ['./a.ts']],
    ['names over lines', "import {\n  a,\n  type B,\n} from './a.ts';", ['./a.ts']],
    ['a default beside names', "import a, { b } from './a.ts';", ['./a.ts']],
    ['types', "import type { A } from './a.ts';", ['type ./a.ts']],
    ['an attribute', "import a from './a.json' with { type: 'json' };", ['./a.json']],
    ['double quotes', 'import { a } from "./a.ts";', ['./a.ts']],
    ['a re-export', "export { a } from './a.ts';", ['./a.ts']],
    ['a re-export of types', "export type { A } from './a.ts';", ['type ./a.ts']],
    ['a re-export of everything', "export * as a from './a.ts';", ['./a.ts']],
    ['a call', "const a = await import('./a.ts');", ['./a.ts']],
    ['a call over lines', "import(\n  './a.ts',\n);", ['./a.ts']],
    ['a type from a call', "let a: import('./a.ts').A;", ['./a.ts']],
    ['a call inside a template', `\`\${'\`'}\${await import('./a.ts')}\`;`, ['./a.ts']],
    ['a computed call', "import('./' + name);", ['(computed)']],
    ['a call of a template', 'import(`./a.ts`);', ['(computed)']],
  ])('finds %s', (_name, source, expected) => {
    expect(found(source)).toEqual(expected);
  });

  it.each([
    ['a line comment', "// import './a.ts'\n"],
    ['a block comment', "/* import './a.ts' */"],
    ['a string', `"import './a.ts'";`],
    ['a template', "`import './a.ts'`;"],
    ['a regular expression', `const a = /import '.\\/a.ts'/;`],
    ['import.meta', 'import.meta.url;'],
    ['a method called import', "loader.import('./a.ts');"],
    ['a local export', "export { a };\nconst from = './a.ts';"],
    ['an exported value', "export const from = './a.ts';"],
  ])('does not take %s for an import', (_name, source) => {
    expect(found(source)).toEqual([]);
  });

  it.each([
    ['a quote in a regular expression', "const quote = /['`]/;"],
    ['slashes in a regular expression', 'const scheme = value.match(/^https?:[/]*/);'],
    ['a division', 'const half = (a + b) / 2; const third = a / 3;'],
    ['an apostrophe in a comment', "// it isn't\n"],
    ['braces in a template', `const text = \`{ \${ { a: \`\${b}\` }.a } }\`;`],
  ])('is not derailed by %s', (_name, source) => {
    expect(found(`${source}\nimport './after.ts';`)).toEqual(['./after.ts']);
  });

  it('gives the line of the statement', () => {
    expect(importsOf("\n\nimport './a.ts';").map((each) => each.line)).toEqual([3]);
  });
});
