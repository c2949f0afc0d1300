/**
 * Catching up with one branch: its headers from one peer, its blocks from all that have them, into
 * the chain in order. Headers, proofs of work, downloads and submissions each run ahead of the next,
 * so that the hasher always has something to do; all of it is bounded.
 *
 * Everything that one peer can get wrong comes to light here, and is laid at the door of whoever sent
 * it: headers and their work are the source's, a block whose header is right and whose body is not is
 * that of the peer it came from, and has to come from another one.
 */
import { type Block, decodeBlock } from '../../chain/block.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { PowError } from '../../pow/pow-error.ts';
import { keyText } from '../../store/kv.ts';
import { bytesEqual } from '../../util/bytes.ts';
import { InputError } from '../../util/errors.ts';
import { BranchError } from '../best-chain.ts';
import { ChainError } from '../chain-error.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';
import { Slice } from '../slices.ts';
import { Bell } from './bell.ts';
import { BlockFetch } from './block-fetch.ts';
import { type CheckedHeader, HeaderChain } from './header-chain.ts';
import { HeaderProofs } from './header-proofs.ts';
import type { SourcedHeader } from './header-source.ts';
import { SourceError } from './source-error.ts';
import type { SyncRunOptions, SyncRunParts } from './sync-run-options.ts';

interface Pending {
  readonly header: CheckedHeader;
  readonly bytes: number;
  readonly peer: SyncPeer;
  /** Never rejects. */
  readonly done: Promise<void>;
  outcome: Outcome | undefined;
}

type Outcome = { readonly stored: true } | { readonly stored: false; readonly error: unknown };

const WINDOW = 4096;
const MAX_BYTES = 32 * 2 ** 20;
const MAX_SUBMITTED = 512;
const MAX_SUBMITTED_BYTES = 8 * 2 ** 20;
const HEDGE_MS = 5000;
const STALL_MS = 60_000;
const TICK_MS = 1000;
/** Where there is another peer to sync from, one has to bring so many blocks in each of these periods. */
const PERIOD_MS = 60_000;
const LEAST_IN_PERIOD = 32;

export class SyncRun {
  readonly #options: Required<SyncRunOptions>;
  readonly #parts: SyncRunParts;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #headers: HeaderChain;
  readonly #proofs: HeaderProofs;
  readonly #fetch: BlockFetch;
  /** Of the submissions that are under way. */
  #submitting = new AbortController();
  /** The lowest first: the first headers of the window. */
  #pending: Pending[] = [];
  #pendingBytes = 0;
  /** Headers that have come and for which the window had no room. */
  #backlog: readonly SourcedHeader[] = [];
  /** The source has no more. */
  #exhausted = false;
  /** Why the branch cannot be followed beyond the window, for now. */
  #end: SourceError | undefined;
  #stored = 0;
  /** The lowest block is missing since then. */
  #starvedSince: number | undefined;
  /** How long one was missing. */
  #starvedMs = 0;
  /** The chain has no room before then. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(options: SyncRunOptions, parts: SyncRunParts) {
    const { window = WINDOW, maxBytes = MAX_BYTES, hedgeMs = HEDGE_MS } = options;
    const { maxSubmitted = MAX_SUBMITTED, maxSubmittedBytes = MAX_SUBMITTED_BYTES } = options;
    const { stallMs = STALL_MS } = options;
    this.#options = { window, maxBytes, hedgeMs, maxSubmitted, maxSubmittedBytes, stallMs };
    this.#parts = parts;
    const changed = (): void => this.#bell.ring();
    this.#headers = new HeaderChain({ capacity: window, checkpoints: parts.checkpoints }, parts);
    this.#proofs = new HeaderProofs(
      { ahead: window },
      { verifier: parts.verifier, changed, failed: (error) => this.#fail(noWork(error)) },
    );
    this.#fetch = new BlockFetch({ maxBytes, hedgeMs }, { ...parts, changed });
    this.#stop.signal.addEventListener('abort', changed);
  }

  /** Blocks that it has brought into the chain, on whatever branch. */
  get stored(): number {
    return this.#stored;
  }

  /** The last header that the source has given. */
  get height(): number {
    return this.#headers.tip?.header.height ?? 0;
  }

  /** What it keeps at present: each is bounded by the options. */
  get kept(): { readonly headers: number; readonly bytes: number; readonly submitted: number } {
    const { size } = this.#headers;
    return { headers: size, bytes: this.#fetch.bytes, submitted: this.#pending.length };
  }

  /**
   * Resolves when everything that the source has is stored; `first` is its first answer. Rejects
   * `SourceError`, `StoreError`, `ChainError` 'closed', `PowError`, or the signal's reason. Nothing runs any
   * more when it has settled. To be called once.
   */
  async run(first: readonly SourcedHeader[], signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#fail(signal.reason);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    const beside = [this.#readHeaders(first), this.#tick()].map((work) =>
      work.catch((error: unknown) => this.#fail(error)),
    );
    try {
      await this.#submitAll();
    } finally {
      signal.removeEventListener('abort', abort);
      this.#stop.abort();
      this.#proofs.close();
      await this.#withdraw();
      await this.#fetch.close();
      await Promise.all(beside);
    }
  }

  /** Waits for something to change; not once all is over, as nothing will. */
  async #change(): Promise<void> {
    if (!this.#stop.signal.aborted) await this.#bell.next();
  }

  #fail(error: unknown): void {
    this.#stop.abort(error);
  }

