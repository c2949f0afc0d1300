/**
 * The transactions of the pool, by id, by the coins they take and make, and as the graph of who
 * spends whom. No two take one coin, so no two make one either: equal outputs come of equal inputs.
 * Knows no chain and no rules; whoever adds has looked for conflicts.
 */
import { feeRate, footprint, type PooledTx, weightOf } from './pooled-tx.ts';

/** What `PoolIndex.add` needs to know of a transaction. */
export interface NewEntry {
  readonly key: string;
  readonly pooled: PooledTx;
  readonly heightBound: boolean;
  /** Keys of the coins it takes and makes. */
  readonly spends: readonly string[];
  readonly makes: readonly string[];
  readonly parents: Iterable<PoolEntry>;
}

export interface PoolEntry {
  /** Its id, as a key for maps. */
  readonly key: string;
  readonly pooled: PooledTx;
  readonly heightBound: boolean;
  readonly spends: readonly string[];
  readonly makes: readonly string[];
  /** Of the order of arrival: parents have lower ones than their children. */
  readonly sequence: number;
  readonly footprint: number;
  readonly weight: number;
  /** In the pool. */
  readonly parents: ReadonlySet<PoolEntry>;
  readonly children: ReadonlySet<PoolEntry>;
  /** Neu per unit of weight, alone or with all that stand on it, whichever is more. */
  readonly score: number;
}

interface Entry extends PoolEntry {
  pooled: PooledTx;
  weight: number;
  score: number;
  readonly parents: Set<Entry>;
  readonly children: Set<Entry>;
  /** Of itself and all that stand on it. */
  packageFee: bigint;
  packageWeight: number;
}

export interface Limits {
  readonly transactions: number;
  /** Of memory, see `footprint`. */
  readonly bytes: number;
}

/** Who has to go for a newcomer, or at which rate somebody would. */
export type Room =
  | { readonly victims: readonly PoolEntry[] }
  | { readonly victims: undefined; readonly rateNeeded: number };

export class PoolIndex {
  /** In the order of arrival. */
  readonly #entries = new Map<string, Entry>();
  readonly #spenders = new Map<string, Entry>();
  readonly #makers = new Map<string, Entry>();
  readonly #heightBound = new Set<Entry>();
  readonly #timed = new Set<Entry>();
  #bytes = 0;
  #sequence = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Of memory, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those whose verdict depends on the height. */
  get heightBound(): ReadonlySet<PoolEntry> {
    return this.#heightBound;
  }

  /** Those that have a time range. */
  get timed(): ReadonlySet<PoolEntry> {
    return this.#timed;
  }

  get(key: string): PoolEntry | undefined {
    return this.#entries.get(key);
  }

  /** Whether it is still there. */
  holds(entry: PoolEntry): boolean {
    return this.#entries.get(entry.key) === entry;
  }

  /** Who takes this coin. */
  spender(coin: string): PoolEntry | undefined {
    return this.#spenders.get(coin);
  }

  /** Who makes this coin. */
  maker(coin: string): PoolEntry | undefined {
    return this.#makers.get(coin);
  }

  /** The oldest first. */
  entries(): IterableIterator<PoolEntry> {
    return this.#entries.values();
  }

  add(added: NewEntry): PoolEntry {
    const { key, pooled, heightBound, spends, makes } = added;
    const entry: Entry = {
      key,
      pooled,
      heightBound,
      spends,
      makes,
      sequence: this.#sequence++,
      footprint: footprint(pooled.tx),
      weight: weightOf(pooled.tx, pooled.gasUsed),
      parents: new Set(added.parents as Iterable<Entry>),
      children: new Set(),
      score: 0,
      packageFee: 0n,
      packageWeight: 0,
    };
    this.#entries.set(key, entry);
    this.#bytes += entry.footprint;
    for (const coin of spends) this.#spenders.set(coin, entry);
    for (const coin of makes) this.#makers.set(coin, entry);
    if (heightBound) this.#heightBound.add(entry);
    if (pooled.tx.timeRange !== 0n) this.#timed.add(entry);
    for (const parent of entry.parents) parent.children.add(entry);
    grow(entry, pooled.fee, entry.weight);
    for (const above of ancestorsOf(entry.parents)) grow(above, pooled.fee, entry.weight);
    return entry;
  }

