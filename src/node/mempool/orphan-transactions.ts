/**
 * Valid transactions that spend coins nobody has seen, kept until these appear in the chain or in the
 * pool. Bytom 1.x consensus: "Mempool", 12.2.
 *
 * They cost nothing: what they claim to spend need not exist. So whoever sends them, all there is are
 * limits, and the one that expires first makes room. Beside the reference's two there is one of bytes.
 * They are kept in their wire form, as decoded ones take many times that.
 */
import { keyText } from '../../store/kv.ts';
import type { Clock } from '../../util/clock.ts';
import type { PoolVerdict } from './pool-validation.ts';
import type { TxSource } from './pooled-tx.ts';

export interface OrphanTransactionsOptions {
  /** Default 2000. */
  readonly maxTransactions?: number;
  /** Of wire form, and of what is kept about it. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Default ten minutes. */
  readonly lifetimeMs?: number;
}

export interface OrphanTransaction {
  /** Its id, as a key for maps. */
  readonly key: string;
  /** Of its own, no view. */
  readonly raw: Uint8Array;
  readonly source: TxSource;
  readonly heightBound: boolean;
  readonly verdict: PoolVerdict;
  /** The coins that are missing, as keys for maps; at least one. */
  readonly missing: readonly string[];
  /** When it first came, in milliseconds of the clock; now if left out. */
  readonly since?: number;
}

const MAX_ORPHANS = 2000;
const MAX_ORPHAN_BYTES = 16 * 2 ** 20;
const ORPHAN_LIFETIME_MS = 10 * 60_000;
/** About what is kept of a transaction, and of each coin it waits for, beside its bytes. */
const ENTRY_BYTES = 500;
const MISSING_BYTES = 250;

/** One that was put aside. */
export type WaitingOrphan = OrphanTransaction & { readonly since: number };

type Orphan = WaitingOrphan & { readonly bytes: number };

/** What has expired is dropped by whatever is done next: it needs no timer. */
export class OrphanTransactions {
  readonly #maxTransactions: number;
  readonly #maxBytes: number;
  readonly #lifetimeMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  /** In the order in which they expire. */
  readonly #orphans = new Map<string, Orphan>();
  readonly #waiting = new Map<string, Set<Orphan>>();
  /** Those for whom a coin has appeared, in that order. */
  readonly #awake = new Set<Orphan>();
  #bytes = 0;

  constructor(options: OrphanTransactionsOptions, parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#maxTransactions = options.maxTransactions ?? MAX_ORPHANS;
    this.#maxBytes = options.maxBytes ?? MAX_ORPHAN_BYTES;
    this.#lifetimeMs = options.lifetimeMs ?? ORPHAN_LIFETIME_MS;
    this.#clock = parts.clock;
  }

  get size(): number {
    this.#sweep();
    return this.#orphans.size;
  }

  get bytes(): number {
    this.#sweep();
    return this.#bytes;
  }

  has(key: string): boolean {
    this.#sweep();
    return this.#orphans.has(key);
  }

  /**
   * Keeps it, unless there is one of this id, or it is too large for the whole pool. True if it is kept.
   */
  add(added: OrphanTransaction): boolean {
    this.#sweep();
    const since = added.since ?? this.#clock.now();
    const bytes = ENTRY_BYTES + added.raw.length + MISSING_BYTES * added.missing.length;
    const orphan = { ...added, since, bytes };
    if (this.#orphans.has(orphan.key) || bytes > this.#maxBytes) return false;
    if (since + this.#lifetimeMs < this.#clock.now()) return false;
    for (const oldest of this.#orphans.values()) {
      const { size } = this.#orphans;
      if (size < this.#maxTransactions && this.#bytes + bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
    this.#insert(orphan);
    this.#bytes += bytes;
    for (const coin of orphan.missing) {
      const others = this.#waiting.get(coin);
      if (others === undefined) this.#waiting.set(coin, new Set([orphan]));
      else others.add(orphan);
    }
    return true;
  }

  remove(key: string): void {
    const orphan = this.#orphans.get(key);
    if (orphan !== undefined) this.#drop(orphan);
  }

  /** This coin has appeared. */
  wake(coin: string): void {
    for (const orphan of this.#waiting.get(coin) ?? []) this.#awake.add(orphan);
  }

  wakeAll(outputIds: Iterable<Uint8Array>): void {
    if (this.#orphans.size === 0) return;
    for (const id of outputIds) this.wake(keyText(id));
  }

  /** Takes out the next one for whom a coin has appeared; it may still miss another. */
  takeAwake(): WaitingOrphan | undefined {
    this.#sweep();
    for (const orphan of this.#awake) {
      this.#drop(orphan);
      return orphan;
    }
    return undefined;
  }

  clear(): void {
    for (const orphan of this.#orphans.values()) this.#drop(orphan);
  }

  /** One that comes back after a coin of it has appeared is older than the last. */
  #insert(orphan: Orphan): void {
    const later = [];
    if (orphan.since < this.#clock.now()) {
      for (const other of this.#orphans.values()) if (other.since > orphan.since) later.push(other);
    }
    this.#orphans.set(orphan.key, orphan);
    for (const other of later) {
      this.#orphans.delete(other.key);
      this.#orphans.set(other.key, other);
    }
  }

  #drop(orphan: Orphan): void {
    if (!this.#orphans.delete(orphan.key)) return;
    this.#awake.delete(orphan);
    this.#bytes -= orphan.bytes;
    for (const coin of orphan.missing) {
      const others = this.#waiting.get(coin);
      others?.delete(orphan);
      if (others?.size === 0) this.#waiting.delete(coin);
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const orphan of this.#orphans.values()) {
      if (orphan.since + this.#lifetimeMs >= now) return;
      this.#drop(orphan);
    }
  }
}
