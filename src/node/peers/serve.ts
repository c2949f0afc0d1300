/**
 * Answers from the stored chain: messages 10, 12, 14 and 60. Bytom 1.x P2P: "Serving". Blocks are sent
 * as they are stored; only a Merkle block needs one decoded, which is done for one peer at a time.
 *
 * What a peer can make us do is bounded: a queue of requests, answered one after the other, and none
 * while more than a few messages wait to be sent to it; an answer is sized from the index before
 * anything of it is read, of large ones there is one at a time for each peer, and for all peers as many
 * as a budget of bytes allows. How fast bytes leave is the link's business (512,000 a second).
 */
import { encodeHeader } from '../../chain/header.ts';
import { merkleProof, statusLeaf } from '../../chain/merkle.ts';
import {
  MAX_BLOCKS,
  MAX_HEADERS,
  MAX_MESSAGE_BYTES,
  type PeerMessage,
} from '../../p2p/messages.ts';
import type { IndexEntry } from '../../store/chain-store.ts';
import { bytesEqual } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { TokenBucket } from '../../util/token-bucket.ts';
import type { Chain } from '../chain.ts';
import { Slice } from '../slices.ts';
import type { Peer, ServedMessage } from './peer.ts';

export type ServedChain = Pick<
  Chain,
  'network' | 'tip' | 'entry' | 'hashAt' | 'isOnMainChain' | 'block' | 'blockBytes'
>;

export interface ServeOptions {
  /** Bytes of large answers to all peers that may wait to be sent at a time. Default 64 MiB. */
  readonly maxWaitingBytes?: number;
}

export interface ServeParts {
  readonly chain: ServedChain;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bytes of hex of all blocks in message 15. */
const MAX_BLOCKS_HEX = 11_010_049;
/**
 * No second block goes beyond this: then the answers to all peers fit into what may wait, however slowly
 * some read. A larger one would take 20 s at the pace of the network, where the reference waits for 30.
 */
const SHARE_OF_BLOCKS_HEX = 2 ** 20;
/** Of a header in message 13: the largest has under 170 bytes, and travels as hex in quotes. */
const HEADER_HEX = 352;
/** Lengths, counts and quotes around an object. */
const OVERHEAD_BYTES = 16;
/** Locator hashes that are looked at: with doubling steps there are fewer than 80. */
const MAX_LOCATOR = 128;
/** Requests of one peer that wait. One more, and the peer is not read until there is room. */
const MAX_REQUESTS = 32;
/** How long it is not read: we may be waiting for an answer ourselves. Then the request is dropped. */
const ROOM_MS = 10_000;
/** Messages that may wait to be sent before an answer, and before a large one. */
const MAX_QUEUED = 32;
const MAX_BEFORE_LARGE = 8;
const LARGE_BYTES = 64 * 1024;
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** How often we look whether what was queued is sent: at first, and after a while. */
const POLL_MS = 20;
const MAX_POLL_MS = 500;
/** Who keeps us waiting for so long, and takes no more than so many bytes in that time, is not served. */
const STALL_MS = 120_000;
const STALL_BYTES = 1 << 20;
/** Requests for what we do not have. Honest ones are few: they ask for what we have told of. */
const USELESS = { perSecond: 1, burst: 128 };
/** Merkle blocks, and so many bytes of a block count as one more: each transaction costs a dozen hashes. */
const MERKLE_BLOCKS = { perSecond: 2, burst: 32 };
const MERKLE_BYTES = 16 * 1024;

/** An answer that is known to be possible. */
interface Plan {
  /** About those of the message, never fewer. */
  readonly bytes: number;
  /** `undefined` if the chain has changed and there is nothing to send any more. */
  readonly message: () => PeerMessage | undefined | Promise<PeerMessage | undefined>;
  /** What the peer knows then. */
  readonly block?: Uint8Array;
}

export class BlockServer {
  readonly #parts: ServeParts;
  readonly #maxWaitingBytes: number;
  readonly #desks = new Map<Peer, Desk>();
  readonly #running = new Set<Promise<void>>();
  #waitingBytes = 0;
  /** Settled when no Merkle block is being made. */
  #merkle: Promise<unknown> = Promise.resolve();

