/**
 * The documents against the checkout: relative links and anchors lead somewhere, and the commands
 * in code blocks exist, down to the flags of our own programs where those have been built.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, codeBlocksOf, linksOf } from './support/markdown.ts';
import { repoFiles, repoRoot } from './support/repo-files.ts';

interface Document {
  readonly path: string;
  readonly text: string;
}

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** One call of one of our programs, as a document shows it. */
interface Call {
  readonly where: string;
  readonly program: string;
  /** Without the program; up to the next `|`, `&&` or `;`. */
  readonly words: readonly string[];
}

/** Languages of the blocks that hold commands. */
const SHELLS = new Set(['sh', 'bash', 'console', '']);

const FILES = repoFiles();
const DOCUMENTS: readonly Document[] = FILES.filter((path) => path.endsWith('.md')).map((path) => ({
  path,
  text: readFileSync(join(repoRoot, path), 'utf8'),
}));
const MANIFEST = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as Manifest;

describe('documents', () => {
  it('have no dead links', () => {
    expect(DOCUMENTS.map((each) => each.path)).toContain('CONTRIBUTING.md');
    expect(deadLinks(DOCUMENTS, FILES).join('\n')).toBe('');
  });

  it('name only npm scripts that exist', () => {
    expect(unknownScripts(DOCUMENTS, MANIFEST).join('\n')).toBe('');
  });

  it('call only programs of ours that exist', () => {
    const unknown = callsIn(DOCUMENTS).filter(({ program }) => !(program in MANIFEST.bin));
    expect(unknown.map(({ where, program }) => `${where}: ${program}`).join('\n')).toBe('');
  });

  it('say where every vector file comes from', () => {
    const readme = DOCUMENTS.find((each) => each.path === 'test/vectors/README.md')?.text ?? '';
    const unnamed = FILES.filter((path) => path.startsWith('test/vectors/'))
      .map((path) => posix.basename(path))
      .filter((name) => name !== 'README.md' && !readme.includes(`| \`${name}\` |`));
    expect(unnamed).toEqual([]);
  });

  for (const [program, built] of Object.entries(MANIFEST.bin)) {
    it(`show only flags that ${program} has`, (ctx) => {
      const file = join(repoRoot, built);
      ctx.skip(!existsSync(file), `${built} is not built: npm run build`);
      const help = (command: readonly string[]): string =>
        execFileSync(process.execPath, [file, ...command, '--help'], { encoding: 'utf8' });
      const calls = callsIn(DOCUMENTS).filter((call) => call.program === program);
      expect(unknownFlags(calls, help).join('\n')).toBe('');
    });
  }
});

describe('deadLinks', () => {
  const files = ['README.md', 'docs/a.md', 'docs/b.md', 'src/x.ts'];
  const check = (text: string): string[] =>
    deadLinks(
      [
        { path: 'docs/a.md', text },
        { path: 'docs/b.md', text: '# One & Two\n# `three` (x)\n# One & Two' },
      ],
      files,
    );

  it.each([
    '[a](b.md)',
    '[a](../src/x.ts "title")',
    '[a](../src/) and [b](../README.md)',
    '[a](b.md#one--two), [b](b.md#three-x), [c](b.md#one--two-1)',
    '# Here\n[a](#here)',
    '[a]: b.md',
    '[a](https://example.org/nowhere#x) <mailto:a@example.org>',
    '`[a](c.md)`',
    '```md\n[a](c.md)\n```',
  ])('accepts %j', (text) => {
    expect(check(text)).toEqual([]);
  });

  it.each([
    ['[a](c.md)', 'c.md'],
    ['![a](c.png)', 'c.png'],
    ['[a]: c.md', 'c.md'],
    ['[a](b.md#four)', 'b.md#four'],
    ['[a](#here)', '#here'],
    ['```sh\n# here\n```\n[a](#here)', '#here'],
    ['[a](../../other.md)', '../../other.md'],
    ['[a](/README.md)', '/README.md'],
  ])('reports %j', (text, target) => {
    const line = text.split('\n').length;
    expect(check(text)).toEqual([`docs/a.md:${line}: dead link ${target}`]);
  });
});

describe('unknownScripts', () => {
  const manifest = { scripts: { check: '', test: '', 'bench:cpu': '' }, bin: {} };
  const check = (text: string): string[] => unknownScripts([{ path: 'a.md', text }], manifest);

  it('finds a script that does not exist, in code blocks only', () => {
    const text = '`npm run gone`\n```sh\nnpm run check && npm run bench:gpu # npm run x\n```';
    expect(check(text)).toEqual(['a.md:3: no script "bench:gpu"']);
  });

  it('knows the scripts that npm runs by name', () => {
    expect(check('```sh\nnpm ci\nnpm test\nnpm start\n```')).toEqual(['a.md:4: no script "start"']);
  });
});

