/** The built `bytom-node keys`: on a terminal, in a pipe, with the environment and files. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { expectRefusal, runNode } from './node-process.ts';
import { expectSuccess, jsonOf, PROGRAMS } from './program-process.ts';

const PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';
const PASSWORD = 'correct horse';
const env = { BYTOM_NODE_PASSWORD: PASSWORD };

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

function freshData(): [string, string] {
  return ['--data', join(folder, `data-${count++}`)];
}

interface Typed {
  readonly code: number | null;
  /** What stood on the terminal. */
  readonly screen: string;
}

/** Runs the program on a terminal of its own, and types each answer when its question is there. */
async function onTerminal(
  args: readonly string[],
  answers: readonly (readonly [question: string, answer: string])[],
): Promise<Typed> {
  const command = [process.execPath, PROGRAMS['bytom-node'], ...args];
  const quoted = command.map((part) => `'${part}'`).join(' ');
  const child = spawn('script', ['-qefc', quoted, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: folder, TERM: 'xterm' },
    timeout: 60_000,
  });
  let screen = '';
  let next = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const answer = answers[next];
    if (answer === undefined || !screen.includes(answer[0])) return;
    next++;
    child.stdin.write(answer[1]);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, screen };
}

async function whyNoScript(): Promise<string | undefined> {
  if (process.platform !== 'linux')
    return 'a terminal of its own needs the script(1) of util-linux';
  const found = await new Promise<boolean>((resolve) => {
    const probe = spawn('script', ['--version'], { stdio: 'ignore' });
    probe.once('error', () => resolve(false));
    probe.once('close', (code) => resolve(code === 0));
  });
  return found ? undefined : 'no script(1) here';
}

describe('keys new', () => {
  it('on a terminal asks twice without an echo, and shows the phrase once', async (ctx) => {
    const why = await whyNoScript();
    if (why !== undefined) return ctx.skip(why);
    const data = freshData();
    const { code, screen } = await onTerminal(
      ['keys', 'new', ...data],
      [
        ['New password: ', `${PASSWORD}\r`],
        ['The same again: ', `${PASSWORD}\r`],
      ],
    );
    expect(code, screen).toBe(0);
    expect(screen).not.toContain(PASSWORD);
    expect(screen.match(/ 1\. [a-z]+ /g)).toHaveLength(1);
    expect(screen).toMatch(/ 12\. [a-z]+/);
    const path = join(data[1], 'keys', 'mining.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // What was shown is what the file holds.
    const shown = [...screen.matchAll(/\d+\. ([a-z]+)/g)].map(([, word]) => word).join(' ');
    const file = await runNode(['keys', 'show', ...data, '--show-mnemonic', '--json'], { env });
    expect(jsonOf(file)['mnemonic']).toBe(shown);
    expect(jsonOf(file)['checked']).toBe(true);
  });

  it('on a terminal is ended by Ctrl-C, with nothing made', async (ctx) => {
    const why = await whyNoScript();
    if (why !== undefined) return ctx.skip(why);
    const data = freshData();
    const { code } = await onTerminal(['keys', 'new', ...data], [['New password: ', 'ab\u0003']]);
    expect(code).toBe(130);
    expect(existsSync(data[1])).toBe(false);
  });

  it('without a terminal shows no phrase, and prints one object with --json', async () => {
    const data = freshData();
    const ended = await runNode(['keys', 'new', ...data, '--words', '24', '--json'], { env });
    expectSuccess(ended);
    expect(Object.keys(jsonOf(ended))).toEqual([
      'key',
      'network',
      'fingerprint',
      'xpub',
      'address',
      'program',
    ]);
    expect(ended.stdout.trimEnd()).not.toContain('\n');
    const { key, address } = jsonOf(ended) as { key: string; address: string };
    const found = await runNode(['keys', 'address', '--key', key]);
    expectSuccess(found);
    expect(found.stdout).toBe(`${address}\n`);
    const again = await runNode(['keys', 'new', ...data], { env });
    expectRefusal(again, 1, `${key} is there already`);
  });

  it('--restore takes the phrase from standard input, the password from a file', async () => {
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, `${PASSWORD}\n`);
    const options = [...freshData(), '--network', 'solonet'];
    const args = ['keys', 'new', ...options, '--restore', '--password-file', passwordFile];
    const ended = await runNode([...args, '--json'], { input: `${PHRASE}\n` });
    expectSuccess(ended);
    expect(ended.stdout).not.toContain('letter');
    expect(jsonOf(ended)['address']).toMatch(/^sm1q/);
    const show = ['keys', 'show', ...options, '--password-file', passwordFile];
    const shown = await runNode([...show, '--show-mnemonic', '--json']);
    expect(jsonOf(shown)['mnemonic']).toBe(PHRASE);
    expect(readFileSync(jsonOf(shown)['key'] as string, 'utf8')).not.toContain('letter');
  });
});

describe('keys', () => {
  const refusals: readonly (readonly [
    args: readonly string[],
    input: string | undefined,
    code: number,
    text: string,
  ])[] = [
    [['keys'], undefined, 2, 'say what to do with keys: new, show, address'],
    [['keys', 'list'], undefined, 2, "unknown command 'keys list' (there are: new, show, address)"],
    [['keys', 'new'], undefined, 2, 'password: expected a terminal to ask at'],
    [['keys', 'new', '--words', '13'], undefined, 2, 'words: expected one of 12, 24, got "13"'],
    [['keys', 'new', '--restore', '--words', '12'], PHRASE, 2, 'cannot be used with'],
    [['keys', 'new', '--restore'], 'letter advice', 2, 'expected 12, 15, 18, 21 or 24 words'],
    [['keys', 'new', '--restore'], 'x'.repeat(5000), 2, 'at most 4096 bytes on standard input'],
    [['keys', 'show'], undefined, 2, 'key: expected a readable file, got ENOENT'],
    [['keys', 'address', '--index', '0'], undefined, 2, 'index: expected a whole number from 1'],
    [['keys', 'new', '--password', 'x'], undefined, 2, "unknown option '--password'"],
    [['--mine', 'keys', 'show'], undefined, 2, "option '--mine' has no meaning for show"],
  ];

  it.each(refusals)('%j ends with one line', async (args, input, code, text) => {
    const at = { XDG_DATA_HOME: join(folder, 'home') };
    const ended = await runNode(args, { env: at, ...(input === undefined ? {} : { input }) });
    expectRefusal(ended, code, text);
    expect(ended.stdout).toBe('');
  });

  it('with a wrong password ends with 1 and says nothing else', async () => {
    const data = freshData();
    expectSuccess(await runNode(['keys', 'new', ...data], { env }));
    const wrong = { BYTOM_NODE_PASSWORD: 'another one' };
    const ended = await runNode(['keys', 'show', ...data], { env: wrong });
    expectRefusal(ended, 1, 'the password is wrong, or the file is damaged');
    expect(ended.stdout).toBe('');
  });

  it('help fits 100 columns', async () => {
    for (const command of [[], ['new'], ['show'], ['address']]) {
      const help = await runNode(['keys', ...command, '--help']);
      expectSuccess(help);
      expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
    }
  });
});
