/**
 * The branch of a peer that serves no headers, block by block by height (message 10), as the
 * reference's regular sync does. Bytom 1.x P2P: "Syncing". If the first block's parent is not known,
 * the peer is on another branch: steps back 1, 2, 4 … blocks until one fits, at the latest at height 1.
 */
import { bytesEqual } from '../../util/bytes.ts';
import type { Chain } from '../chain.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';
import { asked, type HeaderSource, readSourced, type SourcedHeader } from './header-source.ts';
import { SourceError } from './source-error.ts';

/** Blocks that are asked for together … */
const MAX_TOGETHER = 8;
/** … unless they are so large that these bytes are more. */
const BYTES_TOGETHER = 2 ** 20;

export interface HeightSourceParts {
  readonly chain: Pick<Chain, 'tip' | 'has'>;
}

export class HeightSource implements HeaderSource {
  readonly peer: SyncPeer;
  readonly withBodies = true;
  readonly #top: number;
  readonly #parts: HeightSourceParts;
  #last: SourcedHeader | undefined;
  /** Blocks of the next request. */
  #together = 2;

  constructor(peer: SyncPeer, parts: HeightSourceParts) {
    this.peer = peer;
    this.#top = peer.height;
    this.#parts = parts;
  }

  async next(signal: AbortSignal): Promise<readonly SourcedHeader[]> {
    const last = this.#last;
    if (last === undefined) {
      const first = await this.#findFork(signal);
      this.#last = first;
      return [first];
    }
    const from = last.header.height + 1;
    const count = Math.min(this.#together, this.#top - from + 1);
    if (count <= 0) return [];
    const requests = Array.from({ length: count }, (_, i) => this.#block(from + i, signal));
    // All of them are waited for, whichever fails first: none may be left without somebody to tell.
    const blocks: SourcedHeader[] = [];
    let failure: unknown;
    for (const outcome of await Promise.allSettled(requests)) {
      if (outcome.status === 'rejected') failure ??= outcome.reason;
      else if (failure === undefined) blocks.push(this.#linked(outcome.value));
    }
    if (blocks.length === 0) throw failure;
    this.#adapt(blocks);
    return blocks;
  }

  async #findFork(signal: AbortSignal): Promise<SourcedHeader> {
    let height = Math.min(this.#parts.chain.tip.header.height + 1, this.#top);
    for (let step = 1; ; step *= 2) {
      const block = await this.#block(height, signal);
      if (this.#parts.chain.has(block.header.previousBlockHash)) return block;
      if (height <= 1) throw new SourceError('illegal', 'its chain has another genesis block');
      height = Math.max(1, height - step);
    }
  }

  async #block(height: number, signal: AbortSignal): Promise<SourcedHeader> {
    const body = await asked(this.peer.getBlock({ height }, signal), signal);
    const { header, hash } = readSourced(body, 'block');
    if (header.height === height) return { header, hash, body };
    throw new SourceError('illegal', `asked for block ${height}, got block ${header.height}`);
  }

  /** A peer may change to another branch between two blocks. */
  #linked(block: SourcedHeader): SourcedHeader {
    const last = this.#last!;
    if (!bytesEqual(block.header.previousBlockHash, last.hash)) {
      throw new SourceError('fault', `block ${block.header.height} does not follow the one before`);
    }
    this.#last = block;
    return block;
  }

  #adapt(blocks: readonly SourcedHeader[]): void {
    const bytes = blocks.reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
    const fitting = Math.floor((BYTES_TOGETHER * blocks.length) / Math.max(1, bytes));
    this.#together = Math.max(1, Math.min(fitting, 2 * this.#together, MAX_TOGETHER));
  }
}
