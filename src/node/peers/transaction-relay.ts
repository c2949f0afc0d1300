/**
 * Transactions between the mempool and the peers, both ways: message 30. Bytom 1.x P2P:
 * "Announcements", "Session start".
 *
 * Outgoing, each peer has a list of what it is to get, a new peer's being the whole mempool; every
 * tick it is sent a pack of that, as long as its connection keeps up. Incoming, each peer has a short
 * queue, and its transactions are decoded and submitted one at a time; while the queue is full the
 * peer is not read.
 */
import type { Tx } from '../../chain/tx.ts';
import { decodeTx } from '../../chain/tx-codec.ts';
import { MAX_TX_GAS, STORAGE_GAS_PER_BYTE } from '../../consensus/params.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { keyText } from '../../store/kv.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';
import { errorText, InputError } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Peer } from './peer.ts';

/** What this needs of the mempool. */
export interface RelayMempool {
  /**
   * Rejects `RuleError` for what no block may hold, and anything else for what this pool does not take,
   * for which nobody is blamed.
   */
  submit(
    tx: Tx,
    options: { readonly source: 'peer'; readonly signal?: AbortSignal },
  ): Promise<{ readonly result: 'added' | 'known' | 'orphan' }>;
  has(id: Uint8Array): boolean;
  /** Parents before children. */
  transactions(): readonly { readonly tx: Tx }[];
  onAdded(listener: (added: { readonly tx: Tx }) => void): () => void;
}

export interface TransactionRelayParts {
  readonly mempool: RelayMempool;
  /** Those that are ready. */
  readonly peers: () => Iterable<Peer>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long announcements gather. */
const TICK_MS = 100;
/** Of wire bytes in one pack for one peer: about 100 KB as they travel. */
const PACK_BYTES = 50_000;
/** Messages that may wait for a peer: answers need some of the queue of 100. */
const MAX_QUEUED = 64;
/** Transactions that one peer is yet to get. A mempool that is larger is not given whole. */
const MAX_OUTBOX = 32_768;
/** Transactions of one peer that wait to be looked at, and their bytes. */
const MAX_INBOX = 256;
const MAX_INBOX_BYTES = 1 << 20;
/** How long a peer is not read while its queue is full: after that, what it sends is dropped. */
const ROOM_MS = 5000;
/** A byte costs at least a unit of gas, so no longer one is valid. */
const MAX_TX_BYTES = MAX_TX_GAS / STORAGE_GAS_PER_BYTE;

export class TransactionRelay {
  readonly #parts: TransactionRelayParts;
  readonly #outboxes = new Map<Peer, Map<string, Tx>>();
  readonly #inboxes = new Map<Peer, Inbox>();
  readonly #stopped = new AbortController();
  readonly #unlisten: () => void;
  readonly #submitting = new Set<Promise<void>>();
  #sending: Promise<void> | undefined;

  constructor(parts: TransactionRelayParts) {
    this.#parts = parts;
    this.#unlisten = parts.mempool.onAdded(({ tx }) => this.announce([tx]));
  }

  /** Gives a new peer what the mempool holds. */
  peerReady(peer: Peer): void {
    for (const { tx } of this.#parts.mempool.transactions()) {
      this.#enqueue(peer, keyText(tx.id), tx);
    }
  }

  peerGone(peer: Peer): void {
    this.#outboxes.delete(peer);
    this.#inboxes.get(peer)?.roomMade();
    this.#inboxes.delete(peer);
  }

