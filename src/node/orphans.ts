/**
 * Blocks whose parent is not known, kept until it arrives. Bytom 1.x consensus: "Chain selection".
 *
 * Nothing about an orphan has been checked: not even its proof of work can be, for want of a seed. So
 * anybody can fill this pool for nothing, and all it has are limits. The reference counts blocks only.
 * Here there are also limits of
 * - bytes, as a block can be of many megabytes. Orphans are kept in their wire form for the same
 *   reason: decoded, they take some fifteen times that;
 * - blocks of one parent, as all of them are looked at before the parent becomes the tip. (The
 *   reference crashes when it adopts three.)
 *
 * The hash of a block covers no signatures: of two blocks with one hash, one may be good. So a few of
 * them are kept, or whoever is first with a spoilt copy would hide the real one.
 */
import { type Block, decodeBlock, encodeBlock } from '../chain/block.ts';
import { type BlockHeader, decodeHeader } from '../chain/header.ts';
import { keyText } from '../store/kv.ts';
import { bytesEqual } from '../util/bytes.ts';
import type { Clock } from '../util/clock.ts';

export interface OrphanPoolOptions {
  /** Default 256. */
  readonly maxBlocks?: number;
  /** Of the blocks' wire form. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Blocks of one parent. Default 8. */
  readonly maxSiblings?: number;
  /** Default an hour. */
  readonly lifetimeMs?: number;
}

/** A block in the pool. */
export class Orphan {
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  readonly bytes: Uint8Array;
  readonly expires: number;

  constructor(block: Block, expires: number) {
    this.hash = block.hash;
    this.bytes = encodeBlock(block);
    // Not the block's own: its parts may be views of a buffer that is much larger.
    this.header = decodeHeader(this.bytes).header;
    this.expires = expires;
  }

  /** Decodes it anew each time. */
  block(): Block {
    return decodeBlock(this.bytes);
  }
}

const MAX_ORPHANS = 256;
const MAX_ORPHAN_BYTES = 64 * 2 ** 20;
const MAX_SIBLINGS = 8;
/** Blocks of one hash. */
const MAX_VARIANTS = 4;
const ORPHAN_LIFETIME_MS = 60 * 60_000;

/** What has expired is dropped by whatever is done next: it needs no timer. */
export class OrphanPool {
  readonly #maxBlocks: number;
  readonly #maxBytes: number;
  readonly #maxSiblings: number;
  readonly #lifetimeMs: number;
  readonly #clock: Clock;
  /** In the order of arrival: as all live equally long, the first one expires first. */
  readonly #orphans = new Set<Orphan>();
  readonly #byHash = new Map<string, Set<Orphan>>();
  readonly #byParent = new Map<string, Set<Orphan>>();
  #bytes = 0;

  constructor(options: OrphanPoolOptions, parts: { readonly clock: Clock }) {
    this.#maxBlocks = options.maxBlocks ?? MAX_ORPHANS;
    this.#maxBytes = options.maxBytes ?? MAX_ORPHAN_BYTES;
    this.#maxSiblings = options.maxSiblings ?? MAX_SIBLINGS;
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

  /**
   * Keeps the block, and where there are too many drops those that expire first. One that is there
   * already keeps its time; one that is too large for the whole pool is not kept.
   */
  add(block: Block): void {
    this.#sweep();
    const orphan = new Orphan(block, this.#clock.now() + this.#lifetimeMs);
    const { length } = orphan.bytes;
    const variants = this.#variants(orphan);
    const isThere = [...variants].some((other) => bytesEqual(other.bytes, orphan.bytes));
    if (isThere || length > this.#maxBytes) return;
    this.#makeRoom(variants, MAX_VARIANTS);
    this.#makeRoom(this.#siblings(orphan), this.#maxSiblings);
    this.#makeRoom(this.#orphans, this.#maxBlocks);
    for (const oldest of this.#orphans) {
      if (this.#bytes + length <= this.#maxBytes) break;
      this.drop(oldest);
    }
    this.#orphans.add(orphan);
    this.#bytes += length;
    addTo(this.#byHash, orphan.hash, orphan);
    addTo(this.#byParent, orphan.header.previousBlockHash, orphan);
  }

  has(hash: Uint8Array): boolean {
    this.#sweep();
    return this.#byHash.has(keyText(hash));
  }

  /** Those whose parent has this hash, in the order of their arrival; some may have the same hash. */
  childrenOf(hash: Uint8Array): readonly Orphan[] {
    this.#sweep();
    return [...(this.#byParent.get(keyText(hash)) ?? [])];
  }

  /** Drops every block with this hash. */
  remove(hash: Uint8Array): void {
    for (const orphan of this.#byHash.get(keyText(hash)) ?? []) this.drop(orphan);
  }

  /** Drops this one alone, if it is there. */
  drop(orphan: Orphan): void {
    if (!this.#orphans.delete(orphan)) return;
    this.#bytes -= orphan.bytes.length;
    removeFrom(this.#byHash, orphan.hash, orphan);
    removeFrom(this.#byParent, orphan.header.previousBlockHash, orphan);
  }

  #variants({ hash }: Orphan): ReadonlySet<Orphan> {
    return this.#byHash.get(keyText(hash)) ?? new Set();
  }

  #siblings({ header }: Orphan): ReadonlySet<Orphan> {
    return this.#byParent.get(keyText(header.previousBlockHash)) ?? new Set();
  }

  /** Drops the oldest of `orphans` until another one fits in. */
  #makeRoom(orphans: ReadonlySet<Orphan>, max: number): void {
    for (const oldest of orphans) {
      if (orphans.size < max) return;
      this.drop(oldest);
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const orphan of this.#orphans) {
      if (orphan.expires >= now) return;
      this.drop(orphan);
    }
  }
}

function addTo(map: Map<string, Set<Orphan>>, hash: Uint8Array, orphan: Orphan): void {
  const key = keyText(hash);
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([orphan]));
  else known.add(orphan);
}

function removeFrom(map: Map<string, Set<Orphan>>, hash: Uint8Array, orphan: Orphan): void {
  const key = keyText(hash);
  const known = map.get(key)!;
  known.delete(orphan);
  if (known.size === 0) map.delete(key);
}
