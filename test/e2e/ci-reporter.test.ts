/** The reporter against real runs of the test runner: what `.ci/run` and its readers rely on. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';

const PASSING = `
  it('passes', () => {});
  it.fails('known bug', () => { throw new Error('known'); });
`;

const FAILING = `
  it('passes', () => {});
  it('fails', () => { throw new Error('expected'); });
  it('waits for hardware', (ctx) => ctx.skip('no device'));
  it.skip('says nothing', () => {});
  it.todo('comes later');
  describe('broken', () => {
    beforeAll(() => { throw new Error('hook'); });
    it('never starts', () => {});
  });
`;

const LATE = `
  it('passes too early', async () => {
    setTimeout(() => { throw new Error('late'); });
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
`;

describe('CI reporter', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ci-reporter-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (name: string, files: Record<string, string>): [number | null, string[]] => {
    const root = join(folder, name);
    mkdirSync(root);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(repoRoot, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--globals', '--root', root, '--reporter', 'default'],
        ...['--reporter', join(repoRoot, 'test/support/ci-reporter.ts')],
      ],
      // Not ours: it would tell the inner run that it is a thread of this one.
      { encoding: 'utf8', env: { PATH: process.env['PATH'], NO_COLOR: '1', CI: 'true' } },
    );
    return [status, stdout.split('\n')];
  };

  it('ends with the totals', () => {
    const [status, lines] = run('passing', { 'a.test.js': PASSING });
    expect(lines.slice(-2)).toEqual(['2 passed, 0 failed', '']);
    expect(status).toBe(0);
  });

  it('counts all that went wrong and gives a reason for every skip', () => {
    const [status, lines] = run('failing', {
      'a.test.js': FAILING,
      'b.test.js': "import './nowhere.js';",
      'c.test.js': LATE,
    });
    expect(lines.slice(-6)).toEqual([
      'skipped: a.test.js > waits for hardware (no device)',
      'skipped: a.test.js > says nothing (no reason given)',
      'skipped: a.test.js > comes later (to do)',
      'skipped: a.test.js > broken > never starts (hook of "broken" failed)',
      // The test, the hook, the file that does not load, the late error.
      '2 passed, 4 failed, 4 skipped',
      '',
    ]);
    expect(status).toBe(1);
  });

  it('does not call a run without tests a success', () => {
    const [status, lines] = run('empty', {});
    expect(lines.slice(-2)).toEqual(['0 passed, 1 failed', '']);
    expect(status).toBe(1);
  });
});