  /** Fills the window from the source. Resolves at the end of the branch. */
  async #readHeaders(first: readonly SourcedHeader[]): Promise<void> {
    const { source } = this.#parts;
    const { signal } = this.#stop;
    const slice = new Slice(this.#parts.clock);
    this.#backlog = first;
    while (!signal.aborted) {
      if (this.#backlog.length > 0) {
        await this.#takeBacklog(slice);
        if (this.#end !== undefined) break;
        if (this.#backlog.length > 0) await this.#change();
      } else if (this.#wantsHeaders()) {
        this.#backlog = await source.next(signal);
        if (this.#backlog.length === 0) break;
      } else {
        await this.#change();
      }
    }
    this.#exhausted = true;
    this.#bell.ring();
  }

  #wantsHeaders(): boolean {
    const { window, maxBytes } = this.#options;
    if (this.#parts.source.withBodies && this.#fetch.bytes > maxBytes / 2) return false;
    return this.#headers.room >= window / 2;
  }

  async #takeBacklog(slice: Slice): Promise<void> {
    let taken = 0;
    for (const header of this.#backlog) {
      if (this.#headers.room === 0 || this.#stop.signal.aborted) break;
      if (!this.#take(header)) break;
      taken++;
      if (!slice.isOver) continue;
      this.#bell.ring();
      await slice.end();
    }
    this.#backlog = this.#backlog.slice(taken);
    this.#bell.ring();
  }

  /** False if the branch ends here, for now. */
  #take(next: SourcedHeader): boolean {
    const { source, refused } = this.#parts;
    const why = refused.get(keyText(next.hash));
    if (why !== undefined) throw new SourceError('illegal', `its branch is refused: ${why}`);
    let checked: CheckedHeader | undefined;
    try {
      checked = this.#headers.append(next);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      const reason = `header ${next.header.height}: ${error.message}`;
      if (error.detail.blame === 'peer') throw new SourceError('illegal', reason, { cause: error });
      this.#end = new SourceError('later', reason, { cause: error });
      return false;
    }
    if (checked === undefined) return true;
    this.#proofs.add(checked);
    this.#fetch.want(checked);
    if (next.body !== undefined) this.#fetch.put(next.hash, next.body, source.peer);
    return true;
  }

  /** Takes the blocks in order to the chain, until there are no more. */
  async #submitAll(): Promise<void> {
    const slice = new Slice(this.#parts.clock);
    for (;;) {
      this.#stop.signal.throwIfAborted();
      if (this.#pending[0]?.outcome !== undefined) await this.#finishFirst();
      else if (!this.#submitNext()) {
        if (this.#isDone()) break;
        this.#proofs.pump();
        this.#fetch.pump();
        this.#watchStarving();
        await this.#change();
      }
      if (slice.isOver) await slice.end();
    }
    if (this.#end !== undefined) throw this.#end;
  }

  #isDone(): boolean {
    return this.#exhausted && this.#headers.size === 0;
  }

  /** False if there is none that may be submitted now. */
  #submitNext(): boolean {
    const { chain, clock } = this.#parts;
    const next = this.#headers.at(this.#pending.length);
    if (next === undefined) return false;
    if (this.#pending.length === 0 && chain.has(next.hash)) {
      // Somebody has announced it meanwhile.
      this.#settle(next);
      return true;
    }
    const { maxSubmitted, maxSubmittedBytes } = this.#options;
    const fetched = this.#fetch.block(next.hash);
    if (fetched === undefined || !this.#proofs.isProven(next.hash)) return false;
    if (clock.now() < this.#restsUntil) return false;
    if (this.#pending.length > 0) {
      if (this.#pending.length >= maxSubmitted) return false;
      if (this.#pendingBytes + fetched.bytes.length > maxSubmittedBytes) return false;
    }
    let block: Block;
    try {
      block = decodeBlock(fetched.bytes);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#spoilt(next, fetched.peer, error.message);
      return true;
    }
    this.#submit(next, block, fetched.bytes.length, fetched.peer);
    return true;
  }

  #submit(header: CheckedHeader, block: Block, bytes: number, peer: SyncPeer): void {
    const { signal } = this.#submitting;
    const settled = (outcome: Outcome): void => {
      pending.outcome = outcome;
      this.#bell.ring();
    };
    const done = this.#parts.chain.submit(block, { priority: 'sync', signal }).then(
      ({ result }) => {
        if (result !== 'orphan') return settled({ stored: true });
        const error = new SourceError('fault', `block ${header.header.height} has no parent`);
        settled({ stored: false, error });
      },
      (error: unknown) => settled({ stored: false, error }),
    );
    const pending: Pending = { header, bytes, peer, done, outcome: undefined };
    this.#pending.push(pending);
    this.#pendingBytes += bytes;
  }

  async #finishFirst(): Promise<void> {
    const first = this.#pending[0]!;
    const outcome = first.outcome!;
    if (outcome.stored) {
      this.#pending.shift();
      this.#pendingBytes -= first.bytes;
      this.#stored++;
      this.#settle(first.header);
      this.#parts.stored();
      return;
    }
    // Those after it have lost their parent: they are submitted again.
    await this.#withdraw();
    this.#judge(first, outcome.error);
  }

  /** Takes back what is under way; what was stored all the same is found to be. */
  async #withdraw(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#submitting.abort();
    this.#submitting = new AbortController();
    await Promise.all(pending.map(({ done }) => done));
  }

  /** What is to be done about a block that was not taken, or be thrown. */
  #judge({ header, peer }: Pending, error: unknown): void {
    if (error instanceof BranchError) {
      this.#judgeBranch(header, error);
    } else if (error instanceof RuleError) {
      if (error.detail.blame === 'nobody') {
        const reason = `block ${header.header.height}: ${error.message}`;
        throw new SourceError('later', reason, { cause: error });
      }
      this.#spoilt(header, peer, error.message);
    } else if (isOverloaded(error)) {
      this.#restsUntil = this.#parts.clock.now() + TICK_MS / 2;
    } else {
      throw error;
    }
  }

  /**
   * The block is stored. What breaks the rule is on its branch, and then the branch is of no use, or
   * is an orphan that somebody left on top of it.
   */
  #judgeBranch(header: CheckedHeader, error: BranchError): void {
    const { chain, refused } = this.#parts;
    const { hash, height } = error.block;
    let at: Uint8Array = header.hash;
    for (let entry = chain.entry(at); entry !== undefined; entry = chain.entry(at)) {
      if (entry.header.height <= height) break;
      at = entry.header.previousBlockHash;
    }
    if (!bytesEqual(at, hash)) return;
    const why = `block ${height}: ${error.message}`;
    refused.set(keyText(hash), why);
    throw new SourceError('illegal', `its branch is refused: ${why}`, { cause: error });
  }

  /**
   * The header is right, the rest of the block is not. If both are the source's, it is not worth
   * asking others for a block that may not exist.
   */
  #spoilt({ hash, header }: CheckedHeader, peer: SyncPeer, why: string): void {
    const reason = `block ${header.height}: ${why}`;
    if (peer === this.#parts.source.peer) throw new SourceError('illegal', reason);
    this.#fetch.spoilt(hash);
    this.#parts.offended(peer, { kind: 'illegal', reason });
  }

  #settle({ hash }: CheckedHeader): void {
    this.#headers.shift();
    this.#fetch.remove(hash);
    this.#proofs.remove(hash);
    this.#bell.ring();
  }

  #watchStarving(): void {
    const next = this.#headers.at(this.#pending.length);
    const missing = next === undefined || this.#fetch.block(next.hash) === undefined;
    const starved = this.#pending.length === 0 && missing && !this.#isDone();
    if (!starved) {
      this.#starvedSince = undefined;
      return;
    }
    this.#starvedSince ??= this.#parts.clock.now();
    if (next !== undefined && this.#fetch.isStuck) {
      throw new SourceError('fault', `nobody delivers block ${next.header.height}`);
    }
  }

