import { describe, expect, it } from 'vitest';
import { CodedError, clip, errorText, InputError } from '../../src/util/errors.ts';
import { createLogger, createSilentLogger, type LogOptions } from '../../src/util/log.ts';

/** 23:31:07.120 in whatever time zone the test runs, so text lines are the same everywhere. */
const NOW = new Date(2026, 10, 20, 23, 31, 7, 120);

function capture(options: Partial<LogOptions> = {}): {
  readonly lines: string[];
  readonly log: ReturnType<typeof createLogger>;
} {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    format: 'text',
    color: false,
    now: () => NOW,
    write: (line) => lines.push(line),
    ...options,
  });
  return { lines, log };
}

describe('text lines', () => {
  it('have the time, the tag and the fields', () => {
    const { lines, log } = capture();
    log.tagged('net').info('new job', { height: 500_001, bits: 2305843009214298638n, ok: true });
    expect(lines).toEqual([
      '[2026-11-20 23:31:07.120]  net      new job height 500001 bits 2305843009214298638 ok true',
    ]);
  });

  it('use the given wording in place of the fields', () => {
    const { lines, log } = capture();
    log.info('share', { ms: 48 }, 'accepted (1040/1/0/0) diff 1.05M (48 ms)');
    expect(lines).toEqual([
      '[2026-11-20 23:31:07.120]  miner    accepted (1040/1/0/0) diff 1.05M (48 ms)',
    ]);
  });

  it('quote values with spaces and leave out absent ones', () => {
    const { lines, log } = capture();
    log.warn('rejected', { reason: 'Low difficulty share', code: undefined, note: '', job: null });
    expect(lines[0]).toMatch(/ rejected reason "Low difficulty share" note "" job null$/);
  });

  it('stay one line without control codes, whatever a pool sends', () => {
    const { lines, log } = capture();
    const hostile = 'a\u001b[2Jb\nfake line\u009b31m\u2028c';
    log.info('x', { reason: hostile, id: 'q\u001b[2J' });
    log.info('x', {}, hostile);
    for (const line of lines) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
    }
    expect(lines.length).toBe(2);
  });

  it('carry color only when asked', () => {
    const plain = capture();
    const colored = capture({ color: true });
    plain.log.warn('hot');
    colored.log.warn('hot');
    expect(plain.lines[0]).not.toContain('\u001b');
    expect(colored.lines[0]).toContain('\u001b[33mhot\u001b[0m');
  });
});

describe('JSON lines', () => {
  it('are one object with exact integers', () => {
    const { lines, log } = capture({ format: 'json' });
    log.tagged('gpu0').info('accepted', { nonce: (1n << 63n) - 1n, reason: 'a\nb' }, 'wording');
    expect(lines).toEqual([
      `{"time":"${NOW.toISOString()}","level":"info","tag":"gpu0","event":"accepted",` +
        '"nonce":9223372036854775807,"reason":"a\\nb"}',
    ]);
  });

  it('do not let a field replace time, level, tag or event', () => {
    const { lines, log } = capture({ format: 'json' });
    log.error('stop', { event: 'fake', level: 'info', ms: 1 });
    expect(JSON.parse(lines[0]!)).toEqual({
      time: NOW.toISOString(),
      level: 'error',
      tag: 'miner',
      event: 'stop',
      ms: 1,
    });
  });
});

describe('levels', () => {
  it('drop what is below the chosen one', () => {
    for (const [level, count] of [
      ['trace', 5],
      ['info', 3],
      ['error', 1],
    ] as const) {
      const { lines, log } = capture({ level });
      log.trace('t');
      log.debug('d');
      log.info('i');
      log.warn('w');
      log.error('e');
      expect(lines.length, level).toBe(count);
    }
  });

  it('do not matter to the silent logger', () => {
    const silent = createSilentLogger();
    expect(() => silent.tagged('x').error('nothing')).not.toThrow();
  });
});

describe('errors', () => {
  it('carry typed details and their own names', () => {
    const cause = new Error('below');
    const error = new InputError('seed', '64 hex digits', 'abc', { cause });
    expect(error.message).toBe('seed: expected 64 hex digits, got abc');
    expect(error.detail).toEqual({
      code: 'bad-input',
      field: 'seed',
      expected: '64 hex digits',
      got: 'abc',
    });
    expect([error.name, error.cause]).toEqual(['InputError', cause]);
    expect(error).toBeInstanceOf(CodedError);
  });

  it('clip what they show to one short line', () => {
    expect(clip('short')).toBe('short');
    expect(clip('two\r\nlines\u001b[0m')).toBe('two lines [0m');
    expect(clip('x'.repeat(81))).toBe(`${'x'.repeat(80)}… (81 characters)`);
    expect(new InputError('f', 'e', 'y'.repeat(5000)).message.length).toBeLessThan(150);
  });

  it('become text whatever was thrown', () => {
    expect(errorText(new Error('boom'))).toBe('boom');
    expect(errorText('plain')).toBe('plain');
    expect(errorText(undefined)).toBe('undefined');
  });
});
