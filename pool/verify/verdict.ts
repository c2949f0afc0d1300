/** What the verification tier says of a share. */
import type { Seed } from '../../src/tensority/hasher.ts';
import type { Target } from '../../src/tensority/target.ts';

export interface ShareClaim {
  /** Header hash with the nonce, 32 bytes. */
  readonly headerHash: Uint8Array;
  readonly seed: Seed;
  /** Its difficulty follows from this: a share counts as the work that it takes to meet it. */
  readonly shareTarget: Target;
  readonly blockTarget: Target;
  /** The PoW hash that the miner claims, 32 bytes; whatever it is, it alone is no reason to refuse. */
  readonly claimed?: Uint8Array;
  /** Whose trust it is: the full login. */
  readonly login: string;
}

/** Which targets `powHash` meets is for the caller to see. */
export interface ShareVerdict {
  /** Computed, or claimed if it was not verified. 32 bytes. */
  readonly powHash: Uint8Array;
  /** False: the miner's word was taken. */
  readonly isVerified: boolean;
  /** An independent hasher agrees that the claim was false, or that a share misses its targets. */
  readonly isConfirmed: boolean;
  /** The claimed hash is not the real one, confirmed: the miner lies, or its hardware does. */
  readonly isLie: boolean;
}

export interface ShareVerification {
  /** Whether one more, of anybody, would have to wait longer than is good. */
  readonly isFull: boolean;
  /** The same of this login's: read no more from it if it can be told to wait. */
  isFullFor(login: string): boolean;
  /** Seconds that a share submitted now waits, by what the hasher did lately. */
  readonly backlogSeconds: number;
  /** Difficulties are to be multiplied by this (1, 2, 4 …) for the hasher to keep up. */
  readonly loadFactor: number;
  /** Called when the factor changes. Returns how to end it. */
  onLoad(listener: (factor: number) => void): () => void;
  /** Rejects `PowError` where there is no verdict. */
  verify(claim: ShareClaim, signal?: AbortSignal): Promise<ShareVerdict>;
}
