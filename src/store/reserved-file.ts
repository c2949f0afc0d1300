/**
 * Disk space for the database, taken before it is written to: where LMDB itself meets a full disk it
 * prints to the terminal and composes its message in too small a buffer, so it must not get there.
 * (A copy-on-write file system may still run out; then its own error has to do.)
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** The file grows by multiples of this. */
const STEP_BYTES = 1 << 20;

const zeros: Uint8Array = new Uint8Array(STEP_BYTES);

export class ReservedFile {
  readonly #fd: number;
  #size: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'r+');
    this.#size = fstatSync(this.#fd).size;
  }

  /** Makes the file at least `bytes` long. Throws the system's error, with the file as it was. */
  reserve(bytes: number): void {
    if (bytes <= this.#size) return;
    const wanted = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    try {
      for (let at = this.#size; at < wanted; ) {
        at += writeSync(this.#fd, zeros, 0, Math.min(STEP_BYTES, wanted - at), at);
      }
    } catch (error) {
      ftruncateSync(this.#fd, this.#size);
      throw error;
    }
    this.#size = wanted;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
