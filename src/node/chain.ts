/**
 * The chain of a node: takes blocks in any order, and keeps the best branch of what it has been
 * given. Bytom 1.x consensus: "Block validation" and "Chain selection".
 *
 * A submission takes effect in one synchronous step, when its turn has come, and the turns are those
 * of the submissions: so the outcome is the same as if each had waited for the one before. What may
 * run ahead of the turn is the proof of work, which takes nearly all of the time: it is begun as soon
 * as the header is right, for hundreds of blocks at a time, and its verdict depends on nothing else.
 */
import type { Block } from '../chain/block.ts';
import type { BlockHeader } from '../chain/header.ts';
import type { UtxoView } from '../chain/utxo.ts';
import type { HashedHeader } from '../consensus/branch.ts';
import { checkProofOfWork, type HeaderContext } from '../consensus/header-rules.ts';
import type { Network } from '../consensus/network.ts';
import type { RuleError } from '../consensus/rule-error.ts';
import type { PowPriority } from '../pow/hash-queue.ts';
import type { IndexEntry } from '../store/chain-store.ts';
import { keyText } from '../store/kv.ts';
import { StoreError } from '../store/store-error.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { createDeferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import { Acceptance, type Accepted } from './acceptance.ts';
import { BestChain, BranchError, type ChainBlock, type TipChange } from './best-chain.ts';
import { ChainError } from './chain-error.ts';
import type {
  ChainCounters,
  ChainOptions,
  ChainParts,
  SubmitOptions,
  TipEvent,
} from './chain-options.ts';
import { FlushPolicy } from './flush-policy.ts';
import { OrphanPool } from './orphans.ts';
import { ProofsAhead } from './proofs-ahead.ts';
import { Slice } from './slices.ts';
import { type Submission, Submissions, type SubmitOutcome } from './submissions.ts';

const MAX_PENDING = 4096;
const MAX_PENDING_BYTES = 64 * 2 ** 20;
/** About what a header takes. */
const HEADER_BYTES = 160;

export class Chain {
  readonly network: Network;
  readonly #parts: ChainParts;
  readonly #maxPending: number;
  readonly #maxPendingBytes: number;
  readonly #orphans: OrphanPool;
  readonly #flushing: FlushPolicy;
  readonly #best: BestChain;
  readonly #submissions = new Submissions();
  readonly #acceptance: Acceptance;
  readonly #ahead: ProofsAhead;
  readonly #tipListeners = new Set<(event: TipEvent) => void>();
  readonly #refusalListeners = new Set<(orphan: HashedHeader, error: RuleError) => void>();
  readonly #stopped = new AbortController();
  #current: Submission | undefined;
  #counters: ChainCounters = { stored: 0, transactions: 0, connected: 0, disconnected: 0 };
  #running: Promise<void> | undefined;
  #failure: unknown;
  #next: HeaderContext | undefined;

