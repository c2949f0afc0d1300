/**
 * Blocks that peers announce (message 40). Bytom 1.x P2P: "Announcements". The header and its proof
 * of work come first: only a block that has cost its maker something is decoded. One that has no place
 * on a branch we know is not kept: if it promises more height, its branch is synced instead.
 *
 * The same block comes from many peers and is processed once. A hash covers no signatures, so a copy
 * with other bytes waits for what becomes of the first: if that was spoilt, this may be the real one.
 */
import { type Block, decodeBlock } from '../../chain/block.ts';
import type { BlockHeader } from '../../chain/header.ts';
import { RuleError } from '../../consensus/rule-error.ts';
import { PowError } from '../../pow/pow-error.ts';
import { keyText } from '../../store/kv.ts';
import { bytesEqual, bytesToHex } from '../../util/bytes.ts';
import { errorText, InputError } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { BranchError } from '../best-chain.ts';
import type { Chain } from '../chain.ts';
import { ChainError } from '../chain-error.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';

export interface AnnouncedBlocksParts {
  readonly chain: Pick<Chain, 'tip' | 'has' | 'proveHeader' | 'submit'>;
  readonly log: Logger;
  /** The peer has a branch that is to be looked at. */
  readonly sync: (peer: SyncPeer) => void;
  readonly signal: AbortSignal;
}

/** Blocks so far below the tip are of no use to anybody. */
const KEPT_BELOW_TIP = 64;
/** Blocks that are looked at, at a time: of a peer, in all, and their bytes. */
const MAX_OF_PEER = 4;
const MAX_AT_ONCE = 32;
const MAX_BYTES = 64 * 2 ** 20;
/** Copies of a block, with different bytes. */
const MAX_COPIES = 4;

interface UnderWay {
  /** Resolves when the copies so far are dealt with. */
  tail: Promise<void>;
  readonly copies: Uint8Array[];
  /** Copies that are not done. */
  open: number;
}

export class AnnouncedBlocks {
  readonly #parts: AnnouncedBlocksParts;
  readonly #byHash = new Map<string, UnderWay>();
  readonly #ofPeer = new Map<string, number>();
  #count = 0;
  #bytes = 0;

  constructor(parts: AnnouncedBlocksParts) {
    this.#parts = parts;
  }

  /**
   * `header` and `hash` are those of `bytes`, a block's wire form. Resolves when the block is dealt
   * with; rejects `StoreError` and whatever else is nobody's block's fault.
   */
  async receive(
    peer: SyncPeer,
    bytes: Uint8Array,
    header: BlockHeader,
    hash: Uint8Array,
  ): Promise<void> {
    const { chain, sync, signal } = this.#parts;
    if (signal.aborted || chain.has(hash) || this.#isOld(header)) return;
    const key = keyText(hash);
    const known = this.#byHash.get(key);
    if (known?.copies.some((copy) => bytesEqual(copy, bytes)) === true) return;
    const ofPeer = this.#ofPeer.get(peer.id) ?? 0;
    const full =
      ofPeer >= MAX_OF_PEER ||
      this.#count >= MAX_AT_ONCE ||
      (known?.copies.length ?? 0) >= MAX_COPIES ||
      (this.#count > 0 && this.#bytes + bytes.length > MAX_BYTES);
    // It is not lost: syncing asks for what is missing.
    if (full) return sync(peer);
    this.#count++;
    this.#bytes += bytes.length;
    this.#ofPeer.set(peer.id, ofPeer + 1);
    const underWay = known ?? { tail: Promise.resolve(), copies: [], open: 0 };
    this.#byHash.set(key, underWay);
    underWay.copies.push(bytes);
    underWay.open++;
    const before = underWay.tail;
    const work = before.then(() => this.#process(peer, bytes, header, hash));
    underWay.tail = work.catch(() => {});
    try {
      await work;
    } finally {
      this.#count--;
      this.#bytes -= bytes.length;
      const left = this.#ofPeer.get(peer.id)! - 1;
      if (left === 0) this.#ofPeer.delete(peer.id);
      else this.#ofPeer.set(peer.id, left);
      if (--underWay.open === 0) this.#byHash.delete(key);
    }
  }

  /** Resolves when nothing is under way any more: soon, once the signal is aborted. */
  async idle(): Promise<void> {
    while (this.#byHash.size > 0) {
      await Promise.all([...this.#byHash.values()].map(({ tail }) => tail));
      // Whoever waited for it comes next, and takes it off the list.
      await Promise.resolve();
    }
  }

  #isOld(header: BlockHeader): boolean {
    return header.height + KEPT_BELOW_TIP <= this.#parts.chain.tip.header.height;
  }

  async #process(
    peer: SyncPeer,
    bytes: Uint8Array,
    header: BlockHeader,
    hash: Uint8Array,
  ): Promise<void> {
    const { chain, log, sync, signal } = this.#parts;
    const parent = header.previousBlockHash;
    // Another peer may have been faster with the parent than with the proof of its work.
    await this.#byHash.get(keyText(parent))?.tail;
    if (signal.aborted || chain.has(hash)) return;
    if (!chain.has(parent)) {
      if (header.height > chain.tip.header.height) sync(peer);
      return;
    }
    try {
      await chain.proveHeader({ header, hash }, { priority: 'tip', signal });
      const block: Block = decodeBlock(bytes);
      const { result } = await chain.submit(block, { priority: 'tip', signal });
      log.debug('announced block taken', { height: header.height, hash: bytesToHex(hash), result });
    } catch (error) {
      if (signal.aborted) return;
      if (isForLater(error)) sync(peer);
      else if (!isRefusal(error)) throw error;
      this.#refused(peer, { header, hash }, error);
    }
  }

  #refused(peer: SyncPeer, { header, hash }: Pick<Block, 'header' | 'hash'>, error: unknown): void {
    const reason = `block ${header.height}: ${errorText(error)}`;
    this.#parts.log.debug('announced block not taken', { hash: bytesToHex(hash), reason });
    if (isFaultOf(hash, error)) peer.blame({ kind: 'illegal', reason });
  }
}

/** Nothing is known about the block, and it may be had again. */
function isForLater(error: unknown): boolean {
  if (error instanceof ChainError || error instanceof PowError)
    return error.detail.code !== 'closed';
  return false;
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof RuleError ||
    error instanceof InputError ||
    error instanceof ChainError ||
    error instanceof PowError
  );
}

/** Of a branch that is refused, its blocks may be sent in good faith: it need not be whose they are. */
function isFaultOf(hash: Uint8Array, error: unknown): boolean {
  if (error instanceof InputError) return true;
  if (error instanceof BranchError) return bytesEqual(error.block.hash, hash);
  return error instanceof RuleError && error.detail.blame === 'peer';
}
