/** What a lane's thread is told and what it answers. */
import type { LanePlan } from './lane.ts';

export type LaneRequest =
  | { readonly kind: 'open'; readonly id: number; readonly plan: LanePlan }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly matrices: Uint8Array;
      readonly memory: SharedArrayBuffer;
      readonly intensity: number | undefined;
    }
  | {
      readonly kind: 'record';
      readonly id: number;
      readonly plan: LanePlan;
      readonly matrices: Uint8Array;
      readonly filePrefix: string;
    };

export interface LaneReply {
  readonly id: number;
  /** The error's text, if it came to one. */
  readonly failure?: string;
}
