import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccessTokens, TokenError } from '../../../src/node/http/access-tokens.ts';

/** 2026-11-20 23:52:59.021 */
const NOW = 1_795_218_779_021;
const parts = { now: () => NOW };

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TokenError) return error.detail.code;
    throw error;
  }
  return 'none';
}

describe('access tokens', () => {
  let directory: string;
  let files = 0;

  const nextPath = (): string => join(directory, `tokens-${files++}.json`);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tokens-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it('are made with secrets of their own, checked, listed in order, and deleted at once', async () => {
    const tokens = await AccessTokens.open(nextPath(), parts);
    expect(tokens.list()).toEqual([]);
    const a = await tokens.create('a', '');
    const b = await tokens.create('b-_9', 'client');
    expect(a.secret).toMatch(/^[0-9a-f]{64}$/);
    expect(b.secret).not.toBe(a.secret);
    expect(a.createdAt).toBe('2026-11-20T23:52:59.021000000Z');
    expect(tokens.list()).toEqual([a, b]);
    expect(tokens.verify('a', a.secret)).toBe(true);
    expect(tokens.verify('a', b.secret)).toBe(false);
    expect(tokens.verify('a', '')).toBe(false);
    expect(tokens.verify('none', '')).toBe(false);
    expect(tokens.verify('__proto__', '')).toBe(false);
    await tokens.delete('a');
    expect(tokens.verify('a', a.secret)).toBe(false);
    expect(tokens.list()).toEqual([b]);
  });

  it('are there again when the file is opened again, which its owner alone can read', async () => {
    const path = nextPath();
    const tokens = await AccessTokens.open(path, parts);
    await tokens.create('a', '');
    const b = await tokens.create('b', 'x');
    await tokens.delete('a');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = await AccessTokens.open(path, parts);
    expect(again.list()).toEqual([b]);
    expect(again.verify('b', b.secret)).toBe(true);
  });

  it('refuse bad ids, taken ones and ones that are not there', async () => {
    const tokens = await AccessTokens.open(nextPath(), parts);
    for (const id of ['', 'a b', 'a:b', 'ä', 'a\n', 'x'.repeat(65)]) {
      expect(await codeOf(tokens.create(id, '')), id).toBe('bad-id');
    }
    expect(await codeOf(tokens.create('a', 'x'.repeat(257)))).toBe('bad-type');
    await tokens.create('__proto__', '');
    expect(await codeOf(tokens.create('__proto__', ''))).toBe('duplicate');
    expect(await codeOf(tokens.delete('constructor'))).toBe('unknown');
  });

  it('wait for each other: of equal ones at the same time one is made, and none is lost', async () => {
    const path = nextPath();
    const tokens = await AccessTokens.open(path, parts);
    const codes = await Promise.all(
      ['a', 'b', 'a', 'c', 'a'].map((id) => codeOf(tokens.create(id, ''))),
    );
    expect(codes).toEqual(['none', 'none', 'duplicate', 'none', 'duplicate']);
    const saved = await AccessTokens.open(path, parts);
    expect(saved.list()).toEqual(tokens.list());
  });

  it('are a thousand at most', async () => {
    const path = nextPath();
    const token = { secret: '0'.repeat(64), type: '', createdAt: 'then' };
    const full = Array.from({ length: 1000 }, (_, i) => ({ id: `${i}`, ...token }));
    await writeFile(path, JSON.stringify({ version: 1, tokens: full }));
    const tokens = await AccessTokens.open(path, parts);
    expect(await codeOf(tokens.create('one-more', ''))).toBe('too-many');
    await tokens.delete('0');
    expect(await codeOf(tokens.create('one-more', ''))).toBe('none');
  });

  it('refuse a file that is none of theirs, and leave it as it is', async () => {
    for (const text of [
      '',
      '{}',
      '{"version":2,"tokens":[]}',
      '{"version":1,"tokens":[{"id":"a"}]}',
    ]) {
      const path = nextPath();
      await writeFile(path, text);
      expect(await codeOf(AccessTokens.open(path, parts)), text).toBe('damaged');
      expect(await readFile(path, 'utf8')).toBe(text);
    }
  });

  it('stay as they were if the file cannot be written', async () => {
    const tokens = await AccessTokens.open(join(directory, 'missing', 'tokens.json'), parts);
    await expect(tokens.create('a', '')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(tokens.list()).toEqual([]);
    await expect(tokens.create('a', '')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
