/** A peer as somebody to get blocks from: how much it is asked for at a time. */
import { SERVICE } from '../../p2p/node-info.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';

/** Bytom 1.x P2P: most blocks of an answer. */
const MAX_RANGE = 128;
/** Until a peer has answered once. */
const FIRST_RANGE = 16;
/** About what an answer shall have: the reference takes four seconds for it, in hex. */
const ANSWER_BYTES = 2 ** 20;
/** Requests outstanding at a peer: of ranges, of single blocks. */
const MAX_RANGES = 2;
const MAX_SINGLE = 8;
/** Timeouts in a row of a peer that has answered before. */
const MAX_TIMEOUTS = 2;
const REST_MS = 1000;

export class FetchProvider {
  readonly peer: SyncPeer;
  /** Ranges of blocks, and not only single ones. */
  #servesRanges: boolean;
  outstanding = 0;
  /** It is asked for nothing more. */
  excluded = false;
  #blocks = 0;
  #timeouts = 0;
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(peer: SyncPeer) {
    this.peer = peer;
    this.#servesRanges = (peer.services & SERVICE.FAST_SYNC) !== 0;
  }

  get servesRanges(): boolean {
    return this.#servesRanges;
  }

  hasRoom(now: number): boolean {
    if (this.excluded || this.peer.closed || now < this.#restsUntil) return false;
    const most = this.#servesRanges ? MAX_RANGES : MAX_SINGLE;
    return this.outstanding < (this.#blocks === 0 ? 1 : most);
  }

  /** Most blocks of the next request, where each has about so many bytes. */
  part(averageBytes: number): number {
    if (!this.#servesRanges) return 1;
    const most = this.#blocks === 0 ? FIRST_RANGE : MAX_RANGE;
    return Math.max(1, Math.min(most, Math.floor(ANSWER_BYTES / averageBytes)));
  }

  answered(blocks: number): void {
    this.#blocks += blocks;
    this.#timeouts = 0;
  }

  /** True if it is not worth asking again: a peer that gives no ranges may have the blocks all the same. */
  timedOut(): boolean {
    if (this.#servesRanges && this.#blocks === 0) {
      this.#servesRanges = false;
      return false;
    }
    this.#timeouts++;
    return this.#blocks === 0 || this.#timeouts >= MAX_TIMEOUTS;
  }

  /** It has no room for more requests. */
  rest(now: number): void {
    this.#restsUntil = now + REST_MS;
  }
}
