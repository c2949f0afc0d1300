/**
 * The matrix tables of a process, 16 MiB each. A table takes tens of milliseconds or more to build
 * and serves a whole epoch, so every seed is built once and the latest few are kept. A node keeps
 * two at least, because a reorganisation over the edge of an epoch goes back and forth between two
 * seeds; a miner, whose devices keep tables of their own, does with one.
 */
import { bytesToHex } from '../util/bytes.ts';
import { LruMap } from '../util/lru.ts';
import type { Seed } from './hasher.ts';
import type { MatrixTable } from './table.ts';

export interface TableCacheOptions {
  /** Tables kept, 1 or more. */
  readonly capacity: number;
}

export interface TableCacheParts {
  /** Builds the table of a seed. What it throws reaches every caller that waits for that seed. */
  readonly build: (seed: Seed) => MatrixTable | Promise<MatrixTable>;
}

export class TableCache {
  readonly #build: TableCacheParts['build'];
  /** By the seed as hex. */
  readonly #tables: LruMap<string, MatrixTable>;
  readonly #builds = new Map<string, Promise<MatrixTable>>();

  constructor(options: TableCacheOptions, parts: TableCacheParts) {
    if (!Number.isInteger(options.capacity) || options.capacity < 1) {
      throw new RangeError(`"capacity" expected a whole number from 1, got ${options.capacity}`);
    }
    this.#tables = new LruMap(options.capacity);
    this.#build = parts.build;
  }

  /**
   * The table of a 32-byte seed, which is copied. Callers that ask while it is being built share
   * the build; a failed one rejects them all and is forgotten, so that the next call tries again.
   */
  async get(seed: Seed): Promise<MatrixTable> {
    if (seed.length !== 32) throw new RangeError(`"seed" expected 32 bytes, got ${seed.length}`);
    const name = bytesToHex(seed);
    const kept = this.#tables.get(name);
    if (kept !== undefined) return kept;
    let build = this.#builds.get(name);
    if (build === undefined) {
      build = this.#buildOnce(name, seed.slice()).finally(() => this.#builds.delete(name));
      this.#builds.set(name, build);
    }
    return build;
  }

  /** Forgets the tables that are kept; those being built go to who asked for them. */
  clear(): void {
    this.#tables.clear();
  }

  async #buildOnce(name: string, seed: Seed): Promise<MatrixTable> {
    const table = await this.#build(seed);
    this.#tables.set(name, table);
    return table;
  }
}
