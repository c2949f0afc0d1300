import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  defaultCacheDirectory,
  defaultDataDirectory,
  defaultDevnetDirectory,
  defaultPoolDirectory,
} from '../../src/cli/data-directory.ts';

describe('the default data directory', () => {
  it.each([
    ['linux', {}, '/home/u/.local/share/bytom-tensority/solonet'],
    ['linux', { XDG_DATA_HOME: '/data' }, '/data/bytom-tensority/solonet'],
    ['linux', { XDG_DATA_HOME: '' }, '/home/u/.local/share/bytom-tensority/solonet'],
    ['linux', { XDG_DATA_HOME: 'data' }, '/home/u/.local/share/bytom-tensority/solonet'],
    ['freebsd', {}, '/home/u/.local/share/bytom-tensority/solonet'],
    ['darwin', {}, '/home/u/Library/Application Support/bytom-tensority/solonet'],
    ['win32', {}, '/home/u/AppData/Local/bytom-tensority/solonet'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/bytom-tensority/solonet'],
  ] as const)('on %s with %j is %s', (platform, env, path) => {
    expect(defaultDataDirectory('solonet', { platform, home: '/home/u', env })).toBe(join(path));
  });

  it('is another one for each network', () => {
    const paths = (['mainnet', 'testnet', 'solonet'] as const).map((n) => defaultDataDirectory(n));
    expect(new Set(paths).size).toBe(3);
  });
});

describe('the directories of a pool and of a private network', () => {
  it.each([
    ['linux', {}, '/home/u/.local/share/bytom-tensority'],
    ['linux', { XDG_DATA_HOME: '/data' }, '/data/bytom-tensority'],
    ['darwin', {}, '/home/u/Library/Application Support/bytom-tensority'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/bytom-tensority'],
  ] as const)('on %s with %j are beside the data of the chain', (platform, env, path) => {
    const around = { platform, home: '/home/u', env };
    expect(defaultPoolDirectory('solonet', around)).toBe(join(path, 'pool-solonet'));
    expect(defaultDevnetDirectory(around)).toBe(join(path, 'devnet'));
  });
});

describe('the cache directory', () => {
  it.each([
    ['linux', {}, '/home/u/.cache/bytom-tensority'],
    ['linux', { XDG_CACHE_HOME: '/cache' }, '/cache/bytom-tensority'],
    ['linux', { XDG_CACHE_HOME: 'cache' }, '/home/u/.cache/bytom-tensority'],
    ['darwin', {}, '/home/u/Library/Caches/bytom-tensority'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/bytom-tensority'],
  ] as const)('on %s with %j is %s', (platform, env, path) => {
    expect(defaultCacheDirectory({ platform, home: '/home/u', env })).toBe(join(path));
  });
});
