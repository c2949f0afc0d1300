/**
 * Which seed's matrix table lies in which slot of a hasher that keeps a fixed number of them: the
 * least recently used one that nobody reads is replaced. What a slot is, and how a table gets there,
 * is the hasher's business.
 */
import { untilAbort } from '../util/abort.ts';
import { bytesToHex } from '../util/bytes.ts';
import { HasherError, type Seed } from './hasher.ts';

/** A slot that is not replaced before it is released. */
export interface SlotUse<T> {
  readonly slot: T;
  /** Once more does no harm. */
  release(): void;
}

export interface SeedSlotsParts<T> {
  /** From one; what the hasher calls them by. */
  readonly slots: readonly T[];
  /** Brings a table (16 MiB, row-major) into a slot that nobody reads. One call at a time. */
  readonly fill: (slot: T, data: Int8Array) => Promise<void>;
}

interface Place<T> {
  readonly slot: T;
  /** Hex of the seed whose table is here. */
  seed: string | undefined;
  /** Calls that read it, and a load that writes it. */
  users: number;
  lastUsed: number;
}

interface Load {
  /** Whether the table was brought in; false if nobody wanted it any more. */
  readonly done: Promise<boolean>;
  /** Callers that still want it. */
  wanted: number;
}

export class SeedSlots<T> {
  readonly #fill: SeedSlotsParts<T>['fill'];
  readonly #places: readonly Place<T>[];
  readonly #loads = new Map<string, Load>();
  /** Loads run one after the other. */
  #last: Promise<void> = Promise.resolve();
  readonly #waits: (() => void)[] = [];
  #clock = 0;
  #end: { readonly reason: unknown } | undefined;

  constructor({ slots, fill }: SeedSlotsParts<T>) {
    this.#fill = fill;
    this.#places = slots.map((slot) => ({ slot, seed: undefined, users: 0, lastUsed: 0 }));
  }

  has(seed: Seed): boolean {
    return this.#find(bytesToHex(seed)) !== undefined;
  }

  /** Keeps the table of a seed until it is released. Throws `seed-not-loaded`. */
  use(seed: Seed): SlotUse<T> {
    const name = bytesToHex(seed);
    const place = this.#find(name);
    if (place === undefined) throw new HasherError({ code: 'seed-not-loaded', seed: name });
    place.users++;
    place.lastUsed = ++this.#clock;
    let isHeld = true;
    return {
      slot: place.slot,
      release: () => {
        if (isHeld) this.#release(place);
        isHeld = false;
      },
    };
  }

  /**
   * Makes the table of a seed resident; waits while every slot is in use. Rejects with what `fill`
   * rejects with, with the reason of `end`, or with that of the signal. A load that is under way goes
   * on when its signal aborts, one that waits for a slot does not.
   */
  async load(seed: Seed, data: Int8Array, signal?: AbortSignal): Promise<void> {
    const name = bytesToHex(seed);
    signal?.throwIfAborted();
    for (;;) {
      this.#checkOpen();
      const resident = this.#find(name);
      if (resident !== undefined) {
        resident.lastUsed = ++this.#clock;
        return;
      }
      // Two callers may ask for one seed at once; it is brought in once.
      const load = this.#loads.get(name) ?? this.#begin(name, data);
      load.wanted++;
      try {
        // It need not be there any more: with one slot the next load may have begun by now.
        if (await untilAbort(load.done, signal)) return;
      } finally {
        load.wanted--;
        // One that waits for a slot, and that nobody wants any more, ends.
        this.#wake();
      }
    }
  }

  /** Nothing is loaded any more: what waits for a slot, and what comes, rejects with `reason`. */
  end(reason: unknown): void {
    this.#end ??= { reason };
    this.#wake();
  }

  #begin(name: string, data: Int8Array): Load {
    const run = async (): Promise<boolean> => {
      const place = await this.#acquire(load);
      if (place === undefined) return false;
      try {
        await this.#fill(place.slot, data);
        place.seed = name;
        place.lastUsed = ++this.#clock;
        return true;
      } finally {
        this.#release(place);
      }
    };
    const load: Load = {
      done: this.#last.then(run).finally(() => this.#loads.delete(name)),
      wanted: 0,
    };
    this.#loads.set(name, load);
    // Also heard where every caller has gone away.
    this.#last = load.done.then(
      () => {},
      () => {},
    );
    return load;
  }

  /** The least recently used place that nobody uses, emptied; `undefined` once nobody wants the load. */
  async #acquire(load: Load): Promise<Place<T> | undefined> {
    for (;;) {
      this.#checkOpen();
      if (load.wanted === 0) return undefined;
      const idle = this.#places.filter((place) => place.users === 0);
      const oldest = idle.sort((a, b) => a.lastUsed - b.lastUsed)[0];
      if (oldest !== undefined) {
        oldest.seed = undefined;
        oldest.users++;
        return oldest;
      }
      await new Promise<void>((resolve) => {
        this.#waits.push(resolve);
      });
    }
  }

  #find(name: string): Place<T> | undefined {
    return this.#places.find((place) => place.seed === name);
  }

  #release(place: Place<T>): void {
    place.users--;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waits.splice(0)) wake();
  }

  #checkOpen(): void {
    if (this.#end !== undefined) throw this.#end.reason;
  }
}
