/**
 * A stand-in for a kernel in tests of what is around it: knows the PoW hashes it is given and
 * answers everything else with the SHA3-256 of its input, which meets no real target.
 */
import { sha3_256 } from '@noble/hashes/sha3.js';
import { type BatchHasher, HasherError, type Seed } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';

export interface KnownHash {
  readonly seed: string;
  readonly header_hash: string;
  readonly result: string;
}

export class LookupHasher implements BatchHasher {
  readonly maxBatch: number;
  /** Inputs of each `hash` call. */
  readonly batches: number[] = [];
  /** Seeds in the order they were loaded. */
  readonly loaded: string[] = [];
  readonly #known = new Map<string, Uint8Array>();

  constructor(known: readonly KnownHash[], maxBatch = 4) {
    this.maxBatch = maxBatch;
    for (const k of known) {
      this.#known.set(k.seed + k.header_hash, hexToBytes(k.result, 'known', 32));
    }
  }

  loadSeed(seed: Seed): Promise<void> {
    this.loaded.push(bytesToHex(seed));
    return Promise.resolve();
  }

  hash(seed: Seed, headerHashes: Uint8Array, out: Uint8Array): Promise<void> {
    const name = bytesToHex(seed);
    if (this.loaded.at(-1) !== name) {
      return Promise.reject(new HasherError({ code: 'seed-not-loaded', seed: name }));
    }
    const count = headerHashes.length / 32;
    if (count > this.maxBatch || out.length !== headerHashes.length) {
      return Promise.reject(new RangeError(`batch of ${count}, room for ${out.length} bytes`));
    }
    this.batches.push(count);
    for (let i = 0; i < count; i++) {
      const input = headerHashes.subarray(32 * i, 32 * i + 32);
      out.set(this.#known.get(name + bytesToHex(input)) ?? sha3_256(input), 32 * i);
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Tables without data, for hashers that do not look at it. */
export function emptyTables(seed: Seed): Promise<MatrixTable> {
  return Promise.resolve({ seed, data: new Int8Array(0) });
}
