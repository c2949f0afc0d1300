/**
 * The memory pool: transactions that are in no block and that the next ones can take. Bytom 1.x
 * consensus: "Mempool", and "Chain selection" for what a reorganisation brings back.
 *
 * Submissions are validated one after the other, in slices, and added in one step: so what is in the
 * pool is whole at every moment (`pool-state.ts` says what that is), although the tip may change while
 * something is validated. What keeps up with the tip goes first: what has to be validated again,
 * then what comes back, then what was put aside and finds its coins, then this node's own submissions,
 * then those of peers.
 *
 * An id covers no witnesses. So a transaction that is refused leaves no trace: the next one with its id
 * is looked at as if it were the first. One that is in the pool stays, whatever else comes with its id.
 */
import type { Tx } from '../../chain/tx.ts';
import { decodeTx, encodeTx } from '../../chain/tx-codec.ts';
import { MAX_TX_GAS } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { keyText } from '../../store/kv.ts';
import { bytesToHex } from '../../util/bytes.ts';
import { createDeferred } from '../../util/deferred.ts';
import { errorText } from '../../util/errors.ts';
import type { TipEvent } from '../chain-options.ts';
import { Slice } from '../slices.ts';
import { isHeightBound } from './height-bound.ts';
import { MempoolError } from './mempool-error.ts';
import type {
  MempoolCounts,
  MempoolOptions,
  MempoolParts,
  TxSubmitOptions,
} from './mempool-options.ts';
import { OrphanTransactions, type WaitingOrphan } from './orphan-transactions.ts';
import type { PoolEntry } from './pool-index.ts';
import { type AddedListener, PoolLedger, type RemovedListener } from './pool-ledger.ts';
import { checkPolicy, type PoolPolicy } from './pool-policy.ts';
import { PoolState } from './pool-state.ts';
import { type PoolVerdict, validateForPool } from './pool-validation.ts';
import type { PooledTx, TxSource } from './pooled-tx.ts';
import { ReturningTransactions, type ReturningTx } from './returning-transactions.ts';
import { SubmissionQueue, type TxOutcome, type TxSubmission } from './submission-queue.ts';

export type { PooledTx } from './pooled-tx.ts';
export type { TxOutcome } from './submission-queue.ts';

const MAX_TRANSACTIONS = 10_000;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_ANCESTORS = 25;
const MAX_HEIGHT_BOUND = 200;
const MAX_AGE_MS = 72 * 60 * 60_000;
const MAX_QUEUED = 1000;
const MAX_QUEUED_BYTES = 16 * 2 ** 20;

/** A transaction to be validated. */
interface Offer {
  readonly tx: Tx;
  readonly source: TxSource;
  /** Of an orphan: when it first came, and what was found out then. */
  readonly since?: number;
  readonly verdict?: PoolVerdict;
}

export class Mempool {
  readonly #parts: MempoolParts;
  readonly #policy: PoolPolicy;
  readonly #ledger: PoolLedger;
  readonly #orphans: OrphanTransactions;
  readonly #state: PoolState;
  readonly #queue: SubmissionQueue;
  readonly #returning = new ReturningTransactions();
  readonly #stopped = new AbortController();
  readonly #endTips: () => void;
  #current: TxSubmission | undefined;
  #running: Promise<void> | undefined;

