/** A hasher whose batches wait until a test lets them go, one by one, in order or not. */
import {
  type BatchHasher,
  checkBatch,
  HasherError,
  type Seed,
} from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { standInHash } from './stand-in-hasher.ts';

export interface GatedBatch {
  readonly seed: Seed;
  readonly headerHashes: readonly Uint8Array[];
  /** Answers it: with the hasher's function, or as it says. */
  readonly release: () => void;
  readonly fail: (error: Error) => void;
  readonly signal: AbortSignal | undefined;
}

export class GatedHasher implements BatchHasher {
  readonly maxBatch: number;
  /** Every `hash` call, in the order of the calls. */
  readonly calls: GatedBatch[] = [];
  readonly loads: string[] = [];
  closed = false;
  readonly #hash: typeof standInHash;
  readonly #open = new Set<Deferred<void>>();

  constructor(options: { readonly maxBatch?: number; readonly hash?: typeof standInHash } = {}) {
    this.maxBatch = options.maxBatch ?? 4;
    this.#hash = options.hash ?? standInHash;
  }

  async loadSeed(seed: Seed): Promise<void> {
    this.loads.push(bytesToHex(seed));
  }

  async hash(seed: Seed, input: Uint8Array, out: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.closed) throw new HasherError({ code: 'lost', reason: 'it was closed' });
    const n = checkBatch(this.maxBatch, seed, input, out);
    const headerHashes = Array.from({ length: n }, (_, i) => input.slice(32 * i, 32 * i + 32));
    const gate = createDeferred<void>();
    this.#open.add(gate);
    this.calls.push({ seed, headerHashes, release: gate.resolve, fail: gate.reject, signal });
    const abort = (): void => gate.reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    await gate.promise;
    headerHashes.forEach((hash, i) => {
      out.set(this.#hash(seed, hash), 32 * i);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const gate of this.#open) {
      gate.reject(new HasherError({ code: 'lost', reason: 'it was closed' }));
    }
  }
}
