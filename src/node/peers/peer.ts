/**
 * One connected peer: the start of the session, what it may send and when, what it has been told and
 * has told us. Bytom 1.x P2P: "Session start", "Serving", "Announcements". What its messages lead to
 * is the business of the hooks.
 */
import type { Tx } from '../../chain/tx.ts';
import type { PeerMessage } from '../../p2p/messages.ts';
import { SERVICE } from '../../p2p/node-info.ts';
import type { LinkEnd, LinkStats, PeerLink } from '../../p2p/peer-link.ts';
import { keyText } from '../../store/kv.ts';
import { bytesEqual } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { createDeferred } from '../../util/deferred.ts';
import { LruMap } from '../../util/lru.ts';
import { TokenBucket } from '../../util/token-bucket.ts';
import { FloodGuard } from './flood-guard.ts';
import { type Answer, type RequestOptions, Requests } from './requests.ts';
import { SpvFilter } from './spv-filter.ts';
import type { Offence, SyncPeer } from './sync-peer.ts';

export interface PeerOptions extends RequestOptions {
  readonly genesisHash: Uint8Array;
  /** Within this the status must come. Default 10 s. */
  readonly readyMs?: number;
}

export interface PeerParts {
  readonly link: PeerLink;
  readonly clock: Clock;
  readonly hooks: PeerHooks;
}

/** Requests that we answer from the stored chain. */
export type ServedMessage = Extract<
  PeerMessage,
  { readonly type: 'get-block' | 'get-headers' | 'get-blocks' | 'get-merkle-block' }
>;

/**
 * What happens with what a peer says. Where a promise is given, nothing more is read from the peer
 * until it has resolved: it must not depend on an answer of that peer.
 */
export interface PeerHooks {
  /** Our best block. */
  tip(): { readonly height: number; readonly hash: Uint8Array };
  /** Its status has come, and it is on our chain. */
  ready(peer: Peer): void;
  /** Its height is another than before. */
  heightChanged(peer: Peer): void;
  request(peer: Peer, message: ServedMessage): void | Promise<void>;
  transaction(peer: Peer, bytes: Uint8Array): void | Promise<void>;
  block(peer: Peer, bytes: Uint8Array): void;
  blamed(peer: Peer, offence: Offence): void;
}

const READY_MS = 10_000;
/** What we remember that a peer has. */
const KNOWN_TRANSACTIONS = 32_768;
const KNOWN_BLOCKS = 1024;
/** Answers nobody asked for: some may be left from requests we have forgotten. */
const UNASKED = { perSecond: 1 / 60, burst: 8 };

export class Peer implements SyncPeer {
  readonly id: string;
  readonly services: number;
  readonly outbound: boolean;
  /** Of the socket. */
  readonly remote: { readonly address: string; readonly port: number };
  /** Gives blocks and transactions; others are SPV clients, which get what matches their filter alone. */
  readonly isFull: boolean;
  readonly filter: SpvFilter = new SpvFilter();
  /** Resolves when the connection has ended. */
  readonly ended: Promise<LinkEnd>;
  /** Aborts when the connection has ended. */
  readonly signal: AbortSignal;
  /** Resolves to true when it is ready, to false if it has ended before. */
  readonly settled: Promise<boolean>;
  readonly connectedAt: number;
  /** When it last gave us a block or a transaction that was new; `connectedAt` if it never did. */
  usefulAt: number;
  readonly #options: PeerOptions;
  readonly #parts: PeerParts;
  readonly #requests: Requests;
  readonly #guard: FloodGuard;
  readonly #unasked: TokenBucket;
  readonly #knownTransactions = new LruMap<string, true>(KNOWN_TRANSACTIONS);
  readonly #knownBlocks = new LruMap<string, true>(KNOWN_BLOCKS);
  readonly #ended = new AbortController();
  readonly #readyTimer = new AbortController();
  readonly #settled = createDeferred<boolean>();
  #status: { readonly height: number; readonly bestHash: Uint8Array } | undefined;
  /** The last best block that we told it of. */
  #toldTip: Uint8Array | undefined;

