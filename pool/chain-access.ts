/**
 * All that the pool needs from a node: work, a place for blocks, what became of them, and whom the
 * coinbase pays. Our node in this process and any node over HTTP meet it alike.
 */
import type { BlockHeader } from '../src/chain/header.ts';
import { CodedError } from '../src/util/errors.ts';
import type { PoolTemplate } from './template.ts';

/** Called as the node's work changes, and as it comes and goes. */
export interface NodeListener {
  /** Every template that differs from the one before in more than its time; at once the present one. */
  onTemplate(template: PoolTemplate): void;
  /** With the reason while it gives no work; `undefined` when it does again. Only changes are told. */
  onState(down: string | undefined): void;
}

export interface NodeAccess {
  /** Safe to log, and stable: `embedded`, `127.0.0.1:9888`. */
  readonly name: string;
  /** Follows the node until the signal aborts, whatever happens to the node. Never rejects. */
  follow(listener: NodeListener, signal: AbortSignal): Promise<void>;
  /**
   * Hands in a solved block. `accepted`: it is stored (or was); `orphan`: stored, its parent unknown.
   * Rejects `NodeAccessError`.
   */
  submit(block: SolvedBlock, signal: AbortSignal): Promise<'accepted' | 'orphan'>;
  /** Hash of the best chain's block at `height`; `undefined` above the tip. Rejects `NodeAccessError`. */
  blockHashAt(height: number, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** The whole block, wire form; `undefined` if the node does not have it. Rejects `NodeAccessError`. */
  rawBlock(hash: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** `undefined` if none is set, or the node has no such call. Rejects `NodeAccessError`. */
  miningAddress(signal: AbortSignal): Promise<string | undefined>;
  /** Rejects `NodeAccessError`. */
  setMiningAddress(address: string, signal: AbortSignal): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface SolvedBlock {
  /** With the nonce that solves it. */
  readonly header: BlockHeader;
  /** The block's id, 32 bytes. */
  readonly hash: Uint8Array;
  /** Name of the node whose template it solves. */
  readonly node: string;
  /** The whole of it with that nonce, wire form, if it is known. */
  readonly rawBlock?: Uint8Array;
}

/** A block and who found it. */
export interface FoundBlock extends SolvedBlock {
  readonly account: string;
  readonly worker: string;
}

export type NodeAccessErrorDetail =
  /** It has looked at it and said no, in its words: asking again does not help. */
  | { readonly code: 'refused'; readonly reason: string }
  /** Its tip has changed: the block comes too late, or too early. */
  | { readonly code: 'stale'; readonly reason: string }
  /** This node cannot take it in this form (a header whose template is another node's). */
  | { readonly code: 'unfit'; readonly reason: string }
  /** No usable answer, so that what it did is not known, or trouble of its own that may pass. */
  | { readonly code: 'unreachable'; readonly reason: string };

export class NodeAccessError extends CodedError<NodeAccessErrorDetail> {
  constructor(node: string, detail: NodeAccessErrorDetail, options?: ErrorOptions) {
    super(`node ${node}: ${detail.reason}`, detail, options);
  }
}
