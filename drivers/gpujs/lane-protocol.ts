/** What a `ThreadLane` and its thread say to each other. */
import type { Mode } from './package.ts';

export interface LaneSetup {
  readonly mode: Mode;
}

export type LaneRequest =
  | {
      readonly kind: 'load';
      readonly id: number;
      readonly slot: number;
      readonly data: Int8Array;
    }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly slot: number;
      readonly sequences: readonly Uint8Array[];
    }
  /** Ends the run of that number, if it has not ended. */
  | { readonly kind: 'abort'; readonly id: number };

export type LaneReply =
  | { readonly kind: 'opened'; readonly chains: number }
  | { readonly kind: 'done'; readonly id: number; readonly ends: readonly Int8Array[] }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };
