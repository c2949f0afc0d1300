import { statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyFileError } from '../../src/keys/keyfile-format.ts';
import { writeKeyFile } from '../../src/keys/keyfile-write.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'key-file-'));
  path = join(folder, 'pool.key');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('writeKeyFile', () => {
  it('writes the whole text for its owner only, and leaves nothing else behind', async () => {
    await writeKeyFile(path, 'secret\n');
    expect(await readFile(path, 'utf8')).toBe('secret\n');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['pool.key']);
  });

  it('does not touch what is there already', async () => {
    await writeFile(path, 'the only copy');
    await chmod(path, 0o444);
    const error = await writeKeyFile(path, 'another').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KeyFileError);
    expect((error as KeyFileError).detail).toEqual({ code: 'exists', path });
    expect(await readFile(path, 'utf8')).toBe('the only copy');
    expect(await readdir(folder)).toEqual(['pool.key']);
  });

  it('lets one of many writers win, with its own text', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => `writer ${i} `.repeat(1000));
    const results = await Promise.allSettled(texts.map((text) => writeKeyFile(path, text)));
    const winners = results.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(texts[winners[0]!]);
    expect(await readdir(folder)).toEqual(['pool.key']);
  });

  it('is never seen but whole, so that a kill at any moment leaves no part of it', async () => {
    const sizes = new Set<number>();
    let watching = true;
    const watch = (): void => {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found !== undefined) sizes.add(found.size);
      if (watching) setImmediate(watch);
    };
    watch();
    for (let i = 0; i < 20; i++) {
      await writeKeyFile(path, 'x'.repeat(500));
      await rm(path);
    }
    await writeKeyFile(path, 'x'.repeat(500));
    watching = false;
    watch();
    expect([...sizes]).toEqual([500]);
  });

  describe('where there are no hard links', () => {
    const parts = {
      link: async () => {
        throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' });
      },
    };

    it('writes the file all the same', async () => {
      await writeKeyFile(path, 'secret\n', {}, parts);
      expect(await readFile(path, 'utf8')).toBe('secret\n');
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readdir(folder)).toEqual(['pool.key']);
    });

    it('does not touch what is there already', async () => {
      await writeFile(path, 'the only copy');
      await expect(writeKeyFile(path, 'another', {}, parts)).rejects.toMatchObject({
        detail: { code: 'exists', path },
      });
      expect(await readFile(path, 'utf8')).toBe('the only copy');
      expect(await readdir(folder)).toEqual(['pool.key']);
    });
  });

  it('replaces when asked to, and the new file is private whatever the old one was', async () => {
    await writeFile(path, 'old', { mode: 0o644 });
    await writeKeyFile(path, 'new', { overwrite: true });
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['pool.key']);
  });

  it('fails with the error of the file system, and cleans up', async () => {
    await mkdir(join(path, 'inside'), { recursive: true });
    await expect(writeKeyFile(path, 'x', { overwrite: true })).rejects.toThrow(/EISDIR|ENOTEMPTY/);
    expect(await readdir(folder)).toEqual(['pool.key']);
    const nowhere = join(folder, 'missing', 'pool.key');
    await expect(writeKeyFile(nowhere, 'x')).rejects.toThrow('ENOENT');
  });
});
