/** What the pool works on: the block that its nodes want next. */
import type { BlockHeader } from '../src/chain/header.ts';
import type { Seed } from '../src/tensority/hasher.ts';
import type { Target } from '../src/tensority/target.ts';

/** One header to find a nonce for. An object of its own for each template: jobs are cached by it. */
export interface PoolTemplate {
  /** Its nonce is 0 and means nothing. Miners may not change anything but the nonce. */
  readonly header: BlockHeader;
  readonly seed: Seed;
  /** What `header.bits` mean: a PoW hash of at most this is a block. */
  readonly target: Target;
  /** Name of the node that made it: only that one takes work for it by its header alone. */
  readonly node: string;
  /** The whole block with nonce 0, wire form, where the node tells: any node takes that. */
  readonly rawBlock?: Uint8Array;
  /** Whom it pays: the program of its coinbase's first output, where the node tells. */
  readonly payee?: Uint8Array;
}

/** `isClean`: it continues another block than the one before, whose jobs are void after the grace. */
export type TemplateListener = (template: PoolTemplate, isClean: boolean) => void;

/** Where templates come from. */
export interface TemplateFeed {
  /** The newest; `undefined` while no node gives work. */
  readonly current: PoolTemplate | undefined;
  /** Called for every new one. Returns how to end it. */
  onTemplate(listener: TemplateListener): () => void;
}
