import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { replaceFile, writeDurably } from '../../src/util/whole-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'whole-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a file that is there whole or not at all', () => {
  it('takes the place of another, for its owner alone, and leaves nothing else behind', async () => {
    const path = join(folder, 'settings.json');
    writeFileSync(path, 'before');
    writeFileSync(`${path}.tmp`, 'left by a crash');
    await replaceFile(path, 'after');
    expect(readFileSync(path, 'utf8')).toBe('after');
    expect(readdirSync(folder)).toEqual(['settings.json']);
    await replaceFile(join(folder, 'new'), 'text');
    if (process.platform !== 'win32') {
      expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o600);
    }
  });

  it('is not touched where it cannot be replaced', async () => {
    await expect(replaceFile(join(folder, 'nowhere', 'x'), '')).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  it('is not written where one is, if that is asked for', async () => {
    const path = join(folder, 'key');
    await writeDurably(path, 'first', 'wx');
    await expect(writeDurably(path, 'second', 'wx')).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(path, 'utf8')).toBe('first');
  });
});
