import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type LogSettings, openLog } from '../../src/cli/log-output.ts';
import { errorLine, rounded } from '../../src/cli/output.ts';
import { createProgressBar } from '../../src/cli/progress.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-output-'));
afterAll(() => rmSync(folder, { recursive: true }));

const noColor = process.env['NO_COLOR'];
afterEach(() => {
  if (noColor === undefined) delete process.env['NO_COLOR'];
  else process.env['NO_COLOR'] = noColor;
});

/** Something to write to that remembers it. */
function createTerminal(isTTY: boolean): {
  isTTY: boolean;
  text: string;
  write(t: string): boolean;
} {
  return {
    isTTY,
    text: '',
    write(text) {
      this.text += text;
      return true;
    },
  };
}

const SETTINGS: LogSettings = { logFormat: 'text', logLevel: 'info', color: true };
const COLOR = '\u001b[';

describe('the log', () => {
  it('goes to the file as well, the same lines without colors', async () => {
    delete process.env['NO_COLOR'];
    const logFile = join(folder, 'both.log');
    const terminal = createTerminal(true);
    const { log, close } = openLog({ ...SETTINGS, logFile }, terminal);
    log.info('start', { version: '1' });
    log.tagged('net').warn('lost');
    log.debug('not at this level');
    await close();
    expect(terminal.text).toContain(COLOR);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colors are control characters
    const plain = terminal.text.replace(/\u001b\[\d+m/g, '');
    expect(readFileSync(logFile, 'utf8')).toBe(plain);
    expect(
      plain.split('\n').map((line) => line.slice('[2026-11-20 23:31:07.120]  '.length)),
    ).toEqual(['miner    start version 1', 'net      lost', '']);
  });

  it('has colors only where they are wanted and shown', () => {
    const colored = (settings: LogSettings, isTTY: boolean, variable?: string): boolean => {
      if (variable === undefined) delete process.env['NO_COLOR'];
      else process.env['NO_COLOR'] = variable;
      const terminal = createTerminal(isTTY);
      openLog(settings, terminal).log.info('start');
      return terminal.text.includes(COLOR);
    };
    expect(colored(SETTINGS, true)).toBe(true);
    // An empty variable counts as none.
    expect(colored(SETTINGS, true, '')).toBe(true);
    expect(colored(SETTINGS, true, '1')).toBe(false);
    expect(colored(SETTINGS, false)).toBe(false);
    expect(colored({ ...SETTINGS, color: false }, true)).toBe(false);
  });

  it('says nothing more once it is closed, and may be closed twice', async () => {
    const logFile = join(folder, 'closed.log');
    const terminal = createTerminal(false);
    const { log, close } = openLog({ ...SETTINGS, logFile, logFormat: 'json' }, terminal);
    const late = log.tagged('gpu0');
    log.info('before');
    await close();
    late.error('after');
    await close();
    expect(terminal.text).toMatch(/^\{[^\n]*"event":"before"\}\n$/);
    expect(readFileSync(logFile, 'utf8')).toBe(terminal.text);
  });

  it('is refused a file that cannot be opened', () => {
    expect(() => openLog({ ...SETTINGS, logFile: folder }, createTerminal(false))).toThrow(
      'log-file: expected a file that can be appended to, got EISDIR',
    );
  });
});

describe('an error line', () => {
  it('is one line, whatever it quotes, and does not say error twice', () => {
    expect(errorLine("error: unknown option '--x'\n(Did you mean --y?)\n")).toBe(
      "unknown option '--x' (Did you mean --y?)",
    );
    expect(errorLine('pool said \u001b[2J\r\nno')).toBe('pool said  [2J no');
  });
});

describe('a rounded number', () => {
  it('keeps the digits that say something', () => {
    expect([rounded(26.70015818, 2), rounded(0, 2), rounded(1.0005, 3)]).toEqual([26.7, 0, 1.001]);
  });
});

describe('the progress bar', () => {
  it('is drawn over itself at most ten times a second, always at the end, and removed', () => {
    const stream = createTerminal(true);
    let now = 0;
    const bar = createProgressBar(stream, () => now);
    bar.update(0.1, 'a');
    now = 99;
    bar.update(0.2, 'b');
    now = 100;
    bar.update(0.5, 'c');
    bar.update(1, 'd');
    bar.clear();
    bar.clear();
    expect(stream.text.split('\r\u001b[2K')).toEqual([
      '',
      `${'█'.repeat(3)}${'░'.repeat(27)} 10 %  a`,
      `${'█'.repeat(15)}${'░'.repeat(15)} 50 %  c`,
      `${'█'.repeat(30)} 100 %  d`,
      '',
    ]);
  });

  it('is not drawn where nobody looks', () => {
    const stream = createTerminal(false);
    const bar = createProgressBar(stream, () => 0);
    bar.update(1, 'a');
    bar.clear();
    expect(stream.text).toBe('');
  });
});