  /** Sends transactions of the mempool to every peer that does not know them. */
  announce(txs: readonly Tx[]): void {
    for (const tx of txs) {
      const key = keyText(tx.id);
      for (const peer of this.#parts.peers()) this.#enqueue(peer, key, tx);
    }
  }

  /** Takes a transaction from a peer. The promise, if there is one, resolves when the next may come. */
  receive(peer: Peer, bytes: Uint8Array): void | Promise<void> {
    if (this.#stopped.signal.aborted) return;
    if (bytes.length > MAX_TX_BYTES) {
      const reason = `transaction of ${bytes.length} bytes`;
      return peer.blame({ kind: 'illegal', reason });
    }
    let inbox = this.#inboxes.get(peer);
    if (inbox === undefined) {
      inbox = new Inbox();
      this.#inboxes.set(peer, inbox);
    }
    // It did not make room in time.
    if (inbox.isFull) return;
    inbox.add(bytes);
    if (!inbox.busy) {
      const submitting = this.#submitAll(peer, inbox);
      this.#submitting.add(submitting);
      void submitting.then(() => this.#submitting.delete(submitting));
    }
    if (inbox.isFull) return this.#room(peer, inbox);
  }

  /** When it has resolved nothing is submitted or sent any more. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#unlisten();
    for (const inbox of this.#inboxes.values()) inbox.roomMade();
    await Promise.all([this.#sending, ...this.#submitting]);
  }

  async #room(peer: Peer, inbox: Inbox): Promise<void> {
    const until = new AbortController();
    const stop = AbortSignal.any([until.signal, peer.signal, this.#stopped.signal]);
    inbox.room ??= createDeferred();
    await Promise.race([inbox.room.promise, this.#parts.clock.sleep(ROOM_MS, stop)]);
    until.abort();
  }

  /** Never rejects. */
  async #submitAll(peer: Peer, inbox: Inbox): Promise<void> {
    inbox.busy = true;
    while (!peer.closed && !this.#stopped.signal.aborted) {
      const bytes = inbox.take();
      if (bytes === undefined) break;
      await this.#submit(peer, bytes);
    }
    inbox.busy = false;
    inbox.roomMade();
  }

  async #submit(peer: Peer, bytes: Uint8Array): Promise<void> {
    const { mempool, clock, log } = this.#parts;
    let tx: Tx;
    let key: string;
    try {
      tx = decodeTx(bytes);
      key = keyText(tx.id);
    } catch (error) {
      // `RangeError`: it has the form of a transaction, and no ids follow from it.
      if (!(error instanceof InputError || error instanceof RangeError)) throw error;
      return peer.blame({ kind: 'fault', reason: errorText(error) });
    }
    try {
      const { result } = await mempool.submit(tx, {
        source: 'peer',
        signal: this.#stopped.signal,
      });
      // Of what costs nothing to make up it may send what it likes, and we remember nothing of it.
      if (result !== 'orphan') peer.markTransaction(key);
      if (result === 'added') peer.usefulAt = clock.now();
    } catch (error) {
      const reason = errorText(error);
      log.debug('transaction refused', { peer: peer.id, id: bytesToHex(tx.id), reason });
      const isIllegal = error instanceof RuleError && error.detail.blame === 'peer';
      if (isIllegal) peer.blame({ kind: 'illegal', reason });
    }
  }

  #enqueue(peer: Peer, key: string, tx: Tx): void {
    if (peer.closed || this.#stopped.signal.aborted) return;
    if (peer.knowsTransaction(key) || !peer.wants(tx)) return;
    let outbox = this.#outboxes.get(peer);
    if (outbox === undefined) {
      outbox = new Map();
      this.#outboxes.set(peer, outbox);
    }
    if (outbox.size >= MAX_OUTBOX) return;
    outbox.set(key, tx);
    this.#sending ??= this.#sendAll();
  }

  /** Sends packs until there is nothing left. Never rejects. */
  async #sendAll(): Promise<void> {
    const { signal } = this.#stopped;
    while (this.#outboxes.size > 0 && !signal.aborted) {
      await this.#parts.clock.sleep(TICK_MS, signal);
      for (const [peer, outbox] of this.#outboxes) {
        this.#sendPack(peer, outbox);
        if (outbox.size === 0 || peer.closed) this.#outboxes.delete(peer);
      }
    }
    this.#sending = undefined;
  }

  #sendPack(peer: Peer, outbox: Map<string, Tx>): void {
    let bytes = 0;
    for (const [key, tx] of outbox) {
      if (bytes >= PACK_BYTES || peer.queued >= MAX_QUEUED) return;
      const isWanted = !peer.knowsTransaction(key) && this.#parts.mempool.has(tx.id);
      if (isWanted && !peer.send({ type: 'transaction', transaction: tx.raw })) return;
      outbox.delete(key);
      if (!isWanted) continue;
      peer.markTransaction(key);
      bytes += tx.raw.length;
    }
  }
}

/** What one peer has sent and nobody has looked at. */
class Inbox {
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  busy = false;
  room: Deferred<void> | undefined;

  get isFull(): boolean {
    return this.#waiting.length >= MAX_INBOX || this.#bytes >= MAX_INBOX_BYTES;
  }

  add(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }

  take(): Uint8Array | undefined {
    const bytes = this.#waiting.shift();
    if (bytes === undefined) return undefined;
    this.#bytes -= bytes.length;
    if (!this.isFull) this.roomMade();
    return bytes;
  }

  roomMade(): void {
    this.room?.resolve();
    this.room = undefined;
  }
}
