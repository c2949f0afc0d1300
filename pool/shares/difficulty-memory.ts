/**
 * Which difficulty a worker had with its last share, so that it goes on there when it comes back: also
 * before the pool has noticed that its old connection is dead. For an hour, and not over a restart; the
 * oldest are forgotten.
 */
import type { Clock } from '../../src/util/clock.ts';
import { LruMap } from '../../src/util/lru.ts';

const KEPT_MS = 3_600_000;

interface Remembered {
  readonly difficulty: bigint;
  readonly at: number;
}

export class DifficultyMemory {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #workers: LruMap<string, Remembered>;

  constructor(maxRemembered: number, clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#workers = new LruMap(maxRemembered);
  }

  remember(key: string, difficulty: bigint): void {
    this.#workers.set(key, { difficulty, at: this.#clock.now() });
  }

  of(key: string): bigint | undefined {
    const known = this.#workers.get(key);
    if (known === undefined || this.#clock.now() - known.at > KEPT_MS) return undefined;
    return known.difficulty;
  }
}
