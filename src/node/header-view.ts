/**
 * Headers by hash, those of blocks that are still being checked included, so that a block can be
 * looked at before its parent has settled. What a branch demands of its next header follows from the
 * header's parent alone, whichever branch is the best one meanwhile.
 */

import type { Branch, HashedHeader } from '../consensus/branch.ts';
import { type HeaderContext, headerContext } from '../consensus/header-rules.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { keyText } from '../store/kv.ts';
import { bytesToHex } from '../util/bytes.ts';
import { LruMap } from '../util/lru.ts';

/** Ancestors remembered for as many headers. */
const KEPT_LINKS = 2048;
/** An ancestor so far down is remembered: that for the median time is not, that for the seed is. */
const LONG_WALK = 16;

export class HeaderView {
  readonly #store: ChainStore;
  readonly #unsettled: (hash: Uint8Array) => HashedHeader | undefined;
  /**
   * A far ancestor by the hash of a header. All headers of an epoch look for the same one, and while
   * they are unsettled there are only the links from child to parent to follow.
   */
  readonly #links = new LruMap<string, HashedHeader>(KEPT_LINKS);

  /** `unsettled` gives only headers that continue their branch as the rules want it. */
  constructor(store: ChainStore, unsettled: (hash: Uint8Array) => HashedHeader | undefined) {
    this.#store = store;
    this.#unsettled = unsettled;
  }

  get(hash: Uint8Array): HashedHeader | undefined {
    return this.#unsettled(hash) ?? this.#store.indexEntry(hash);
  }

  /** What the block after `parent` has to meet. */
  contextAfter(parent: HashedHeader): HeaderContext {
    return headerContext(parent, this.#branch(parent));
  }

  /** Cheap when asked for falling heights, as the rules do. */
  #branch(tip: HashedHeader): Branch {
    let at = tip;
    return {
      ancestor: (height) => {
        if (height > at.header.height) at = tip;
        while (at.header.height > height) at = this.#step(at, height);
        if (tip.header.height - height > LONG_WALK) this.#links.set(keyText(tip.hash), at);
        return at;
      },
    };
  }

  /** The parent, or an ancestor further down towards `height`. */
  #step(from: HashedHeader, height: number): HashedHeader {
    const { hash, header } = from;
    if (header.height - height > 1) {
      const link = this.#links.get(keyText(hash));
      if (link !== undefined && link.header.height >= height) return link;
      if (this.#store.isOnMainChain(hash, header.height)) {
        return this.#require(this.#store.mainHash(height));
      }
    }
    return this.#require(header.previousBlockHash);
  }

  #require(hash: Uint8Array | undefined): HashedHeader {
    const found = hash === undefined ? undefined : this.get(hash);
    if (found !== undefined) return found;
    throw new RangeError(
      `ancestor ${hash === undefined ? 'on the main chain' : bytesToHex(hash)} is not stored`,
    );
  }
}