  constructor(options: ServeOptions, parts: ServeParts) {
    this.#parts = parts;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? MAX_WAITING_BYTES;
  }

  /** Queues a request. The promise, if there is one, resolves when the next may come. */
  request(peer: Peer, message: ServedMessage): void | Promise<void> {
    let desk = this.#desks.get(peer);
    if (desk === undefined) {
      desk = new Desk(this.#parts.clock);
      this.#desks.set(peer, desk);
      peer.signal.addEventListener('abort', () => this.#desks.delete(peer), { once: true });
    }
    desk.waiting.push(message);
    if (!desk.busy) {
      const running = this.#run(peer, desk);
      this.#running.add(running);
      void running.then(() => this.#running.delete(running));
    }
    if (desk.waiting.length > MAX_REQUESTS) return this.#room(peer, desk, message);
  }

  /** Resolves when nothing is read for peers any more; they are closed already. */
  async close(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #room(peer: Peer, desk: Desk, message: ServedMessage): Promise<void> {
    const { clock } = this.#parts;
    const until = new AbortController();
    const stop = AbortSignal.any([until.signal, peer.signal]);
    desk.room ??= createDeferred();
    await Promise.race([desk.room.promise, clock.sleep(ROOM_MS, stop)]);
    until.abort();
    if (desk.waiting.length <= MAX_REQUESTS) return;
    const index = desk.waiting.indexOf(message);
    if (index >= 0) desk.waiting.splice(index, 1);
  }

  /** Answers what waits, in order. Never rejects. */
  async #run(peer: Peer, desk: Desk): Promise<void> {
    desk.busy = true;
    try {
      for (;;) {
        const message = desk.waiting.shift();
        if (message === undefined || peer.closed) break;
        if (desk.waiting.length < MAX_REQUESTS) desk.roomMade();
        await this.#answer(peer, desk, message);
      }
    } catch (error) {
      // Only the disk can do that: the chain stops on its own account, and this peer gets no more.
      this.#parts.log.error('answer failed', { peer: peer.id, reason: errorText(error) });
      desk.waiting.length = 0;
      desk.roomMade();
    } finally {
      desk.busy = false;
    }
  }

  async #answer(peer: Peer, desk: Desk, message: ServedMessage): Promise<void> {
    if (!(await this.#sent(peer, MAX_QUEUED))) return;
    const plan = await this.#plan(peer, desk, message);
    if (plan === undefined) {
      if (!desk.useless.tryTake()) {
        peer.blame({ kind: 'fault', reason: `asks for what we do not have: ${message.type}` });
      }
      return;
    }
    if (plan.bytes < LARGE_BYTES) return this.#send(peer, plan);
    if (!(await this.#sent(peer, MAX_BEFORE_LARGE)) || !(await this.#takeRoom(peer, plan.bytes))) {
      return;
    }
    try {
      const end = peer.stats.sentBytes + plan.bytes;
      await this.#send(peer, plan);
      // There may always be something else in the queue.
      await this.#until(peer, () => peer.queued === 0 || peer.stats.sentBytes >= end);
    } finally {
      this.#waitingBytes -= plan.bytes;
    }
  }

  async #send(peer: Peer, plan: Plan): Promise<void> {
    const message = await plan.message();
    if (message === undefined) return;
    if (!peer.send(message)) {
      this.#parts.log.debug('answer dropped', { peer: peer.id, answer: message.type });
    } else if (plan.block !== undefined) peer.markBlock(plan.block);
  }

  /** Waits until at most `queued` messages wait to be sent. False if the connection has ended. */
  #sent(peer: Peer, queued: number): Promise<boolean> {
    return this.#until(peer, () => peer.queued <= queued);
  }

  /** False if the connection has ended, or is ended here since the peer reads too slowly. */
  async #until(peer: Peer, isSent: () => boolean): Promise<boolean> {
    const { clock } = this.#parts;
    let since = clock.now();
    let before = peer.stats.sentBytes;
    let pollMs = POLL_MS;
    while (!peer.closed && !isSent()) {
      if (clock.now() - since >= STALL_MS) {
        const { sentBytes } = peer.stats;
        if (sentBytes - before < STALL_BYTES) {
          peer.blame({ kind: 'fault', reason: 'does not read what it has asked for' });
          peer.close('reads too slowly');
          break;
        }
        since = clock.now();
        before = sentBytes;
      }
      await clock.sleep(pollMs, peer.signal);
      pollMs = Math.min(MAX_POLL_MS, 2 * pollMs);
    }
    return !peer.closed;
  }

  async #takeRoom(peer: Peer, bytes: number): Promise<boolean> {
    const isFull = (): boolean =>
      this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#maxWaitingBytes;
    while (!peer.closed && isFull()) await this.#parts.clock.sleep(MAX_POLL_MS, peer.signal);
    if (peer.closed) return false;
    this.#waitingBytes += bytes;
    return true;
  }

