/**
 * The next headers of one branch, between what is stored and what is known: a window that moves up as
 * their blocks are stored. Each is checked by every rule for headers but the proof of work, in the
 * context of its own branch. Bytom 1.x consensus: "Block validation", rules 1 to 5; "Checkpoints".
 */
import type { HashedHeader } from '../../consensus/branch.ts';
import type { Checkpoints } from '../../consensus/checkpoints.ts';
import { checkHeader, type PowClaim } from '../../consensus/header-rules.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { keyText } from '../../store/kv.ts';
import { CheckpointGuard } from '../checkpoint-guard.ts';
import { HeaderView } from '../header-view.ts';

export interface HeaderChainOptions {
  /** Headers of the window. */
  readonly capacity: number;
  /** Enforced. */
  readonly checkpoints: Checkpoints | undefined;
}

export interface HeaderChainParts {
  readonly store: ChainStore;
  /** The wall clock, in seconds. */
  readonly now: () => number;
}

/** A header that is right, as far as that can be said without its proof of work. */
export interface CheckedHeader extends HashedHeader {
  /** What it has yet to show. */
  readonly claim: PowClaim;
}

export class HeaderChain {
  readonly #capacity: number;
  readonly #parts: HeaderChainParts;
  readonly #checkpoints: CheckpointGuard | undefined;
  readonly #view: HeaderView;
  readonly #window: CheckedHeader[] = [];
  readonly #byHash = new Map<string, CheckedHeader>();
  #tip: HashedHeader | undefined;

  constructor({ capacity, checkpoints }: HeaderChainOptions, parts: HeaderChainParts) {
    this.#capacity = capacity;
    this.#parts = parts;
    this.#checkpoints = checkpoints && new CheckpointGuard(checkpoints, parts.store);
    this.#view = new HeaderView(parts.store, (hash) => this.#byHash.get(keyText(hash)));
  }

  /** Headers whose blocks are not stored yet. */
  get size(): number {
    return this.#window.length;
  }

  /** How many more fit in. */
  get room(): number {
    return this.#capacity - this.#window.length;
  }

  /** The last one that was appended, stored or not. */
  get tip(): HashedHeader | undefined {
    return this.#tip;
  }

  /** Index 0 is the lowest. */
  at(index: number): CheckedHeader | undefined {
    return this.#window[index];
  }

  has(hash: Uint8Array): boolean {
    return this.#byHash.has(keyText(hash));
  }

  /**
   * Takes the next header of the branch. The first one has a parent that is stored, every other
   * follows the one before. `undefined` if its block is stored, and there is nothing to be done about
   * it. Throws `RuleError`; `RangeError` if there is no room, or the first one's parent is not stored.
   */
  append(next: HashedHeader): CheckedHeader | undefined {
    const { store, now } = this.#parts;
    if (this.#window.length === 0 && store.indexEntry(next.hash) !== undefined) {
      this.#tip = next;
      return undefined;
    }
    if (this.room <= 0) throw new RangeError(`window of ${this.#capacity} headers is full`);
    const parent = this.#tip ?? store.indexEntry(next.header.previousBlockHash);
    if (parent === undefined) throw new RangeError('"next" expected one whose parent is stored');
    const context = this.#view.contextAfter(parent);
    const claim = checkHeader(next.header, next.hash, context, now());
    this.#checkpoints?.check(next);
    const checked = { header: next.header, hash: next.hash, claim };
    this.#window.push(checked);
    this.#byHash.set(keyText(next.hash), checked);
    this.#tip = checked;
    return checked;
  }

  /** The lowest header's block is stored. */
  shift(): void {
    const lowest = this.#window.shift();
    if (lowest !== undefined) this.#byHash.delete(keyText(lowest.hash));
  }
}