  /** Looks now and then for what no event tells of. */
  async #tick(): Promise<void> {
    const { clock, hasOthers } = this.#parts;
    const { signal } = this.#stop;
    let period = { until: clock.now() + PERIOD_MS, stored: this.#stored };
    this.#starvedMs = 0;
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal);
      this.#proofs.pump(true);
      this.#bell.ring();
      const now = clock.now();
      if (this.#starvedSince !== undefined) {
        this.#starvedMs += TICK_MS;
        if (this.#headers.size > 0 && now - this.#starvedSince > this.#options.stallMs) {
          throw new SourceError(
            'fault',
            `nobody delivers block ${this.#headers.at(0)!.header.height}`,
          );
        }
      }
      if (now < period.until) continue;
      const slow = this.#stored - period.stored < LEAST_IN_PERIOD;
      if (slow && this.#starvedMs > PERIOD_MS / 2 && hasOthers()) {
        throw new SourceError('fault', 'its branch comes too slowly');
      }
      period = { until: now + PERIOD_MS, stored: this.#stored };
      this.#starvedMs = 0;
    }
  }
}

/** The header is the source's, and so is what is missing from it. */
function noWork(error: unknown): unknown {
  if (!(error instanceof RuleError)) return error;
  return new SourceError('illegal', `header: ${error.message}`, { cause: error });
}

/** The block may be submitted again in a moment. */
function isOverloaded(error: unknown): boolean {
  const ours = error instanceof ChainError || error instanceof PowError;
  return ours && error.detail.code === 'overloaded';
}
