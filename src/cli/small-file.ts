/** Files of a few lines that the user names: a password, a key. */
import { closeSync, openSync, readSync } from 'node:fs';
import { errorText, InputError } from '../util/errors.ts';

/**
 * The text of a file of at most `maxBytes`. No more is read, so that a device or a wrong file does no
 * harm; pipes will do. Throws an `InputError` naming `field`, which shows nothing of what was read.
 */
export function readSmallText(path: string, field: string, maxBytes: number): string {
  const bytes = readBytes(path, field, maxBytes + 1);
  if (bytes.length > maxBytes) {
    throw new InputError(field, `a file of at most ${maxBytes} bytes`, `a longer one: ${path}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // The cause would say no more.
    throw new InputError(field, 'a text in UTF-8', `other bytes: ${path}`);
  }
}

function readBytes(path: string, field: string, most: number): Uint8Array {
  const bytes = new Uint8Array(most);
  let length = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      for (;;) {
        const read = readSync(fd, bytes, length, most - length, null);
        length += read;
        if (read === 0 || length === most) break;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new InputError(field, 'a readable file', errorText(error), { cause: error });
  }
  return bytes.subarray(0, length);
}
