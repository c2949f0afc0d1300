/** How far syncing is: told to listeners every few seconds, and logged now and then. */
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';

export interface SyncProgress {
  /** Of the chain. */
  readonly height: number;
  /** Where the peer that is synced from claims to be. */
  readonly target: number;
  /** Over the last while; `undefined` at the start. */
  readonly blocksPerSecond: number | undefined;
  readonly secondsLeft: number | undefined;
}

export interface SyncProgressParts {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}

const TELL_EVERY_MS = 2000;
const LOG_EVERY_MS = 10_000;
/** What the speed is told by. */
const WINDOW_MS = 30_000;

interface Sample {
  readonly at: number;
  readonly blocks: number;
}

export class SyncProgressReport {
  readonly #parts: SyncProgressParts;
  readonly #listeners = new Set<(progress: SyncProgress) => void>();
  #samples: Sample[] = [];
  #toldAt = Number.NEGATIVE_INFINITY;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: SyncProgressParts) {
    this.#parts = parts;
  }

  /** Returns how to end it. */
  listen(listener: (progress: SyncProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A run begins: its speed has nothing to do with that of others. */
  begin(): void {
    const now = this.#parts.clock.now();
    this.#samples = [{ at: now, blocks: 0 }];
    this.#toldAt = now;
    this.#loggedAt = now;
  }

  /** To be called for every block; cheap. `blocks` counts those of the run. */
  update(height: number, target: number, blocks: number): void {
    const now = this.#parts.clock.now();
    if (now - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = now;
    this.#samples.push({ at: now, blocks });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > WINDOW_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0]!;
    const seconds = (now - first.at) / 1000;
    const speed = seconds > 0 ? (blocks - first.blocks) / seconds : undefined;
    const left = Math.max(0, target - height);
    const secondsLeft =
      speed === undefined || speed <= 0 ? undefined : Math.round((left / speed) * 10) / 10;
    const blocksPerSecond = speed === undefined ? undefined : Math.round(speed * 10) / 10;
    const progress = { height, target, blocksPerSecond, secondsLeft };
    for (const listener of this.#listeners) this.#tell(() => listener(progress));
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    this.#parts.log.info('syncing', { ...progress });
  }

  /** Calls a listener, whose mistakes are not ours. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#parts.log.error('sync listener failed', { reason: errorText(error) });
    }
  }
}
