/** The starters of an archive, with a shell and a stand-in for Node that says how it was called. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launcherText } from '../../src/cli/package-texts.ts';

describe.skipIf(process.platform === 'win32')('a starter', () => {
  let root: string;
  let archive: string;
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'starter ')));
    archive = join(root, 'an archive');
    mkdirSync(join(archive, 'bin'), { recursive: true });
    writeFileSync(join(archive, 'bin/node'), '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nexit 7\n');
    writeFileSync(join(archive, 'tool'), launcherText('dist/tool.js'));
    for (const file of ['bin/node', 'tool']) chmodSync(join(archive, file), 0o755);
    symlinkSync('an archive/tool', join(root, 'relative'));
    symlinkSync(join(root, 'relative'), join(root, 'absolute'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  /** What Node heard, and its exit code. */
  function start(command: string, args: readonly string[], cwd: string, path = '/usr/bin:/bin') {
    try {
      execFileSync(command, args, { cwd, encoding: 'utf8', env: { PATH: path } });
    } catch (error) {
      const { status, stdout } = error as { readonly status: number; readonly stdout: string };
      return { status, lines: stdout.split('\n').slice(0, -1) };
    }
    throw new Error('the stand-in for Node was not started');
  }

  it.for([
    ['by its path', (): [string, string] => [join(archive, 'tool'), root]],
    ['from its folder', (): [string, string] => ['./tool', archive]],
    ['through a symbolic link', (): [string, string] => [join(root, 'relative'), '/']],
    ['through two of them', (): [string, string] => ['./absolute', root]],
  ] as const)('called %s runs the Node and the program of its archive', ([, where]) => {
    const [command, cwd] = where();
    const args = ['--flag', 'two words', '', '*'];
    expect(start(command, args, cwd)).toEqual({
      status: 7,
      lines: [join(archive, 'bin/node'), join(archive, 'dist/tool.js'), ...args],
    });
  });

  it('is found by the search path, and by a shell without one', () => {
    const lines = [join(archive, 'bin/node'), join(archive, 'dist/tool.js')];
    expect(start('tool', [], root, `${archive}:/bin`).lines).toEqual(lines);
    expect(start('/bin/sh', ['tool'], archive).lines).toEqual(lines);
  });
});
