/** The independent path by which claims of boards are checked: one thread for all boards, while there are any. */
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { CallQueue } from './call-queue.ts';

/** The PoW hash of a header hash. Rejects when no board is open any more. */
export type Rehash = (table: MatrixTable, headerHash: Uint8Array) => Promise<Uint8Array>;

export class SharedRehasher {
  readonly #open: () => BatchHasher;
  readonly #queue: CallQueue = new CallQueue();
  #users = 0;
  #hasher: BatchHasher | undefined;

  /** `open` makes the hasher, when the first claim is checked. */
  constructor(open: () => BatchHasher = () => openConfirmingHasher(undefined)) {
    this.#open = open;
  }

  /** For one board; each use is to be ended with `release`. */
  acquire(): Rehash {
    this.#users++;
    return (table, headerHash) => this.#queue.run(() => this.#hash(table, headerHash));
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users > 0) return;
    const hasher = this.#hasher;
    this.#hasher = undefined;
    await hasher?.close();
  }

  async #hash(table: MatrixTable, headerHash: Uint8Array): Promise<Uint8Array> {
    if (this.#users === 0) throw new Error('no board is open');
    this.#hasher ??= this.#open();
    const hasher = this.#hasher;
    try {
      const out = new Uint8Array(32);
      await hasher.loadSeed(table.seed, table);
      await hasher.hash(table.seed, headerHash, out);
      return out;
    } catch (error) {
      // Should its thread have died, the next check gets another.
      if (this.#hasher === hasher) this.#hasher = undefined;
      await hasher.close();
      throw error;
    }
  }
}