  async #plan(peer: Peer, desk: Desk, message: ServedMessage): Promise<Plan | undefined> {
    switch (message.type) {
      case 'get-block':
        return this.#planBlock(message);
      case 'get-headers':
        return this.#planHeaders(peer, message);
      case 'get-blocks':
        return this.#planBlocks(peer, message);
      case 'get-merkle-block': {
        const entry = this.#entryOf(message);
        if (entry === undefined) return undefined;
        const waitMs = desk.merkle.take(1 + entry.size / MERKLE_BYTES);
        if (waitMs > 0) await this.#parts.clock.sleep(waitMs, peer.signal);
        const bytes = travelBytes(entry);
        return { bytes, message: () => this.#inTurn(() => this.#merkleBlock(peer, entry)) };
      }
    }
  }

  #planBlock(message: Extract<ServedMessage, { readonly type: 'get-block' }>): Plan | undefined {
    const entry = this.#entryOf(message);
    if (entry === undefined || travelBytes(entry) > MAX_MESSAGE_BYTES) return undefined;
    return {
      bytes: travelBytes(entry),
      message: () => {
        const block = this.#parts.chain.blockBytes(entry.hash);
        return block === undefined ? undefined : { type: 'block', block };
      },
      block: entry.hash,
    };
  }

  #planHeaders(
    peer: Peer,
    message: Extract<ServedMessage, { readonly type: 'get-headers' }>,
  ): Plan | undefined {
    const range = this.#range(message, MAX_HEADERS);
    if (range === undefined) return undefined;
    return {
      bytes: range.count * (HEADER_HEX + OVERHEAD_BYTES),
      message: async () => {
        const headers: Uint8Array[] = [];
        for await (const { header } of this.#entries(peer, range))
          headers.push(encodeHeader(header));
        return headers.length === 0 ? undefined : { type: 'headers', headers };
      },
    };
  }

  async #planBlocks(
    peer: Peer,
    message: Extract<ServedMessage, { readonly type: 'get-blocks' }>,
  ): Promise<Plan | undefined> {
    const range = this.#range(message, MAX_BLOCKS);
    if (range === undefined) return undefined;
    const entries: IndexEntry[] = [];
    let bytes = 0;
    for await (const entry of this.#entries(peer, range)) {
      const max = entries.length === 0 ? MAX_BLOCKS_HEX : SHARE_OF_BLOCKS_HEX;
      if (bytes + 2 * entry.size > max) break;
      bytes += 2 * entry.size;
      entries.push(entry);
    }
    if (entries.length === 0) return undefined;
    return {
      bytes: bytes + entries.length * OVERHEAD_BYTES,
      message: () => {
        const blocks: Uint8Array[] = [];
        for (const { hash } of entries) {
          const block = this.#parts.chain.blockBytes(hash);
          if (block !== undefined) blocks.push(block);
        }
        return { type: 'blocks', blocks };
      },
    };
  }

  /** The block at a height of the main chain, or, at height 0, of a hash on whatever branch. */
  #entryOf({ height, hash }: { height: number; hash: Uint8Array }): IndexEntry | undefined {
    const { chain } = this.#parts;
    const found = height === 0 ? hash : chain.hashAt(height);
    return found === undefined ? undefined : chain.entry(found);
  }

  /** Heights after the locator's block, up to that of `stop`; `undefined` if there are none. */
  #range(
    { locator, stop }: { readonly locator: readonly Uint8Array[]; readonly stop: Uint8Array },
    max: number,
  ): Range | undefined {
    const { chain } = this.#parts;
    const last = chain.entry(stop)?.header.height;
    if (last === undefined) return undefined;
    const known = locator.slice(0, MAX_LOCATOR).find((hash) => chain.isOnMainChain(hash));
    const start = known === undefined ? 0 : chain.entry(known)!.header.height;
    const count = Math.min(max, Math.min(last, chain.tip.header.height) - start);
    return count <= 0 ? undefined : { first: start + 1, count };
  }

  /** The main chain's blocks of a range, up to where it changes while others have their turn. */
  async *#entries(peer: Peer, { first, count }: Range): AsyncGenerator<IndexEntry> {
    const { chain, clock } = this.#parts;
    const slice = new Slice(clock);
    let previous: IndexEntry | undefined;
    for (let height = first; height < first + count; height++) {
      const hash = chain.hashAt(height);
      const entry = hash === undefined ? undefined : chain.entry(hash);
      if (entry === undefined) return;
      if (previous !== undefined && !bytesEqual(entry.header.previousBlockHash, previous.hash))
        return;
      yield entry;
      previous = entry;
      if (slice.isOver) await slice.end();
      if (peer.closed) return;
    }
  }

  /** One after the other, whoever asks. */
  async #inTurn<T>(make: () => Promise<T>): Promise<T> {
    const turn = this.#merkle.then(make);
    this.#merkle = turn.catch(() => {});
    return turn;
  }

  /** The header, the transactions that match the peer's filter, and the proofs that they are in it. */
  async #merkleBlock(peer: Peer, entry: IndexEntry): Promise<PeerMessage | undefined> {
    const { chain, clock } = this.#parts;
    if (peer.closed) return undefined;
    const block = chain.block(entry.hash);
    if (block === undefined) return undefined;
    const slice = new Slice(clock);
    const ids: Uint8Array[] = [];
    const indexes: number[] = [];
    const transactions: Uint8Array[] = [];
    let bytes = 0;
    for (const [index, tx] of block.transactions.entries()) {
      ids.push(tx.id);
      if (peer.filter.matches(tx)) {
        indexes.push(index);
        transactions.push(tx.raw);
        bytes += 2 * tx.raw.length;
      }
      if (slice.isOver) await slice.end();
      if (peer.closed) return undefined;
    }
    const proof = merkleProof(ids, indexes);
    const leaves = entry.statusFail.map(statusLeaf);
    const statusProof = merkleProof(leaves, indexes);
    const hashes = proof.hashes.length + statusProof.hashes.length;
    if (bytes + 32 * (hashes + ids.length) > MAX_MESSAGE_BYTES) return undefined;
    return {
      type: 'merkle-block',
      header: encodeHeader(block.header),
      transactionHashes: proof.hashes,
      transactions,
      statusHashes: statusProof.hashes,
      statuses: indexes.map((index) => leaves[index]!),
      flags: proof.flags,
    };
  }
}

interface Range {
  readonly first: number;
  readonly count: number;
}

/** What waits for one peer. */
class Desk {
  readonly waiting: ServedMessage[] = [];
  readonly useless: TokenBucket;
  readonly merkle: TokenBucket;
  busy = false;
  room: Deferred<void> | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.useless = new TokenBucket(USELESS, clock);
    this.merkle = new TokenBucket(MERKLE_BLOCKS, clock);
  }

  roomMade(): void {
    this.room?.resolve();
    this.room = undefined;
  }
}

/** Of a block as hex in a message. */
function travelBytes({ size }: IndexEntry): number {
  return 2 * size + OVERHEAD_BYTES;
}