  constructor(options: PeerOptions, parts: PeerParts) {
    const { link, clock } = parts;
    this.#options = options;
    this.#parts = parts;
    this.id = link.id;
    this.services = link.info.services;
    this.outbound = link.outbound;
    this.remote = link.remote;
    this.isFull = (link.info.services & SERVICE.FULL_NODE) !== 0;
    this.signal = this.#ended.signal;
    this.settled = this.#settled.promise;
    this.connectedAt = clock.now();
    this.usefulAt = this.connectedAt;
    this.#guard = new FloodGuard(clock);
    this.#unasked = new TokenBucket(UNASKED, clock);
    this.#requests = new Requests(options, {
      send: (message) => this.send(message),
      clock,
      genesisHash: options.genesisHash,
    });
    this.ended = link.closed.then((end) => {
      this.#end();
      return end;
    });
  }

  /** Asks for its status and begins to read. */
  start(): void {
    void this.#awaitStatus();
    this.#parts.link.receive((message) => this.#receive(message));
    this.refreshStatus();
  }

  /** Its status has come. */
  get ready(): boolean {
    return this.#status !== undefined;
  }

  /** Of its last status, or of a higher block that it has announced since. 0 until it is ready. */
  get height(): number {
    return this.#status?.height ?? 0;
  }

  /** The block at that height. */
  get bestHash(): Uint8Array {
    return this.#status?.bestHash ?? this.#options.genesisHash;
  }

  get closed(): boolean {
    return this.#ended.signal.aborted;
  }

  get stats(): LinkStats {
    return this.#parts.link.stats;
  }

  /** Messages that wait to be sent. */
  get queued(): number {
    return this.#parts.link.queued;
  }

  /** False, with nothing sent, where the queue is full or the connection has ended. */
  send(message: PeerMessage): boolean {
    return !this.closed && this.#parts.link.send(message);
  }

  close(reason: string): void {
    this.#end();
    this.#parts.link.close(reason);
  }

  getHeaders(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    return this.#requests.headers(locator, stop, signal);
  }

  getBlocks(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    return this.#requests.blocks(locator, stop, signal);
  }

  getBlock(
    which: { readonly height: number } | { readonly hash: Uint8Array },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#requests.block(which, signal);
  }

  refreshStatus(): void {
    this.send({ type: 'status-request' });
  }

  /** Tells it of our best block, if that is another than it was told of last. */
  tellStatus(): void {
    const { hash } = this.#parts.hooks.tip();
    if (this.#toldTip === undefined || !bytesEqual(this.#toldTip, hash)) this.#sendStatus();
  }

  blame(offence: Offence): void {
    this.#parts.hooks.blamed(this, offence);
  }

  knowsBlock(hash: Uint8Array): boolean {
    return this.#knownBlocks.get(keyText(hash)) === true;
  }

  markBlock(hash: Uint8Array): void {
    this.#knownBlocks.set(keyText(hash), true);
  }

  /** Keys are `keyText` of ids: made once for all peers. */
  knowsTransaction(key: string): boolean {
    return this.#knownTransactions.get(key) === true;
  }

  markTransaction(key: string): void {
    this.#knownTransactions.set(key, true);
  }

  /** Whether a transaction is to be sent to it, if it does not know it. */
  wants(tx: Pick<Tx, 'inputs' | 'outputs'>): boolean {
    return this.isFull || this.filter.matches(tx);
  }

  /** It has told of a block; the height counts though nobody has checked it. */
  raise(height: number, hash: Uint8Array): void {
    if (this.#status !== undefined && height > this.height) this.#setStatus(height, hash);
  }

  async #awaitStatus(): Promise<void> {
    const { clock } = this.#parts;
    await clock.sleep(this.#options.readyMs ?? READY_MS, this.#readyTimer.signal);
    if (!this.ready && !this.closed) this.close('no status in time');
  }

  async #receive(message: PeerMessage): Promise<void> {
    if (this.closed) return;
    switch (message.type) {
      case 'block':
      case 'headers':
      case 'blocks':
        if (this.ready && this.#isAnswer(message)) return;
    }
    const { waitMs, flooding } = this.#guard.count(message);
    if (flooding) this.blame({ kind: 'fault', reason: `too many messages: ${message.type}` });
    if (this.closed) return;
    await this.#handle(message);
    if (waitMs > 0) await this.#parts.clock.sleep(waitMs, this.signal);
  }

  async #handle(message: PeerMessage): Promise<void> {
    const { hooks } = this.#parts;
    if (message.type === 'status-request') return this.#sendStatus();
    if (message.type === 'status') return this.#takeStatus(message);
    // Bytom 1.x P2P: until the status has come nothing else is processed.
    if (!this.ready) return;
    switch (message.type) {
      case 'get-block':
      case 'get-headers':
      case 'get-blocks':
      case 'get-merkle-block':
        return hooks.request(this, message);
      case 'transaction':
        return hooks.transaction(this, message.transaction);
      case 'new-block':
        return hooks.block(this, message.block);
      case 'filter-load':
        if (!this.filter.load(message.programs)) this.#filterFull();
        return;
      case 'filter-add':
        if (!this.filter.add(message.program)) this.#filterFull();
        return;
      case 'filter-clear':
        return this.filter.clear();
      case 'block':
      case 'headers':
      case 'blocks':
      case 'merkle-block':
        if (this.#unasked.tryTake()) return;
        return this.blame({ kind: 'illegal', reason: `nobody asked for this ${message.type}` });
    }
  }

  /** False for an answer that nobody has asked for. */
  #isAnswer(message: Answer): boolean {
    const verdict = this.#requests.answer(message);
    if (verdict === 'malformed') {
      this.blame({ kind: 'illegal', reason: `${message.type} without a header` });
    }
    return verdict !== 'unasked';
  }

  #takeStatus(status: Extract<PeerMessage, { readonly type: 'status' }>): void {
    if (!bytesEqual(status.genesisHash, this.#options.genesisHash)) {
      this.close('another genesis block');
      return;
    }
    this.markBlock(status.bestHash);
    this.#setStatus(status.height, status.bestHash);
  }

  #setStatus(height: number, bestHash: Uint8Array): void {
    const { hooks } = this.#parts;
    const before = this.#status;
    this.#status = { height, bestHash };
    this.#readyTimer.abort();
    if (before === undefined) {
      hooks.ready(this);
      this.#settled.resolve(true);
    } else if (before.height !== height) {
      hooks.heightChanged(this);
    }
  }

  #sendStatus(): void {
    const { height, hash } = this.#parts.hooks.tip();
    const { genesisHash } = this.#options;
    if (this.send({ type: 'status', height, bestHash: hash, genesisHash })) this.#toldTip = hash;
  }

  #filterFull(): void {
    this.blame({ kind: 'illegal', reason: 'a filter of too many programs' });
  }

  #end(): void {
    if (this.closed) return;
    this.#ended.abort();
    this.#readyTimer.abort();
    this.#settled.resolve(false);
    this.#requests.close();
  }
}
