/**
 * A key file on the disk: whole or not at all, for its owner's eyes only, and never in the place of
 * another unless that is asked for. A key that is overwritten is money that is gone.
 */
import { randomBytes } from 'node:crypto';
import { link, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory, writeDurably } from '../util/whole-file.ts';
import { KeyFileError } from './keyfile-format.ts';

export interface WriteKeyFileOptions {
  /** Replace what stands at the path. */
  readonly overwrite?: boolean;
}

/** What a file system may lack. */
export interface WriteKeyFileParts {
  readonly link: (existing: string, path: string) => Promise<void>;
}

/**
 * Writes `text` to `path`, mode 0600. When it returns, the file outlives a power cut. Throws a
 * `KeyFileError` with the code `exists`, or the file system's own error.
 */
export async function writeKeyFile(
  path: string,
  text: string,
  options: WriteKeyFileOptions = {},
  parts: WriteKeyFileParts = { link },
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeDurably(temporary, text, 'wx');
    if (options.overwrite === true) await rename(temporary, path);
    else await putIfFree(temporary, path, text, parts);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
}

/**
 * A second name for the whole file, given only if nobody has it: there is no moment at which a part
 * of the file stands there, nor one at which somebody else's could be replaced.
 */
async function putIfFree(
  temporary: string,
  path: string,
  text: string,
  parts: WriteKeyFileParts,
): Promise<void> {
  try {
    await parts.link(temporary, path);
  } catch (cause) {
    if (isTaken(cause)) throw new KeyFileError({ code: 'exists', path }, { cause });
    // No hard links (FAT, some network drives), which every system says otherwise; or something else,
    // which then says so itself. Writing to the name is whole or not at all only as long as nothing
    // breaks off: a kill leaves a part of the file, with the whole one beside it. Such a part is left
    // there even on an error, since by now the name could be somebody else's file.
    await writeDurably(path, text, 'wx').catch((error: unknown) => {
      throw isTaken(error) ? new KeyFileError({ code: 'exists', path }, { cause: error }) : error;
    });
  }
}

function isTaken(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EEXIST';
}
