/**
 * Which shares are taken at their miner's word, one decision after another: while a share that was
 * drawn has no verdict, the next ones of its login wait for that. Otherwise a burst of invented hashes
 * would be over before the first of them is found out.
 */
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import type { Trust } from './trust.ts';

/** `word`: it is good by its miner's word. `sample`: to be verified, and `end` to be called then. */
export type Decision = 'word' | 'sample' | 'verify';

export interface SamplingParts {
  readonly trust: Trust;
  /** Counts a share that waits, until what it gives is called. */
  readonly occupy: () => () => void;
}

/** Shares of a login that wait for one verdict; what is beyond is verified. */
const MAX_HELD = 64;

export class Sampling {
  readonly #parts: SamplingParts;
  /** By login: those that wait for its sample's verdict. Told whether there is one. */
  readonly #samples = new Map<string, Set<Deferred<boolean>>>();

  constructor(parts: SamplingParts) {
    this.#parts = parts;
  }

  /** Of a share of this difficulty (expected hashes) whose claim would do. Rejects the signal's reason. */
  async decide(login: string, difficulty: number, signal?: AbortSignal): Promise<Decision> {
    const { trust } = this.#parts;
    for (;;) {
      if (trust.probability(login, difficulty) >= 1) return 'verify';
      const held = this.#samples.get(login);
      if (held === undefined) {
        if (!trust.draw(login, difficulty)) return 'word';
        this.#samples.set(login, new Set());
        return 'sample';
      }
      if (held.size >= MAX_HELD || !(await this.#hold(held, signal))) return 'verify';
    }
  }

  /** The login's sample has its verdict, or will have none. */
  end(login: string, hasVerdict: boolean): void {
    const held = this.#samples.get(login);
    this.#samples.delete(login);
    if (!hasVerdict) this.#parts.trust.owe(login);
    for (const each of held ?? []) each.resolve(hasVerdict);
  }

  async #hold(held: Set<Deferred<boolean>>, signal: AbortSignal | undefined): Promise<boolean> {
    const verdict = createDeferred<boolean>();
    const release = this.#parts.occupy();
    const leave = (): void => verdict.reject(signal?.reason);
    held.add(verdict);
    signal?.addEventListener('abort', leave);
    try {
      return await verdict.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
      held.delete(verdict);
      release();
    }
  }
}