describe('unknownFlags', () => {
  const calls = callsIn([
    {
      path: 'a.md',
      text: [
        '```sh',
        '$ npx bytom-miner --help',
        'X=1 bytom-miner mine --url=tcp://host -u me | tee --append log',
        'npm start -- mine \\',
        '  --gone 3 -q "-not --a-flag" # --comment',
        'cat bytom-miner.log',
        '```',
      ].join('\n'),
    },
  ]);
  const help = (command: readonly string[]): string =>
    command.length === 0 ? '-h, --help  -v, --verbose' : '-u, --user <name>  --url <url> --gone-by';

  it('reads the calls', () => {
    expect(calls.map(({ where, words }) => [where, ...words])).toEqual([
      ['a.md:2', '--help'],
      ['a.md:3', 'mine', '--url=tcp://host', '-u', 'me'],
      ['a.md:4', 'mine', '--gone', '3', '-q', '-not --a-flag'],
    ]);
  });

  it('finds the flags that the help does not list', () => {
    expect(unknownFlags(calls, help)).toEqual([
      'a.md:4: bytom-devnet mine has no --gone',
      'a.md:4: bytom-devnet mine has no -q',
    ]);
  });
});

/** Relative links to no file or folder of the checkout, and anchors that no heading makes. */
function deadLinks(documents: readonly Document[], files: readonly string[]): string[] {
  const isFile = new Set(files);
  const isPlace = (path: string): boolean =>
    path === '.' || isFile.has(path) || files.some((file) => file.startsWith(`${path}/`));

  return documents.flatMap(({ path, text }) =>
    linksOf(text)
      .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
      .filter(({ target }) => {
        const [file = '', anchor] = decodeURI(target).split('#', 2);
        const joined = posix.join(posix.dirname(path), file).replace(/\/$/, '');
        const place = file === '' ? path : joined;
        if (file.startsWith('/') || !isPlace(place)) return true;
        const aim = documents.find((each) => each.path === place);
        return anchor !== undefined && aim !== undefined && !anchorsOf(aim.text).has(anchor);
      })
      .map(({ target, line }) => `${path}:${line}: dead link ${target}`),
  );
}

function unknownScripts(documents: readonly Document[], { scripts }: Manifest): string[] {
  return commandsIn(documents).flatMap(({ where, words }) => {
    if (words[0] !== 'npm') return [];
    const script = words[1] === 'run' ? words[2] : words[1];
    if (words[1] !== 'run' && script !== 'test' && script !== 'start') return [];
    return script !== undefined && script in scripts ? [] : [`${where}: no script "${script}"`];
  });
}

/** Calls of `bytom-*`, by name, through npx, or as `npm start --`, which is `bytom-devnet`. */
function callsIn(documents: readonly Document[]): Call[] {
  return commandsIn(documents).flatMap(({ where, words }) => {
    const rest = words[0] === 'npx' ? words.slice(1) : words;
    const isStart = rest[0] === 'npm' && rest[1] === 'start';
    if (isStart) return [{ where, program: 'bytom-devnet', words: rest.slice(3) }];
    const program = rest[0] ?? '';
    return /^bytom-[a-z]+$/.test(program) ? [{ where, program, words: rest.slice(1) }] : [];
  });
}

/**
 * Flags that do not stand in the help text of their program and command; `help` gives it for the
 * command's words, and for the program with none.
 */
function unknownFlags(
  calls: readonly Call[],
  help: (command: readonly string[]) => string,
): string[] {
  const texts = new Map<string, string>();
  const helpOnce = (command: readonly string[]): string => {
    const key = command.join(' ');
    const text = texts.get(key) ?? help(command);
    texts.set(key, text);
    return text;
  };
  return calls.flatMap(({ where, program, words }) => {
    const command = words.slice(0, 1).filter((word) => /^[a-z][a-z-]*$/.test(word));
    const text = `${helpOnce([])}\n${helpOnce(command)}`;
    const known = new Set(text.match(/(?<![\w-])--?[a-z][\w-]*/gi));
    return words
      .filter((word) => /^--?[a-z][\w-]*(=|$)/i.test(word))
      .map((word) => word.replace(/=.*/s, ''))
      .filter((flag) => !known.has(flag))
      .map((flag) => `${where}: ${[program, ...command].join(' ')} has no ${flag}`);
  });
}

interface Command {
  readonly where: string;
  readonly words: readonly string[];
}

/** The simple commands of all shell blocks: prompts, assignments, comments and quotes removed. */
function commandsIn(documents: readonly Document[]): Command[] {
  return documents.flatMap(({ path, text }) =>
    codeBlocksOf(text)
      .filter(({ language }) => SHELLS.has(language))
      .flatMap((block) =>
        // A line that ends in a backslash goes on in the next.
        [...block.text.matchAll(/(?:\\\n|[^\n])+/g)].flatMap((line) => {
          const above = block.text.slice(0, line.index).split('\n').length - 1;
          const where = `${path}:${block.line + above}`;
          return simpleCommands(line[0].replaceAll('\\\n', ' ')).map((words) => ({ where, words }));
        }),
      ),
  );
}

function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token, double, single] of line.matchAll(
    /"((?:\\.|[^"\\])*)"|'([^']*)'|\|\||&&|[|&;]|(?:[^\s"'|&;]|\\.)+/g,
  )) {
    if (token.startsWith('#')) break;
    const words = commands.at(-1)!;
    if (/^(?:\|\|?|&&?|;)$/.test(token)) commands.push([]);
    else if (words.length > 0 || !/^(?:\$|[A-Z_]+=.*)$/.test(token)) {
      words.push(double ?? single ?? token);
    }
  }
  return commands.filter((words) => words.length > 0);
}
