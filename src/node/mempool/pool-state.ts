/**
 * The pool as it stands at the tip of the chain. Bytom 1.x consensus: "Mempool". Every method leaves it
 * so that all its transactions together can follow the tip: each coin that they take is unspent in the
 * chain or made by another of them, and no coin is taken twice. (The reference takes two that spend one
 * coin, and drops the later one when a block is made; here the first one stays.)
 *
 * Nothing here waits: what was validated is added, and what a new tip has changed is put in order, in
 * one step. Listeners are told when all of it is done.
 */
import type { Tx } from '../../chain/tx.ts';
import type { UtxoView } from '../../chain/utxo.ts';
import { COINBASE_MATURITY } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { keyText } from '../../store/kv.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { LruMap } from '../../util/lru.ts';
import type { ChainBlock } from '../best-chain.ts';
import { type CoinSpend, madeCoins, spentCoins } from './coin-moves.ts';
import { MempoolError } from './mempool-error.ts';
import type { RemovalReason } from './mempool-options.ts';
import type { OrphanTransactions } from './orphan-transactions.ts';
import { packageOrder } from './package-order.ts';
import {
  ancestorsOf,
  childrenFirst,
  descendantsOf,
  type Limits,
  type PoolEntry,
  PoolIndex,
} from './pool-index.ts';
import type { PoolLedger } from './pool-ledger.ts';
import { checkTimeRange, type PoolVerdict } from './pool-validation.ts';
import { feeRate, footprint, type PooledTx, type TxSource, weightOf } from './pooled-tx.ts';
import type { ReturningTx } from './returning-transactions.ts';

export interface PoolStateOptions extends Limits {
  readonly ancestors: number;
  readonly heightBound: number;
  readonly ageMs: number;
}

export interface PoolStateParts {
  readonly utxos: UtxoView;
  readonly orphans: OrphanTransactions;
  readonly ledger: PoolLedger;
  readonly clock: Pick<Clock, 'now'>;
}

/** A transaction that was found valid. */
export interface Candidate {
  /** For the pool to keep: no view of anything larger. */
  readonly tx: Tx;
  readonly key: string;
  readonly source: TxSource;
  readonly heightBound: boolean;
  readonly verdict: PoolVerdict;
  /** When it first came, if it was an orphan; in milliseconds of the clock. */
  readonly since?: number;
}

/** A new tip. */
export interface TipStep {
  /** Of the next block. */
  readonly height: number;
  /** Blocks that have left the main chain, and those that have joined it. */
  readonly disconnected: readonly SteppedBlock[];
  readonly connected: readonly SteppedBlock[];
}

/** Read when its turn comes: all that a reorganisation changes may be more than memory holds. */
type SteppedBlock = Pick<ChainBlock, 'block'>;

/** Transactions of the last blocks: told apart from such as spend coins that never were. */
const KEPT_CONFIRMED = 20_000;

type Removal = readonly [entry: PoolEntry, reason: RemovalReason];

export class PoolState {
  readonly #options: PoolStateOptions;
  readonly #parts: PoolStateParts;
  readonly #index = new PoolIndex();
  readonly #confirmed = new LruMap<string, boolean>(KEPT_CONFIRMED);
  /** The heights that the verdicts of those that are bound to one are for. */
  readonly #verdictHeights = new WeakMap<PoolEntry, number>();
  #height: number;
  #order: readonly PooledTx[] | undefined;

  constructor(options: PoolStateOptions, height: number, parts: PoolStateParts) {
    this.#options = options;
    this.#parts = parts;
    this.#height = height;
  }

