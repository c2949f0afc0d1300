/**
 * The 128 states of the chained smix from which a board makes any matrix again, read from a table: the
 * first 128 bytes of every other matrix.
 */
import { crc32 } from 'node:zlib';
import { MATRIX_BYTES } from '../src/tensority/params.ts';
import type { MatrixTable } from '../src/tensority/table.ts';
import { CHECKPOINT_BYTES, CHECKPOINTS } from './messages.ts';

/** All 16 KiB, as CKPT carries them. */
export function checkpointsOf(table: MatrixTable): Uint8Array {
  const all = new Uint8Array(CHECKPOINTS * CHECKPOINT_BYTES);
  for (let i = 0; i < CHECKPOINTS; i++) {
    const at = 2 * i * MATRIX_BYTES;
    all.set(table.data.subarray(at, at + CHECKPOINT_BYTES), i * CHECKPOINT_BYTES);
  }
  return all;
}

/** The CRC-32 that SEED_READY tells. */
export function checkpointsCrc(checkpoints: Uint8Array): number {
  return crc32(checkpoints);
}
