/**
 * The headers of a peer that serves them (message 12). Bytom 1.x P2P: "Serving", "Syncing". It
 * answers with what comes after the first locator hash on its main chain, up to the stop hash, and
 * does not answer at all if it does not know the stop hash: so that is the best one of its status.
 */
import { bytesEqual, bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import type { Chain } from '../chain.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';
import { Slice } from '../slices.ts';
import { asked, type HeaderSource, readSourced, type SourcedHeader } from './header-source.ts';
import { SourceError } from './source-error.ts';

/** Bytom 1.x P2P: most headers of an answer. */
const MAX_HEADERS = 2048;
/** Answers that are neither full nor the last one: so many, and the peer is holding back. */
const MAX_SHORT_ANSWERS = 8;
/** Blocks at the start of a locator that are next to each other. */
const LOCATOR_NEAR = 10;

export interface LocatorSourceParts {
  readonly chain: Pick<Chain, 'tip' | 'hashAt'>;
  readonly clock: Pick<Clock, 'now'>;
}

export class LocatorSource implements HeaderSource {
  readonly peer: SyncPeer;
  readonly withBodies = false;
  readonly #stop: Uint8Array;
  readonly #parts: LocatorSourceParts;
  #last: Uint8Array | undefined;
  #short = 0;

  constructor(peer: SyncPeer, parts: LocatorSourceParts) {
    this.peer = peer;
    this.#stop = peer.bestHash;
    this.#parts = parts;
  }

  async next(signal: AbortSignal): Promise<readonly SourcedHeader[]> {
    const last = this.#last;
    if (last !== undefined && bytesEqual(last, this.#stop)) return [];
    const locator = last === undefined ? blockLocator(this.#parts.chain) : [last];
    const answer = await asked(this.peer.getHeaders(locator, this.#stop, signal), signal);
    if (answer.length === 0) throw new SourceError('fault', 'no headers up to its best block');
    if (answer.length > MAX_HEADERS) {
      const got = `${answer.length} headers in one answer`;
      throw new SourceError('illegal', `${got}, at most ${MAX_HEADERS} are allowed`);
    }
    const headers = await this.#read(answer, locator);
    this.#last = headers.at(-1)!.hash;
    const isShort = headers.length < MAX_HEADERS && !bytesEqual(this.#last, this.#stop);
    if (isShort && ++this.#short > MAX_SHORT_ANSWERS) {
      throw new SourceError(
        'fault',
        `only ${headers.length} headers in an answer, again and again`,
      );
    }
    return headers;
  }

  async #read(
    answer: readonly Uint8Array[],
    locator: readonly Uint8Array[],
  ): Promise<readonly SourcedHeader[]> {
    const headers: SourcedHeader[] = [];
    const slice = new Slice(this.#parts.clock);
    for (const bytes of answer) {
      const next = readSourced(bytes, 'header');
      const parent = next.header.previousBlockHash;
      const before = headers.at(-1);
      const linked =
        before === undefined
          ? locator.some((hash) => bytesEqual(hash, parent))
          : bytesEqual(before.hash, parent);
      if (!linked) throw this.#unlinked(parent, before === undefined);
      headers.push(next);
      if (slice.isOver) await slice.end();
    }
    return headers;
  }

  /** A peer that has left the branch meanwhile answers from the start of its own. */
  #unlinked(parent: Uint8Array, first: boolean): SourceError {
    const reason = `headers do not link: one has the parent ${bytesToHex(parent)}`;
    return new SourceError(first && this.#last !== undefined ? 'fault' : 'illegal', reason);
  }
}

/** The best block and the nine before it, then at doubling distances, and the genesis block. */
export function blockLocator(chain: Pick<Chain, 'tip' | 'hashAt'>): readonly Uint8Array[] {
  const hashes: Uint8Array[] = [];
  let height = chain.tip.header.height;
  for (let step = 1; height > 0; height -= step) {
    hashes.push(chain.hashAt(height)!);
    if (hashes.length >= LOCATOR_NEAR) step *= 2;
  }
  return [...hashes, chain.hashAt(0)!];
}
