/**
 * A key file on the disk: whole or not at all, for its owner's eyes only, and never in the place of
 * another unless that is asked for. A key that is overwritten is money that is gone.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeyFileError } from './keyfile-format.ts';

export interface WriteKeyFileOptions {
  /** Replace what stands at the path. */
  readonly overwrite?: boolean;
}

/**
 * Writes `text` to `path`, mode 0600. When it returns, the file outlives a power cut. Throws a
 * `KeyFileError` with the code `exists`, or the file system's own error.
 */
export async function writeKeyFile(
  path: string,
  text: string,
  options: WriteKeyFileOptions = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeDurably(temporary, text);
    if (options.overwrite === true) await rename(temporary, path);
    else await renameToFree(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename replaces; so the name is claimed first, by an empty file that only one can create. */
async function renameToFree(from: string, path: string): Promise<void> {
  const claim = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'EEXIST' ? new KeyFileError({ code: 'exists', path }, { cause }) : cause;
  });
  await claim.close();
  try {
    await rename(from, path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Makes the rename last. Not every system opens directories: there it is left to the system. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  if (directory === undefined) return;
  try {
    await directory.sync();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EINVAL' && code !== 'EPERM' && code !== 'ENOTSUP') throw error;
  } finally {
    await directory.close();
  }
}
