/**
 * The seam below everything that needs Tensority: batches of header hashes under a seed. The node,
 * the pool and the miner's re-check see only this; what computes it is handed to them.
 */
import { CodedError } from '../util/errors.ts';
import { TABLE_BYTES } from './params.ts';
import type { MatrixTable } from './table.ts';

/** 32 bytes: the hash of the block that opened the epoch. Never written to. */
export type Seed = Uint8Array;

/** Anything that computes Tensority in batches: the CPU reference or an open device. */
export interface BatchHasher {
  /** Most inputs one `hash` call takes. Working state is at least 256 KiB per input (4 slices × 64 KiB). */
  readonly maxBatch: number;
  /**
   * Makes `table` (16 MiB int8, row-major 256×256×256) resident. Idempotent; may evict the least
   * recently used seed. A table never changes: it may be read even after an aborted call has rejected.
   */
  loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void>;
  /**
   * For i < n: out[32i, 32i+32) = Tensority(headerHashes[32i, 32i+32)). Rejects `seed-not-loaded`;
   * an aborted call rejects with the signal's reason and leaves nothing in `out` to rely on.
   * Calls may overlap; they are served in order, so the arrays are the hasher's until the call
   * settles. Arguments that `checkBatch` refuses reject with
   * its `RangeError`.
   */
  hash(seed: Seed, headerHashes: Uint8Array, out: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Idempotent; pending calls reject `lost`. */
  close(): Promise<void>;
}

export type HasherErrorDetail =
  | { readonly code: 'seed-not-loaded'; readonly seed: string }
  | { readonly code: 'lost'; readonly reason: string };

export class HasherError extends CodedError<HasherErrorDetail> {
  constructor(detail: HasherErrorDetail, options?: ErrorOptions) {
    super(
      detail.code === 'lost'
        ? `hasher lost: ${detail.reason}`
        : `seed ${detail.seed} is not loaded`,
      detail,
      options,
    );
  }
}

/**
 * Checks the arguments of `BatchHasher.hash` and returns how many inputs they hold (1 … maxBatch).
 * Throws a `RangeError` that names the argument.
 */
export function checkBatch(
  maxBatch: number,
  seed: Seed,
  headerHashes: Uint8Array,
  out: Uint8Array,
): number {
  checkSeed(seed);
  const n = headerHashes.length / 32;
  if (!Number.isInteger(n) || n < 1 || n > maxBatch) {
    throw new RangeError(
      `"headerHashes" expected 32 bytes for each of 1 … ${maxBatch} inputs, got ${headerHashes.length} bytes`,
    );
  }
  if (out.length !== n * 32) {
    throw new RangeError(`"out" expected ${n * 32} bytes, got ${out.length}`);
  }
  return n;
}

/** Checks the arguments of `BatchHasher.loadSeed`. Throws a `RangeError` that names the argument. */
export function checkTable(seed: Seed, table: MatrixTable): void {
  checkSeed(seed);
  if (table.data.length !== TABLE_BYTES) {
    throw new RangeError(`"table" expected ${TABLE_BYTES} bytes, got ${table.data.length}`);
  }
}

function checkSeed(seed: Seed): void {
  if (seed.length !== 32) throw new RangeError(`"seed" expected 32 bytes, got ${seed.length}`);
}