  constructor(options: MempoolOptions, parts: MempoolParts) {
    const { chain, clock, log } = parts;
    this.#parts = parts;
    this.#policy = { blocked: new Set((options.blockedPrograms ?? []).map(keyText)) };
    this.#ledger = new PoolLedger(log);
    this.#orphans = new OrphanTransactions(options.orphans ?? {}, { clock });
    const state = {
      transactions: options.maxTransactions ?? MAX_TRANSACTIONS,
      bytes: options.maxBytes ?? MAX_BYTES,
      ancestors: options.maxAncestors ?? MAX_ANCESTORS,
      heightBound: options.maxHeightBound ?? MAX_HEIGHT_BOUND,
      ageMs: options.maxAgeMs ?? MAX_AGE_MS,
    };
    this.#state = new PoolState(state, chain.tip.header.height + 1, {
      utxos: { get: (outputId) => chain.utxos.get(outputId) },
      orphans: this.#orphans,
      ledger: this.#ledger,
      clock,
    });
    this.#queue = new SubmissionQueue({
      transactions: options.maxQueued ?? MAX_QUEUED,
      bytes: options.maxQueuedBytes ?? MAX_QUEUED_BYTES,
    });
    this.#endTips = chain.onTip((event) => this.#tipChanged(event));
  }

  get size(): number {
    return this.#state.size;
  }

  /** About what the pool takes in memory, which is what its limit is about. */
  get bytes(): number {
    return this.#state.bytes;
  }

  get orphanCount(): number {
    return this.#orphans.size;
  }

  /** Submissions that wait for their turn. */
  get queued(): number {
    return this.#queue.size;
  }

  get counts(): MempoolCounts {
    return this.#ledger.counts;
  }

  get(id: Uint8Array): PooledTx | undefined {
    return this.#state.get(keyText(id))?.pooled;
  }

  /** In the pool; no orphan is. */
  has(id: Uint8Array): boolean {
    return this.#state.get(keyText(id)) !== undefined;
  }

  /**
   * What the next block can take, all of it together but for its gas: parents before children, and
   * otherwise what pays most for its gas first. Every verdict is for the next block. For a moment after
   * a new tip, those are left out whose programs ask for the height and that are still to be validated
   * for it. The same array until something changes.
   */
  transactions(): readonly PooledTx[] {
    return this.#state.transactions();
  }

  /** Called for every transaction that gets in. Returns how to end it. */
  onAdded(listener: AddedListener): () => void {
    return this.#ledger.onAdded(listener);
  }

  /** Called for every transaction that leaves, with the reason. Returns how to end it. */
  onRemoved(listener: RemovedListener): () => void {
    return this.#ledger.onRemoved(listener);
  }

  /**
   * Offers a transaction. Rejects
   * - `RuleError`: it is invalid, or cannot stand in the next block; `blame` says whose fault that is;
   * - `MempoolError`: this node does not take it, or not now;
   * - the signal's reason.
   */
  async submit(tx: Tx, options: TxSubmitOptions): Promise<TxOutcome> {
    const { source, signal } = options;
    signal?.throwIfAborted();
    if (this.#stopped.signal.aborted) throw new MempoolError({ code: 'closed' });
    const known = this.#counting(() => this.#lookAt(tx));
    if (known !== undefined) return { result: known };
    const submission: TxSubmission = {
      tx,
      source,
      done: createDeferred(),
      abort: new AbortController(),
    };
    this.#counting(() => this.#queue.add(submission));
    const abort = (): void => this.#abort(submission, signal?.reason);
    signal?.addEventListener('abort', abort);
    this.#start();
    try {
      return await submission.done.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Rejects what waits. When it has resolved, nothing runs any more. Idempotent. */
  async close(): Promise<void> {
    const reason = new MempoolError({ code: 'closed' });
    this.#endTips();
    this.#stopped.abort(reason);
    this.#returning.clear();
    this.#orphans.clear();
    for (const submission of this.#queue.all()) this.#abort(submission, reason);
    if (this.#current !== undefined) this.#abort(this.#current, reason);
    await this.#running;
  }

  /** What can be said of it at once; nothing if it has to be validated. Throws what refuses it. */
  #lookAt(tx: Tx): 'known' | 'orphan' | undefined {
    // The ids of one that is too large are not worth computing.
    if (tx.raw.length > MAX_TX_GAS) checkPolicy(tx, this.#state.height, this.#policy);
    const key = keyText(tx.id);
    if (this.#state.get(key) !== undefined) return 'known';
    if (this.#orphans.has(key)) return 'orphan';
    if (this.#state.isConfirmed(tx, key)) return 'known';
    const fee = checkPolicy(tx, this.#state.height, this.#policy);
    this.#state.checkRoom(tx, fee);
    return undefined;
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  /** Does what is to be done, piece by piece. Never rejects. */
  async #run(): Promise<void> {
    // Whoever has started it goes on first.
    await Promise.resolve();
    const slice = new Slice(this.#parts.clock);
    while (!this.#stopped.signal.aborted) {
      // Nothing comes between finding that there is nothing to do and the end.
      const work = this.#next();
      if (work === undefined) break;
      await work;
      if (slice.isOver) await slice.end();
    }
    this.#running = undefined;
  }

  /** Begins what is to be done next, if there is anything. */
  #next(): Promise<void> | undefined {
    for (const entry of this.#state.outdated()) return this.#validateAgain(entry);
    if (!this.#returning.isEmpty) return this.#takeBack();
    const orphan = this.#orphans.takeAwake();
    if (orphan !== undefined) return this.#adopt(orphan);
    const submission = this.#queue.next();
    return submission === undefined ? undefined : this.#takeTurn(submission);
  }

  /** A coin has appeared that this one waited for. */
  async #adopt({ raw, source, since, verdict, heightBound }: WaitingOrphan): Promise<void> {
    const offer = { tx: decodeTx(raw), source, since };
    await this.#offerAlone(heightBound ? offer : { ...offer, verdict });
  }

  async #takeTurn(submission: TxSubmission): Promise<void> {
    const { tx, source, done, abort } = submission;
    this.#current = submission;
    try {
      const copy = plainCopy(tx);
      done.resolve({ result: await this.#offer({ tx: copy, source }, abort.signal) });
    } catch (error) {
      this.#count(error);
      done.reject(error);
    } finally {
      this.#current = undefined;
    }
  }

  async #takeBack(): Promise<void> {
    let returning: ReturningTx | undefined;
    try {
      returning = this.#returning.next();
    } catch (error) {
      // The disk: the chain will say so itself. What that block had is lost to the pool.
      this.#parts.log.warn('block not returned to the pool', { reason: errorText(error) });
    }
    if (returning === undefined) return;
    const { tx, source } = returning;
    await this.#offerAlone({ tx: plainCopy(tx), source });
  }

  /** For what nobody waits for. Never rejects. */
  async #offerAlone(offer: Offer): Promise<void> {
    try {
      await this.#offer(offer, this.#stopped.signal);
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#dropped(offer.tx, error);
    }
  }

  #dropped(tx: Tx, error: unknown): void {
    this.#count(error);
    const fields = { id: bytesToHex(tx.id), reason: errorText(error) };
    const { log } = this.#parts;
    if (error instanceof RuleError || error instanceof MempoolError) {
      log.debug('transaction dropped', fields);
    } else {
      log.error('transaction dropped', fields);
    }
  }

  async #offer(offer: Offer, signal: AbortSignal): Promise<TxOutcome['result']> {
    const { tx, since } = offer;
    const key = keyText(tx.id);
    const heightBound = isHeightBound(tx);
    const { clock } = this.#parts;
    // Another may have brought it since it was submitted.
    const known = this.#lookAt(tx);
    if (known !== undefined) return known;
    const { height } = this.#state;
    // Looking is cheap: what a spent coin refuses need not be run.
    const funded = this.#state.isFunded(tx);
    // If the tip changes meanwhile, and that may matter, it is validated again like all that is there.
    const verdict =
      offer.verdict ?? (await validateForPool(tx, { heightBound, height, funded }, clock, signal));
    const candidate = { tx, key, source: offer.source, heightBound, verdict };
    return this.#state.admit(since === undefined ? candidate : { ...candidate, since });
  }

  /** Never rejects: what cannot be validated goes. */
  async #validateAgain(entry: PoolEntry): Promise<void> {
    const { height } = this.#state;
    const { tx } = entry.pooled;
    const options = { heightBound: true, height, funded: true };
    let verdict: PoolVerdict | undefined;
    try {
      verdict = await validateForPool(tx, options, this.#parts.clock, this.#stopped.signal);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#dropped(tx, error);
    }
    // If the tip has changed meanwhile, it has its turn again.
    if (height !== this.#state.height) return;
    this.#returning.addPooled(this.#state.updateVerdict(entry, verdict));
  }

  #tipChanged({ tip, connected, disconnected }: TipEvent): void {
    const { log } = this.#parts;
    const height = tip.header.height + 1;
    try {
      const displaced = this.#state.tipChanged({ height, connected, disconnected });
      const lost = this.#returning.addBlocks(disconnected);
      if (lost > 0) log.warn('blocks not returned to the pool', { blocks: lost });
      this.#returning.addPooled(displaced);
    } catch (error) {
      // The disk. Nobody knows any more which of them the next block can take.
      log.error('memory pool emptied', { reason: errorText(error) });
      this.#state.clear(height);
    }
    this.#start();
  }

  #abort(submission: TxSubmission, reason: unknown): void {
    submission.abort.abort(reason);
    // The one whose turn it is ends itself, unless it is in already.
    if (submission === this.#current) return;
    if (this.#queue.remove(submission)) submission.done.reject(reason);
  }

  #counting<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.#count(error);
      throw error;
    }
  }

  #count(error: unknown): void {
    if (error instanceof RuleError) this.#ledger.refused(error.detail.rule);
    if (error instanceof MempoolError && error.detail.code !== 'closed') {
      this.#ledger.refused(error.detail.code);
    }
  }
}

/**
 * Of its own, as the transaction may be a view of all that a peer has sent; and in the shortest form,
 * which is the only one that stays what it is. The reference encodes transactions and blocks anew for
 * every node that it sends them to, with other suffixes and varints. Gas is charged for the size, so a
 * node further on may judge what came in another form differently, and refuse the block that has it.
 */
function plainCopy(tx: Tx): Tx {
  return decodeTx(encodeTx(tx));
}