  /** Of the next block. */
  get height(): number {
    return this.#height;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Of memory, about. */
  get bytes(): number {
    return this.#index.bytes;
  }

  get(key: string): PoolEntry | undefined {
    return this.#index.get(key);
  }

  /**
   * Those that the next block can take, all of them together but for its gas: in the order in which a
   * template takes them. One that is bound to a height is not there before it was validated again, nor
   * is what stands on it.
   */
  transactions(): readonly PooledTx[] {
    if (this.#order === undefined) {
      const out = new Set<PoolEntry>();
      for (const entry of this.outdated()) {
        out.add(entry);
        for (const below of descendantsOf(entry)) out.add(below);
      }
      const all = [...this.#index.entries()];
      const ready = out.size === 0 ? all : all.filter((entry) => !out.has(entry));
      this.#order = packageOrder(ready).map(({ pooled }) => pooled);
    }
    return this.#order;
  }

  /** Those that have to be validated again for the next block. */
  *outdated(): Generator<PoolEntry> {
    for (const entry of this.#index.heightBound) {
      if (this.#verdictHeights.get(entry) !== this.#height) yield entry;
    }
  }

  /** Whether a block of the main chain has it; no for old ones whose outputs are all spent. */
  isConfirmed(tx: Tx, key: string): boolean {
    const known = this.#confirmed.get(key);
    if (known !== undefined) return known;
    const { utxos } = this.#parts;
    // Outputs can be those of another transaction that spends the same coins, but not all of them.
    return tx.results.length > 0 && tx.results.every(({ id }) => utxos.get(id) !== undefined);
  }

  /** Throws `MempoolError` 'full' if one of this fee has no place, however little gas it uses. */
  checkRoom(tx: Tx, fee: bigint): void {
    this.#roomFor(tx, fee, weightOf(tx, 0));
  }

  /**
   * Whether the coins are there that it takes whatever its programs come to: those of BTM. Throws
   * `MempoolError` or `RuleError` where one of them cannot be taken, as `admit` does.
   */
  isFunded(tx: Tx): boolean {
    return this.#sources(spentCoins(tx, true)).missing.length === 0;
  }

  /** Adds it, or puts it aside. Throws `MempoolError`, or `RuleError` of which nobody is to blame. */
  admit(candidate: Candidate): 'added' | 'known' | 'orphan' {
    const { tx, key, source, heightBound, verdict } = candidate;
    const { orphans, ledger, clock } = this.#parts;
    const { fee, gasUsed, statusFail } = verdict;
    // A block may have brought it while it was validated.
    if (this.#index.get(key) !== undefined || this.isConfirmed(tx, key)) return 'known';
    checkTimeRange(tx, this.#height);
    if (gasUsed < 0) throw new MempoolError({ code: 'negative-gas', gasUsed });
    const spends = spentCoins(tx, statusFail);
    const { parents, missing } = this.#sources(spends);
    if (missing.length > 0) {
      const { since } = candidate;
      const kept = { key, raw: tx.raw, source, heightBound, verdict, missing };
      orphans.add(since === undefined ? kept : { ...kept, since });
      if (since === undefined) ledger.orphaned();
      return 'orphan';
    }
    this.#checkLimits(parents, heightBound);
    const victims = this.#roomFor(tx, fee, weightOf(tx, gasUsed), parents);
    for (const victim of victims) this.#index.remove(victim);
    const pooled = { tx, fee, gasUsed, statusFail, addedAt: clock.now(), source };
    const makes = madeCoins(tx, statusFail);
    const entry = this.#index.add({
      key,
      pooled,
      heightBound,
      spends: spends.map((spend) => spend.key),
      makes,
      parents,
    });
    this.#verdictHeights.set(entry, verdict.height);
    this.#order = undefined;
    orphans.remove(key);
    for (const coin of makes) orphans.wake(coin);
    this.#tellRemoved(victims.map((victim) => [victim, 'evicted']));
    ledger.added(pooled);
    return 'added';
  }

  /**
   * The verdict on one that is bound to a height, for the next block; `undefined` if it is invalid.
   * Returns what has to be validated anew: where it makes and takes other coins now, it is out, with
   * all that stands on it.
   */
  updateVerdict(entry: PoolEntry, verdict: PoolVerdict | undefined): readonly ReturningTx[] {
    if (!this.#index.holds(entry)) return [];
    const { pooled } = entry;
    if (verdict !== undefined && verdict.statusFail === pooled.statusFail && verdict.gasUsed >= 0) {
      const { fee, gasUsed } = verdict;
      this.#index.update(entry, { ...pooled, fee, gasUsed });
      this.#verdictHeights.set(entry, verdict.height);
      this.#order = undefined;
      return [];
    }
    const reason = verdict === undefined ? 'invalid' : 'returning';
    const gone = childrenFirst([entry, ...descendantsOf(entry)]);
    this.#remove(gone.map((each) => [each, reason]));
    return reason === 'invalid' ? [] : returningFrom(gone);
  }

  /** Puts the pool in order after a new tip. Returns what has to be validated anew. */
  tipChanged(step: TipStep): readonly ReturningTx[] {
    this.#height = step.height;
    this.#order = undefined;
    const removals = this.#follow(step);
    this.#tellRemoved(removals);
    const returning = removals.filter(([, reason]) => reason === 'returning');
    return returningFrom(returning.map(([entry]) => entry));
  }

  /** Takes all of them out: nobody knows what the tip has done to them. */
  clear(height: number): void {
    this.#height = height;
    this.#remove(childrenFirst(this.#index.entries()).map((entry) => [entry, 'invalid']));
  }

  /** What the inputs come from. Throws where a coin cannot be taken. */
  #sources(spends: readonly CoinSpend[]): {
    readonly parents: ReadonlySet<PoolEntry>;
    readonly missing: readonly string[];
  } {
    const parents = new Set<PoolEntry>();
    const missing: string[] = [];
    for (const { key, outputId, input } of spends) {
      const rival = this.#index.spender(key);
      if (rival !== undefined) {
        const other = bytesToHex(rival.pooled.tx.id);
        throw new MempoolError({ code: 'conflict', input, other });
      }
      const maker = this.#index.maker(key);
      if (maker !== undefined) {
        parents.add(maker);
        continue;
      }
      const coin = this.#parts.utxos.get(outputId);
      if (coin === undefined) missing.push(key);
      else if (coin.coinbase) checkMature(coin.height, this.#height, input);
    }
    return { parents, missing };
  }

  #checkLimits(parents: ReadonlySet<PoolEntry>, heightBound: boolean): void {
    const { ancestors, heightBound: maxHeightBound } = this.#options;
    if (ancestorsOf(parents, ancestors).size > ancestors) {
      throw new MempoolError({ code: 'too-many-ancestors', limit: ancestors });
    }
    if (heightBound && this.#index.heightBound.size >= maxHeightBound) {
      throw new MempoolError({ code: 'too-many-height-bound', limit: maxHeightBound });
    }
  }

  /** Who has to go, children before parents. Throws `MempoolError` 'full'. */
  #roomFor(
    tx: Tx,
    fee: bigint,
    weight: number,
    parents: Iterable<PoolEntry> = [],
  ): readonly PoolEntry[] {
    const rate = feeRate(fee, weight);
    const room = this.#index.roomFor(footprint(tx), rate, this.#options, parents);
    if (room.victims !== undefined) return room.victims;
    // No fee is above that, and all of the pool has to stay for its own ancestors' sake.
    const { rateNeeded } = room;
    const feeNeeded = Number.isFinite(rateNeeded)
      ? BigInt(Math.floor(rateNeeded * weight)) + 1n
      : MAX_AMOUNT;
    throw new MempoolError({ code: 'full', fee, feeNeeded });
  }

  /** Takes out what cannot stay, parents first, and says why; wakes orphans whose coins have come. */
  #follow(step: TipStep): readonly Removal[] {
    const { orphans } = this.#parts;
    const isEmpty = this.#index.size === 0;
    const removals: Removal[] = [];
    const suspects = new Map<PoolEntry, RemovalReason>();
    const suspect = (entry: PoolEntry | undefined, reason: RemovalReason): void => {
      if (entry === undefined) return;
      // At the end again: it may have been found in place before this happened.
      const first = suspects.get(entry) ?? reason;
      suspects.delete(entry);
      suspects.set(entry, first);
    };
    const takeOut = (entry: PoolEntry, reason: RemovalReason, next: RemovalReason): void => {
      if (!this.#index.holds(entry)) return;
      this.#index.remove(entry);
      removals.push([entry, reason]);
      for (const child of entry.children) suspect(child, next);
    };
    // After a reorganisation what stood on a block may find its place again.
    const lost = step.disconnected.length > 0 ? 'returning' : 'conflict';
    for (const entry of this.#expired()) takeOut(entry, 'expired', 'expired');
    for (const { block } of step.disconnected) {
      for (const [at, tx] of block().transactions.entries()) {
        if (at > 0) this.#confirmed.set(keyText(tx.id), false);
        // What it had spent is there again.
        orphans.wakeAll(tx.spentOutputIds.filter(isId));
        if (isEmpty) continue;
        for (const { id } of tx.results) suspect(this.#index.spender(keyText(id)), lost);
      }
    }
    for (const { block } of step.connected) {
      for (const [at, tx] of block().transactions.entries()) {
        const key = keyText(tx.id);
        if (at > 0) this.#confirmed.set(key, true);
        orphans.remove(key);
        orphans.wakeAll(tx.results.map(({ id }) => id));
        if (isEmpty) continue;
        const entry = this.#index.get(key);
        if (entry !== undefined) takeOut(entry, 'confirmed', lost);
        for (const id of tx.spentOutputIds.filter(isId)) {
          suspect(this.#index.spender(keyText(id)), lost);
        }
      }
    }
    // A map gives what is added while it is walked through.
    for (const [entry, reason] of suspects) {
      if (this.#index.holds(entry) && !this.#canStay(entry)) takeOut(entry, reason, reason);
    }
    return removals;
  }

  /** The coins of its inputs are in the chain, ripe, or in the pool. */
  #canStay(entry: PoolEntry): boolean {
    const { tx, statusFail } = entry.pooled;
    return spentCoins(tx, statusFail).every(({ key, outputId }) => {
      if (this.#index.maker(key) !== undefined) return true;
      const coin = this.#parts.utxos.get(outputId);
      return coin !== undefined && (!coin.coinbase || matureAt(coin.height) <= this.#height);
    });
  }

  *#expired(): Generator<PoolEntry> {
    const oldest = this.#parts.clock.now() - this.#options.ageMs;
    for (const entry of this.#index.entries()) {
      if (entry.pooled.addedAt >= oldest) break;
      yield entry;
    }
    for (const entry of this.#index.timed) {
      if (entry.pooled.tx.timeRange < this.#height) yield entry;
    }
  }

  #remove(removals: readonly Removal[]): void {
    for (const [entry] of removals) this.#index.remove(entry);
    this.#order = undefined;
    this.#tellRemoved(removals);
  }

  #tellRemoved(removals: readonly Removal[]): void {
    for (const [{ pooled }, reason] of removals) this.#parts.ledger.removed(pooled, reason);
  }
}

const MAX_AMOUNT = 2n ** 63n - 1n;

function matureAt(height: number): number {
  return height + COINBASE_MATURITY;
}

function checkMature(made: number, height: number, input: number): void {
  if (matureAt(made) <= height) return;
  throw new RuleError({
    rule: 'coinbase-immature',
    expected: `block ${matureAt(made)} or later`,
    actual: `block ${height}`,
    // Of a node that is ahead of this one it is no mistake.
    blame: 'nobody',
    input,
  });
}

/** Parents before children. */
function returningFrom(entries: readonly PoolEntry[]): readonly ReturningTx[] {
  return childrenFirst(entries)
    .reverse()
    .map(({ pooled: { tx, source } }) => ({ tx, source }));
}

function isId(id: Uint8Array | undefined): id is Uint8Array {
  return id !== undefined;
}
