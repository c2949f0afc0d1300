import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DirectoryLock, LockError, type LockErrorDetail } from '../../src/util/directory-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'directory-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

function refusal(directory: string): LockErrorDetail {
  try {
    DirectoryLock.acquire(directory).release();
  } catch (error) {
    if (error instanceof LockError) return error.detail;
    throw error;
  }
  throw new Error('it was not refused');
}

// That it ends with the process, however that ends, is tested with those who use it.
describe('the lock on a directory', () => {
  it('is held once, and can be had again after its release', () => {
    const first = DirectoryLock.acquire(folder);
    expect(readFileSync(join(folder, 'lock.pid'), 'utf8')).toBe(`${process.pid}\n`);
    const detail = refusal(folder);
    expect(detail).toEqual({ code: 'locked', directory: folder, pid: process.pid });
    expect(new LockError(detail).message).toBe(`${folder}: in use by process ${process.pid}`);
    first.release();
    first.release();
    expect(readdirSync(folder)).toEqual(['lock']);
    DirectoryLock.acquire(folder).release();
  });

  it('says who has it only where that can be read', () => {
    const lock = DirectoryLock.acquire(folder);
    writeFileSync(join(folder, 'lock.pid'), 'nobody');
    expect(refusal(folder)).toEqual({ code: 'locked', directory: folder, pid: undefined });
    lock.release();
  });

  it('cannot be had in a directory that is not there', () => {
    const detail = refusal(join(folder, 'nowhere'));
    expect(detail).toMatchObject({ code: 'io' });
    expect(new LockError(detail).message).toContain('cannot be locked: ');
  });
});
