/** What the pool writes down for good. Amounts of work are whole numbers: the ledger adds them up exactly. */

/** A share that was accepted. */
export interface ShareRecord {
  /**
   * The header hash with its nonce, 32 bytes: names this very piece of work, now and after a restart,
   * so it is counted once.
   */
  readonly id: Uint8Array;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly account: string;
  readonly worker: string;
  /** Expected hashes behind it: the difficulty of the job it was found for. */
  readonly difficulty: bigint;
  readonly height: number;
  /** Compact target of the block that was worked on. */
  readonly bits: bigint;
  /** PoW hash, 32 bytes. */
  readonly powHash: Uint8Array;
  /** False: taken at the miner's word (trust sampling). */
  readonly isVerified: boolean;
  /** True if its job was no longer the newest one, but in grace. */
  readonly isLate: boolean;
  /** It meets the block's target too. */
  readonly isBlock: boolean;
}

/** Where accepted shares go before anybody is told that they are accepted. */
export interface ShareSink {
  /**
   * Resolves when the share is on disk for good: `written`, or `known` if one of this id was there
   * before. Rejects `ShareLogError` if it cannot be kept; then it must not be acknowledged.
   */
  append(share: ShareRecord): Promise<'written' | 'known'>;
  /** Whether a share of this id was written: those that could come again are remembered, across restarts. */
  has(id: Uint8Array): boolean;
}

/** What happens to a block of ours, one record for each event. */
export type BlockEvent =
  | {
      readonly event: 'found';
      /** The block's id, 32 bytes. */
      readonly hash: Uint8Array;
      readonly timeMs: number;
      readonly height: number;
      /** Header, wire form. */
      readonly header: Uint8Array;
      /** The whole block, wire form; empty if the node did not tell it. */
      readonly rawBlock: Uint8Array;
      /** Whose template it was. */
      readonly node: string;
      readonly account: string;
      readonly worker: string;
    }
  | {
      /**
       * `accepted` or `refused` by a node (its name and words in `detail`); `orphaned`: the best chain
       * has another block there; `restored`: it has ours again; `matured`: 100 blocks stand on it;
       * `lost`: no node took it while it could be taken.
       */
      readonly event: 'accepted' | 'refused' | 'orphaned' | 'restored' | 'matured' | 'lost';
      readonly hash: Uint8Array;
      readonly timeMs: number;
      readonly detail: string;
    };

/** Where block events go. */
export interface BlockSink {
  /** Resolves when it is on disk. Rejects `ShareLogError`. */
  append(event: BlockEvent): Promise<void>;
}
