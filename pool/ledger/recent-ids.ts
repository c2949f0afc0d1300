/**
 * The ids of shares that could be handed in again: all of the last minutes, and all of the heights that
 * shares came for last, however old. A height may last for hours, and the jobs for it as long. Heights
 * are in order of use, not of size: after a deep reorganisation or on a new test chain the lower ones
 * are the newer ones.
 *
 * Ids lie in slices of a few minutes, in the order in which they came; a slice is let go as a whole, so
 * some ids stay longer than they have to. None that could come again is let go unless there are more
 * than fit.
 */
import { IdTable, idWords } from './id-table.ts';

export interface RecentIdsOptions {
  /** Ids are kept for so long. */
  readonly keepMs: number;
  /** And those of so many heights, the last ones, for as long as they are the last ones. */
  readonly maxHeights: number;
  /** Beyond so many the oldest are let go, whatever the two above say. */
  readonly maxIds: number;
  /** Hears how many had to be let go that way, an eighth of `maxIds` or less at a time. */
  readonly onForgotten: (ids: number) => void;
}

interface Slice {
  readonly ids: IdTable;
  readonly heights: Set<number>;
  readonly beganAt: number;
  /** When the newest came. */
  lastAt: number;
}

export class RecentIds {
  readonly #options: RecentIdsOptions;
  /** The oldest first. */
  readonly #slices: Slice[] = [];
  /** The last ones, the one that was used least recently first. */
  readonly #heights = new Set<number>();
  #lastHeight: number | undefined;
  #size = 0;

  constructor(options: RecentIdsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  has(id: Uint8Array): boolean {
    const words = idWords(id);
    // The newest first: who tries again does so soon.
    for (let i = this.#slices.length - 1; i >= 0; i--) {
      if (this.#slices[i]!.ids.has(words)) return true;
    }
    return false;
  }

  /** `atMs`: when it came, on a clock of the caller's choice that does not go back. */
  add(id: Uint8Array, height: number, atMs: number): void {
    this.#use(height);
    const slice = this.#sliceAt(atMs);
    slice.lastAt = Math.max(slice.lastAt, atMs);
    slice.heights.add(height);
    if (!slice.ids.add(idWords(id))) return;
    this.#size++;
    if (this.#size <= this.#options.maxIds) return;
    this.#expire(atMs);
    if (this.#size > this.#options.maxIds) this.#options.onForgotten(this.#dropOldest());
  }

  #use(height: number): void {
    if (height === this.#lastHeight) return;
    this.#lastHeight = height;
    this.#heights.delete(height);
    this.#heights.add(height);
    if (this.#heights.size <= this.#options.maxHeights) return;
    for (const oldest of this.#heights) {
      this.#heights.delete(oldest);
      return;
    }
  }

  #sliceAt(atMs: number): Slice {
    const { keepMs, maxIds } = this.#options;
    const newest = this.#slices.at(-1);
    if (newest !== undefined) {
      const { size } = newest.ids;
      const isOld = atMs - newest.beganAt >= keepMs / 5;
      // Few ids make no slice of their own, or there would be many slices to look into.
      if (size < maxIds / 8 && (!isOld || size < maxIds / 1000)) return newest;
      this.#expire(atMs);
    }
    const slice = { ids: new IdTable(), heights: new Set<number>(), beganAt: atMs, lastAt: atMs };
    this.#slices.push(slice);
    return slice;
  }

  #expire(nowMs: number): void {
    for (;;) {
      const oldest = this.#slices[0];
      if (oldest === undefined || nowMs - oldest.lastAt <= this.#options.keepMs) return;
      for (const height of oldest.heights) if (this.#heights.has(height)) return;
      this.#dropOldest();
    }
  }

  /** How many ids were in it. */
  #dropOldest(): number {
    const size = this.#slices.shift()?.ids.size ?? 0;
    this.#size -= size;
    return size;
  }
}
