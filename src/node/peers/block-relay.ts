/**
 * Whole blocks that are told of unasked: message 40, both ways. Bytom 1.x P2P: "Announcements". What
 * becomes of a received one is the business of syncing, which looks at the work before the body.
 */
import { type BlockHeader, decodeHeader, headerHash } from '../../chain/header.ts';
import { MAX_MESSAGE_BYTES } from '../../p2p/messages.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText, InputError } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import type { TipEvent } from '../chain-options.ts';
import { Slice } from '../slices.ts';
import type { Peer } from './peer.ts';
import type { SyncPeer } from './sync-peer.ts';

/** Resolves when the block needs no memory any more. */
export type BlockReceiver = (
  peer: SyncPeer,
  bytes: Uint8Array,
  header: BlockHeader,
  hash: Uint8Array,
) => Promise<void>;

export interface BlockRelayOptions {
  /** Bytes of announced blocks of all peers that are in processing at a time. Default 64 MiB. */
  readonly maxBlockBytes?: number;
}

export interface BlockRelayParts {
  readonly chain: Pick<Chain, 'tip' | 'entry' | 'has' | 'blockBytes' | 'onTip'>;
  /** Those that are ready. */
  readonly peers: () => Iterable<Peer>;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** Announced blocks of one peer in processing: an honest one sends the next when we have the last. */
const MAX_PER_PEER = 4;
const MAX_BLOCK_BYTES = 64 * 2 ** 20;
/** Of a step of the tip by several blocks, the highest are announced: who lacks more is far behind. */
const MAX_STEP = 4;
/** Announcements not yet made: what is beyond is told with the status. */
const MAX_ANNOUNCING = 16;
/** A tip that is younger is news, however far behind a peer says we are. */
const NEWS_SECONDS = 3600;
/** Type and length before the block. */
const OVERHEAD_BYTES = 16;

export class BlockRelay {
  /** Takes received blocks; until it is set they are dropped. */
  onBlock: BlockReceiver | undefined;
  /** Whether the chain is being caught up with: its blocks are no news to anybody then. */
  catchingUp: () => boolean = () => false;
  readonly #maxBlockBytes: number;
  readonly #parts: BlockRelayParts;
  readonly #processing = new Map<Peer, number>();
  readonly #unlisten: () => void;
  #bytes = 0;
  #announcing: Promise<void> = Promise.resolve();
  #waiting = 0;
  #owed = false;
  #closed = false;

  constructor(options: BlockRelayOptions, parts: BlockRelayParts) {
    this.#maxBlockBytes = options.maxBlockBytes ?? MAX_BLOCK_BYTES;
    this.#parts = parts;
    this.#unlisten = parts.chain.onTip((event) => this.#tipChanged(event));
  }

  /** Sends a stored block to every full peer that is not known to have it. */
  announce(hash: Uint8Array): void {
    if (this.#waiting >= MAX_ANNOUNCING) return;
    this.#waiting++;
    this.#announcing = this.#announcing.then(() => this.#announce(hash));
  }

  /** Announces the tip if that was put off while catching up, and it is over. */
  announceOwed(): void {
    if (!this.#owed || this.catchingUp()) return;
    this.#owed = false;
    this.announce(this.#parts.chain.tip.hash);
  }

  /** Takes an announced block. Never keeps the peer waiting: its answers may be needed for it. */
  receive(peer: Peer, bytes: Uint8Array): void {
    let header: BlockHeader;
    try {
      ({ header } = decodeHeader(bytes, 'block'));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      peer.blame({ kind: 'fault', reason: errorText(error) });
      return;
    }
    const hash = headerHash(header);
    peer.markBlock(hash);
    peer.raise(header.height, hash);
    const { chain, log } = this.#parts;
    // Not those on their way: a hash covers no signatures, and another copy may be the good one.
    if (chain.has(hash)) return;
    const count = this.#processing.get(peer) ?? 0;
    const fits = this.#bytes === 0 || this.#bytes + bytes.length <= this.#maxBlockBytes;
    if (this.onBlock === undefined || count >= MAX_PER_PEER || !fits || this.#closed) {
      log.debug('announced block dropped', { peer: peer.id, height: header.height });
      return;
    }
    this.#processing.set(peer, count + 1);
    this.#bytes += bytes.length;
    void this.#process(this.onBlock, peer, bytes, header, hash);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    await this.#announcing;
  }

  #tipChanged({ tip, connected }: TipEvent): void {
    const isNews = this.#parts.now() - tip.header.timestamp < NEWS_SECONDS;
    if (this.catchingUp() && !isNews) {
      this.#owed = true;
      return;
    }
    for (const { hash } of connected.slice(-MAX_STEP)) this.announce(hash);
  }

  /** Never rejects. */
  async #announce(hash: Uint8Array): Promise<void> {
    const { chain, clock, log } = this.#parts;
    try {
      const entry = chain.entry(hash);
      if (entry === undefined || 2 * entry.size + OVERHEAD_BYTES > MAX_MESSAGE_BYTES) return;
      let block: Uint8Array | undefined;
      const slice = new Slice(clock);
      for (const peer of [...this.#parts.peers()]) {
        if (this.#closed) return;
        if (!peer.isFull || peer.closed || peer.knowsBlock(hash)) continue;
        block ??= chain.blockBytes(hash);
        if (block === undefined) return;
        if (peer.send({ type: 'new-block', block })) peer.markBlock(hash);
        if (slice.isOver) await slice.end();
      }
    } catch (error) {
      log.error('announcement failed', { hash: bytesToHex(hash), reason: errorText(error) });
    } finally {
      this.#waiting--;
    }
  }

  /** Never rejects. */
  async #process(
    onBlock: BlockReceiver,
    peer: Peer,
    bytes: Uint8Array,
    header: BlockHeader,
    hash: Uint8Array,
  ): Promise<void> {
    const { chain, clock, log } = this.#parts;
    try {
      await onBlock(peer, bytes, header, hash);
      if (chain.has(hash)) peer.usefulAt = clock.now();
    } catch (error) {
      log.error('announced block failed', { peer: peer.id, reason: errorText(error) });
    } finally {
      this.#bytes -= bytes.length;
      const count = this.#processing.get(peer) ?? 1;
      if (count > 1) this.#processing.set(peer, count - 1);
      else this.#processing.delete(peer);
    }
  }
}
