import { describe, expect, it } from 'vitest';
import { libraryNeeds } from '../../src/cli/package-needs.ts';

function program(...names: string[]): Buffer {
  return Buffer.from(['', ...names, ''].join('\0'), 'latin1');
}

describe('what a native program needs', () => {
  it('is the highest version of each library, by number and not by spelling', () => {
    const first = program('GLIBC_2.9', 'GLIBC_2.34', 'GLIBC_2.4', 'GLIBCXX_3.4.30', 'puts');
    const second = program('GLIBC_2.28', 'GLIBCXX_3.4.9');
    expect(libraryNeeds([second, first])).toEqual({ glibc: '2.34', libstdcxx: '3.4.30' });
    expect(libraryNeeds([second])).toEqual({ glibc: '2.28', libstdcxx: '3.4.9' });
  });

  it('counts nothing but whole names', () => {
    const text = program('needs GLIBC_2.99', 'GLIBC_2.98 or newer', 'GLIBC_PRIVATE', 'XGLIBC_2.97');
    expect(libraryNeeds([text])).toEqual({ glibc: undefined, libstdcxx: undefined });
  });

  it('ends with a name that the file cuts off', () => {
    expect(libraryNeeds([Buffer.from('\0GLIBC_2.5\0\0GLIBC_2.17')]).glibc).toBe('2.5');
  });
});
