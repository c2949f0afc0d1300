/**
 * A `BatchHasher` whose "PoW hash" is SHA3-256 of seed and header hash: it stands in for hardware
 * where a test is about what happens around the hash, and a real one would take seconds.
 */
import { sha3_256 } from '@noble/hashes/sha3.js';
import {
  type BatchHasher,
  checkBatch,
  checkTable,
  HasherError,
  type Seed,
} from '../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';

export function standInHash(seed: Seed, headerHash: Uint8Array): Uint8Array {
  return sha3_256(concatBytes(seed, headerHash));
}

const NO_DATA = new Int8Array(TABLE_BYTES);

/** A table of the right size; its zeros are never read. */
export async function standInTable(seed: Seed): Promise<MatrixTable> {
  return { seed: seed.slice(), data: NO_DATA };
}

export interface StandInOptions {
  readonly maxBatch?: number;
  readonly slots?: number;
  readonly hash?: typeof standInHash;
}

export class StandInHasher implements BatchHasher {
  readonly maxBatch: number;
  closed = false;
  /** Seeds in the order of their loading, as hex. */
  readonly loads: string[] = [];
  readonly #slots: number;
  readonly #hash: typeof standInHash;
  #seeds: string[] = [];

  constructor(options: StandInOptions = {}) {
    this.maxBatch = options.maxBatch ?? 16;
    this.#slots = options.slots ?? 2;
    this.#hash = options.hash ?? standInHash;
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    this.#checkOpen();
    checkTable(seed, table);
    signal?.throwIfAborted();
    this.loads.push(bytesToHex(seed));
    this.#use(bytesToHex(seed));
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#checkOpen();
    const n = checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    const name = bytesToHex(seed);
    if (!this.#seeds.includes(name)) {
      throw new HasherError({ code: 'seed-not-loaded', seed: name });
    }
    this.#use(name);
    for (let i = 0; i < n; i++) {
      out.set(this.#hash(seed, headerHashes.subarray(32 * i, 32 * i + 32)), 32 * i);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #use(name: string): void {
    this.#seeds = [name, ...this.#seeds.filter((each) => each !== name)].slice(0, this.#slots);
  }

  #checkOpen(): void {
    if (this.closed) throw new HasherError({ code: 'lost', reason: 'it was closed' });
  }
}