  constructor(options: ChainOptions, parts: ChainParts) {
    const { store, clock } = parts;
    this.network = options.network;
    this.#parts = parts;
    this.#maxPending = options.maxPending ?? MAX_PENDING;
    this.#maxPendingBytes = options.maxPendingBytes ?? MAX_PENDING_BYTES;
    this.#orphans = new OrphanPool(options.orphans ?? {}, { clock });
    this.#flushing = new FlushPolicy(options, parts, (error) => this.#fail(error));
    this.#best = new BestChain(store);
    const checkpoints = options.checkpoints === 'ignore' ? undefined : options.network.checkpoints;
    this.#acceptance = new Acceptance(checkpoints, {
      ...parts,
      orphans: this.#orphans,
      pendingHeader: (hash) => this.#submissions.withClaim(hash)?.block,
      orphanRefused: (orphan, error) => this.#orphanRefused(orphan, error),
    });
    this.#ahead = new ProofsAhead({
      ...parts,
      submissions: this.#submissions,
      checkHeader: (block, parent) => this.#acceptance.checkHeader(block, parent),
    });
  }

  get tip(): IndexEntry {
    return this.#best.tip();
  }

  get counters(): ChainCounters {
    return this.#counters;
  }

  /** Submissions that have not settled. */
  get pending(): number {
    return this.#submissions.size;
  }

  get orphanCount(): number {
    return this.#orphans.size;
  }

  /** What has stopped the chain; every submission is rejected with it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Known blocks of any branch. */
  entry(hash: Uint8Array): IndexEntry | undefined {
    return this.#parts.store.indexEntry(hash);
  }

  header(hash: Uint8Array): BlockHeader | undefined {
    return this.entry(hash)?.header;
  }

  block(hash: Uint8Array): Block | undefined {
    return this.#parts.store.block(hash);
  }

  /** The wire form of a known block, which costs no decoding: what is sent on. */
  blockBytes(hash: Uint8Array): Uint8Array | undefined {
    return this.#parts.store.blockBytes(hash);
  }

  /** The coins that are unspent at the tip. */
  get utxos(): UtxoView {
    return this.#parts.store.utxos;
  }

  /** On the main chain. */
  hashAt(height: number): Uint8Array | undefined {
    return this.#parts.store.mainHash(height);
  }

  blockAt(height: number): Block | undefined {
    const hash = this.hashAt(height);
    return hash === undefined ? undefined : this.block(hash);
  }

  isOnMainChain(hash: Uint8Array): boolean {
    const entry = this.entry(hash);
    return entry !== undefined && this.#parts.store.isOnMainChain(hash, entry.header.height);
  }

  /** True for stored blocks: nobody need send them again. */
  has(hash: Uint8Array): boolean {
    return this.entry(hash) !== undefined;
  }

  /**
   * True for orphans and blocks on their way. They may yet turn out to be bad, and another block of
   * the same hash to be good: the hash covers no signatures.
   */
  isWaiting(hash: Uint8Array): boolean {
    return this.#orphans.has(hash) || this.#submissions.has(hash);
  }

  /** What the block after the tip has to meet: bits, median time, seed. */
  nextHeaderContext(): HeaderContext {
    const { tip } = this;
    if (this.#next === undefined || !bytesEqual(this.#next.parent.hash, tip.hash)) {
      this.#next = this.#acceptance.contextAfter(tip);
    }
    return this.#next;
  }

  /**
   * Checks a header whose parent is stored, proof of work and all, before anybody has looked at the
   * block: decoded, a block takes some fifteen times its bytes, and only work pays for that. What the
   * verifier finds out it keeps, so `submit` does not compute it again. Rejects `RuleError`, `PowError`,
   * `ChainError`, the signal's reason; `RangeError` if the parent is not stored.
   */
  async proveHeader(block: HashedHeader, options: SubmitOptions): Promise<void> {
    const { priority, signal } = options;
    signal?.throwIfAborted();
    this.#checkRunning();
    const parent = this.entry(block.header.previousBlockHash);
    if (parent === undefined) throw new RangeError('"block" expected one whose parent is stored');
    const claim = this.#acceptance.checkHeader(block, parent);
    const { powHash } = await this.#parts.verifier.verify(claim, priority, signal);
    checkProofOfWork(claim, powHash);
  }

  /** Called whenever the tip has changed, before the submission settles. Returns how to end it. */
  onTip(listener: (event: TipEvent) => void): () => void {
    this.#tipListeners.add(listener);
    return () => this.#tipListeners.delete(listener);
  }

  /**
   * Called for an orphan that was refused when its parent came: its submission settled long ago. Not
   * for one that was dropped because its proof of work seemed to be missing.
   */
  onOrphanRefused(listener: (orphan: HashedHeader, error: RuleError) => void): () => void {
    this.#refusalListeners.add(listener);
    return () => this.#refusalListeners.delete(listener);
  }

  /**
   * Adds a block. The next one may be submitted before this has settled. Rejects
   * - `RuleError`: the block is refused, and nothing is kept of it; as a `BranchError`, it is stored,
   *   but its branch cannot become the best one. Submitted again, it is `known`;
   * - `PowError`: its proof of work could not be checked; the block may be as good as any;
   * - `StoreError`: the disk; the chain has stopped;
   * - `ChainError` after `close`, or if too much is under way, which stops no candidate;
   * - the signal's reason.
   */
  async submit(block: Block, options: SubmitOptions): Promise<SubmitOutcome> {
    const { priority, signal } = options;
    signal?.throwIfAborted();
    this.#checkRunning();
    const bytes = block.transactions.reduce((sum, { raw }) => sum + raw.length, HEADER_BYTES);
    if (priority !== 'candidate') this.#checkRoom(bytes);
    const done = createDeferred<SubmitOutcome>();
    const submission: Submission = {
      block,
      bytes,
      priority,
      urgency: priority,
      done,
      abort: new AbortController(),
      ahead: new AbortController(),
      claim: undefined,
      proven: false,
    };
    this.#submissions.add(submission);
    this.#ahead.begin(submission);
    this.#hurry(this.#submissions.inItsWay(submission), priority);
    const abort = (): void => this.#abort(submission, signal?.reason);
    signal?.addEventListener('abort', abort);
    this.#running ??= this.#run();
    try {
      return await done.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Puts on disk what has been added so far. Throws `StoreError`. */
  flush(): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#parts.store.flush();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /**
   * Rejects what has not settled, and flushes the rest. Throws `StoreError` if that is not on disk
   * now. Idempotent, and to be called in every case: after a failure, which it does not throw again,
   * there is nothing left to be written, and when it has resolved nothing runs any more.
   */
  async close(): Promise<void> {
    const first = !this.#stopped.signal.aborted;
    this.#stop(new ChainError({ code: 'closed' }));
    await this.#running;
    if (first) this.flush();
  }

  #checkRunning(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stopped.signal.aborted) throw new ChainError({ code: 'closed' });
  }

  #checkRoom(added: number): void {
    const { size: blocks, bytes } = this.#submissions;
    // A block larger than the limit has to be alone.
    const fits = blocks < this.#maxPending && bytes + added <= this.#maxPendingBytes;
    if (blocks > 0 && !fits) throw new ChainError({ code: 'overloaded', blocks, bytes });
  }

  /** What waits for them is more urgent than they are. */
  #hurry(submissions: readonly Submission[], urgency: PowPriority): void {
    for (const submission of submissions) {
      submission.urgency = urgency;
      if (submission === this.#current) this.#acceptance.hurry();
      else this.#ahead.hurry(submission);
    }
  }

  /** Takes the submissions one by one. Never rejects. */
  async #run(): Promise<void> {
    // `submit` returns first: what else is submitted in this turn shares the verifier's batches.
    await Promise.resolve();
    const slice = new Slice(this.#parts.clock);
    for (;;) {
      const submission = this.#submissions.start();
      if (submission === undefined) break;
      await this.#takeTurn(submission);
      if (slice.isOver) await slice.end();
    }
    this.#running = undefined;
  }

  async #takeTurn(submission: Submission): Promise<void> {
    const { block, done } = submission;
    this.#current = submission;
    try {
      done.resolve(await this.#add(submission));
    } catch (error) {
      // Anything else concerns this block alone and has changed nothing.
      if (error instanceof StoreError) this.#fail(error);
      if (!(error instanceof BranchError)) this.#ahead.drop(block.hash);
      done.reject(error);
    } finally {
      this.#current = undefined;
      this.#acceptance.clear();
      this.#submissions.remove(submission);
    }
  }

  async #add(submission: Submission): Promise<SubmitOutcome> {
    const { block, priority, claim } = submission;
    if (this.entry(block.hash) !== undefined) return { result: 'known' };
    const parent = this.entry(block.header.previousBlockHash);
    if (parent === undefined) {
      this.#orphans.add(block);
      return { result: 'orphan' };
    }
    const accepted = await this.#acceptance.accept(block, parent, submission, claim);
    const candidate = await this.#acceptance.adoptOrphans(accepted, submission);
    submission.abort.signal.throwIfAborted();
    return this.#commit(candidate, priority === 'candidate' || priority === 'tip');
  }

  /** Stores what was accepted and chooses the tip, in one step that nothing comes between. */
  #commit(candidate: Accepted, atTip: boolean): SubmitOutcome {
    const { store } = this.#parts;
    let change: TipChange | undefined;
    let refused: BranchError | undefined;
    try {
      const blocks: Block[] = [];
      for (const { block, statusFail, totalWork } of this.#acceptance.all()) {
        store.addBlock(block, { statusFail, totalWork });
        blocks.push(block);
        this.#orphans.remove(block.hash);
        this.#count({ stored: 1, transactions: block.transactions.length });
      }
      const kept = new Map(blocks.map((block) => [keyText(block.hash), block]));
      const atHand = (hash: Uint8Array): Block | undefined => kept.get(keyText(hash));
      try {
        change = this.#best.choose(store.indexEntry(candidate.block.hash)!, atHand);
      } catch (error) {
        if (!(error instanceof BranchError)) throw error;
        refused = error;
      }
      this.#flushing.changed(atTip);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    if (refused !== undefined) throw refused;
    if (change === undefined) return { result: 'side' };
    const { connected, disconnected } = change;
    this.#count({ connected: connected.length, disconnected: disconnected.length });
    if (disconnected.length > 0) this.#logReorganisation(change);
    const event = { tip: this.tip, connected, disconnected };
    for (const listener of this.#tipListeners) this.#tell(() => listener(event));
    return { result: 'connected', connected, disconnected };
  }

  #abort(submission: Submission, reason: unknown): void {
    submission.abort.abort(reason);
    submission.ahead.abort(reason);
    // The one whose turn it is ends itself, unless it is stored already.
    if (submission === this.#current) return;
    this.#submissions.remove(submission);
    this.#ahead.drop(submission.block.hash);
    submission.done.reject(reason);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    // What is in memory may be half of a step; what is on disk is not, whoever closes the store.
    this.#parts.store.discard();
    this.#parts.log.error('chain stopped', { reason: errorText(error) });
    this.#stop(error);
  }

  #stop(reason: unknown): void {
    this.#stopped.abort();
    this.#flushing.stop();
    for (const submission of this.#submissions.all()) this.#abort(submission, reason);
  }

  #orphanRefused(orphan: HashedHeader, error: RuleError): void {
    const { height } = orphan.header;
    const hash = bytesToHex(orphan.hash);
    this.#parts.log.warn('orphan refused', { height, hash, reason: error.message });
    for (const listener of this.#refusalListeners) this.#tell(() => listener(orphan, error));
  }

  #count(add: Partial<ChainCounters>): void {
    const { stored, transactions, connected, disconnected } = this.#counters;
    this.#counters = {
      stored: stored + (add.stored ?? 0),
      transactions: transactions + (add.transactions ?? 0),
      connected: connected + (add.connected ?? 0),
      disconnected: disconnected + (add.disconnected ?? 0),
    };
  }

  #logReorganisation({ connected, disconnected }: TipChange): void {
    const describe = (block: ChainBlock | undefined): string =>
      block === undefined ? 'none' : bytesToHex(block.hash);
    this.#parts.log.info('chain reorganised', {
      from: describe(disconnected[0]),
      to: describe(connected.at(-1)),
      disconnected: disconnected.length,
      connected: connected.length,
    });
  }

  /** Calls a listener, whose mistakes are not ours. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#parts.log.error('chain listener failed', { reason: errorText(error) });
    }
  }
}