  /** Takes it out, and nothing that stands on it. */
  remove(removed: PoolEntry): void {
    const entry = removed as Entry;
    if (!this.#entries.delete(entry.key)) return;
    this.#bytes -= entry.footprint;
    for (const coin of entry.spends) this.#spenders.delete(coin);
    for (const coin of entry.makes) this.#makers.delete(coin);
    this.#heightBound.delete(entry);
    this.#timed.delete(entry);
    const above = ancestorsOf(entry.parents);
    for (const parent of entry.parents) parent.children.delete(entry);
    for (const child of entry.children) child.parents.delete(entry);
    for (const ancestor of above) {
      if (entry.children.size === 0) grow(ancestor, -entry.pooled.fee, -entry.weight);
      else recount(ancestor);
    }
  }

  /** Another verdict on the same transaction, which takes and makes the same coins. */
  update(updated: PoolEntry, pooled: PooledTx): void {
    const entry = updated as Entry;
    const weight = weightOf(pooled.tx, pooled.gasUsed);
    const fee = pooled.fee - entry.pooled.fee;
    const more = weight - entry.weight;
    entry.pooled = pooled;
    entry.weight = weight;
    grow(entry, fee, more);
    for (const above of ancestorsOf(entry.parents)) grow(above, fee, more);
  }

  /**
   * Who has to go so that one more of `bytes` fits: those of the lowest scores, all below `rate`, with
   * what stands on them, children before parents. `spared` and what they stand on stay.
   */
  roomFor(bytes: number, rate: number, limits: Limits, spared: Iterable<PoolEntry> = []): Room {
    let count = this.size + 1 - limits.transactions;
    let excess = this.#bytes + bytes - limits.bytes;
    if (count <= 0 && excess <= 0) return { victims: [] };
    const stays = ancestorsOf(spared as Iterable<Entry>);
    const victims = new Set<Entry>();
    for (const lowest of this.#fromLowest(stays)) {
      if (victims.has(lowest)) continue;
      if (lowest.score >= rate) return { victims: undefined, rateNeeded: lowest.score };
      for (const gone of [lowest, ...descendantsOf(lowest)]) {
        if (victims.has(gone)) continue;
        victims.add(gone);
        count--;
        excess -= gone.footprint;
      }
      if (count <= 0 && excess <= 0) return { victims: childrenFirst(victims) };
    }
    return { victims: undefined, rateNeeded: Number.POSITIVE_INFINITY };
  }

  /** Nearly always one is enough, which is found without sorting all of them. */
  *#fromLowest(stays: ReadonlySet<Entry>): Generator<Entry> {
    let lowest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if ((lowest === undefined || entry.score <= lowest.score) && !stays.has(entry)) {
        lowest = entry;
      }
    }
    if (lowest === undefined) return;
    yield lowest;
    const others = [...this.#entries.values()].filter(
      (entry) => entry !== lowest && !stays.has(entry),
    );
    // Of equals, the one that came last goes first.
    yield* others.sort((a, b) => a.score - b.score || b.sequence - a.sequence);
  }
}

/** All that `entries` stand on, themselves included; no more than `limit` + 1 of them. */
export function ancestorsOf<T extends { readonly parents: ReadonlySet<T> }>(
  entries: Iterable<T>,
  limit: number = Number.POSITIVE_INFINITY,
): Set<T> {
  // A set gives what is added while it is walked through.
  const found = new Set(entries);
  for (const entry of found) {
    for (const parent of entry.parents) found.add(parent);
    if (found.size > limit) break;
  }
  return found;
}

/** All that stand on it, itself left out. */
export function descendantsOf<T extends { readonly children: ReadonlySet<T> }>(entry: T): Set<T> {
  const found = new Set(entry.children);
  for (const below of found) for (const child of below.children) found.add(child);
  return found;
}

/** In an order in which they can be taken out one by one. */
export function childrenFirst<T extends { readonly sequence: number }>(entries: Iterable<T>): T[] {
  return [...entries].sort((a, b) => b.sequence - a.sequence);
}

function grow(entry: Entry, fee: bigint, weight: number): void {
  entry.packageFee += fee;
  entry.packageWeight += weight;
  entry.score = Math.max(
    feeRate(entry.pooled.fee, entry.weight),
    feeRate(entry.packageFee, entry.packageWeight),
  );
}

/** Something between it and others is gone, and they may stand on it no more. */
function recount(entry: Entry): void {
  entry.packageFee = 0n;
  entry.packageWeight = 0;
  for (const each of [entry, ...descendantsOf(entry)]) {
    entry.packageFee += each.pooled.fee;
    entry.packageWeight += each.weight;
  }
  grow(entry, 0n, 0);
}
