/**
 * Which branch is the best one, and the change from one to another. Bytom 1.x consensus: "Chain
 * selection": a block on top of the best one is connected; any other branch must be higher, and have
 * at least the same work, to take over. Equal height never does, nor does more work alone.
 */
import type { Block } from '../chain/block.ts';
import { RuleError } from '../consensus/rule-error.ts';
import { connectBlock, disconnectBlock } from '../consensus/utxo-rules.ts';
import type { ChainStore, ConnectedBlock, IndexEntry } from '../store/chain-store.ts';
import { keyText } from '../store/kv.ts';
import { StoreError } from '../store/store-error.ts';
import { UtxoOverlay } from '../store/utxo-overlay.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { LruMap } from '../util/lru.ts';

/** A block that has joined or left the main chain. */
export interface ChainBlock {
  readonly hash: Uint8Array;
  readonly height: number;
  /** The block itself, read from the store if it is not at hand. */
  readonly block: () => Block;
}

/** The main chain's blocks that changed. */
export interface TipChange {
  /** Those that have left it, the highest first. */
  readonly disconnected: readonly ChainBlock[];
  /** Those that have joined it, the lowest first. */
  readonly connected: readonly ChainBlock[];
}

/**
 * A branch cannot become the best one: a block of it breaks a rule about coins, as it always will.
 * The blocks stay stored, and the best chain is what it was.
 */
export class BranchError extends RuleError {
  /** The block that breaks the rule: the one submitted, an ancestor, or an orphan that it brought. */
  readonly block: Pick<ChainBlock, 'hash' | 'height'>;

  constructor(error: RuleError, block: Pick<ChainBlock, 'hash' | 'height'>) {
    super(error.detail, { cause: error });
    this.block = block;
  }
}

/** Refused blocks that are remembered: so that a branch with one costs nothing when it grows. */
const KEPT_REFUSALS = 256;

export class BestChain {
  readonly #store: ChainStore;
  /** Blocks that break a rule about coins. It depends on the block and its ancestors alone. */
  readonly #refused = new LruMap<string, RuleError>(KEPT_REFUSALS);

  constructor(store: ChainStore) {
    this.#store = store;
  }

  tip(): IndexEntry {
    return this.#entry(this.#store.tip().hash);
  }

  /**
   * Makes the branch that ends in `candidate` the main chain if it is to be, and returns what has
   * changed then; `undefined` if the branch is just kept. `atHand` gives blocks that need not be read
   * again. Throws `BranchError`, with nothing changed.
   */
  choose(
    candidate: IndexEntry,
    atHand: (hash: Uint8Array) => Block | undefined,
  ): TipChange | undefined {
    const tip = this.tip();
    if (!takesOver(candidate, tip)) return undefined;
    const { leaving, joining } = this.#paths(tip, candidate);
    for (const entry of joining) {
      const refused = this.#refused.get(keyText(entry.hash));
      if (refused !== undefined) throw new BranchError(refused, place(entry));
    }
    const load = (hash: Uint8Array): Block => atHand(hash) ?? this.#block(hash);
    const coins = new UtxoOverlay(this.#store.utxos);
    for (const entry of leaving) {
      const spent = this.#store.spentBy(entry.hash);
      disconnectBlock(load(entry.hash), entry.statusFail, spent, coins);
    }
    const connected: ConnectedBlock[] = [];
    for (const entry of joining) {
      const spent = this.#connect(entry, load(entry.hash), coins);
      connected.push({ ...place(entry), spent });
    }
    this.#store.switchTip({
      disconnected: leaving.map((entry) => entry.hash),
      connected,
      utxos: coins.changes(),
    });
    const described = (entry: IndexEntry): ChainBlock => {
      const known = atHand(entry.hash);
      return { ...place(entry), block: () => known ?? this.#block(entry.hash) };
    };
    return { disconnected: leaving.map(described), connected: joining.map(described) };
  }

  #connect(entry: IndexEntry, block: Block, coins: UtxoOverlay): ConnectedBlock['spent'] {
    try {
      return connectBlock(block, entry.statusFail, coins);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.#refused.set(keyText(entry.hash), error);
      throw new BranchError(error, place(entry));
    }
  }

  /** From the tip down to the fork, and from there up to the candidate. */
  #paths(
    tip: IndexEntry,
    candidate: IndexEntry,
  ): { readonly leaving: readonly IndexEntry[]; readonly joining: readonly IndexEntry[] } {
    const joining: IndexEntry[] = [];
    let fork = candidate;
    while (!this.#store.isOnMainChain(fork.hash, fork.header.height)) {
      joining.push(fork);
      fork = this.#entry(fork.header.previousBlockHash);
    }
    const leaving: IndexEntry[] = [];
    let at = tip;
    while (at.header.height > fork.header.height) {
      leaving.push(at);
      at = this.#entry(at.header.previousBlockHash);
    }
    return { leaving, joining: joining.reverse() };
  }

  #entry(hash: Uint8Array): IndexEntry {
    return this.#stored(this.#store.indexEntry(hash), 'index entry', hash);
  }

  #block(hash: Uint8Array): Block {
    return this.#stored(this.#store.block(hash), 'block', hash);
  }

  #stored<T>(value: T | undefined, what: string, hash: Uint8Array): T {
    if (value !== undefined) return value;
    const { directory } = this.#store;
    const key = `${what} ${bytesToHex(hash)}`;
    throw new StoreError({ code: 'damaged', directory, key, problem: 'missing' });
  }
}

function takesOver(candidate: IndexEntry, tip: IndexEntry): boolean {
  if (bytesEqual(candidate.header.previousBlockHash, tip.hash)) return true;
  const higher = candidate.header.height > tip.header.height;
  return higher && candidate.totalWork >= tip.totalWork;
}

function place(entry: IndexEntry): { readonly hash: Uint8Array; readonly height: number } {
  return { hash: entry.hash, height: entry.header.height };
}
