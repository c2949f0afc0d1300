/** The programs on a Node that is too old for it: one line that says so, not a stack trace. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProgramProcess } from './program-process.ts';

/** A `node` on the path that is older than 24, leaving out the one that npm brings. */
function findOldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders
    .filter((folder) => folder !== '' && !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'))
    .find((path) => existsSync(path) && majorOf(path) < 24);
}

function majorOf(node: string): number {
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return Number.parseInt((stdout ?? '').replace(/^v/, ''), 10);
}

describe('on an old Node', () => {
  it.for([
    ['bytom-miner', ['--list-devices']],
    ['bytom-node', ['status']],
  ] as const)('%s says what it needs in one line and ends with 2', async ([name, args], ctx) => {
    const node = findOldNode();
    if (node === undefined) return ctx.skip('no node older than 24 on the path');
    const ended = await new ProgramProcess(name, args, { node }).ended;
    const text = new RegExp(`^${name} needs Node 24 or newer, this is \\d+\\.[^\\n]*\\n$`);
    expect(ended.stderr).toMatch(text);
    expect([ended.code, ended.stdout]).toEqual([2, '']);
  });
});
