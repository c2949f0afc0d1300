/** Why a light proof proves nothing. */
import { CodedError } from '../util/errors.ts';
import type { RuleDetail } from './rule-error.ts';

export type LightProofDetail =
  /** What the client brought itself does not fit together, or lacks a header. */
  | { readonly code: 'anchor'; readonly expected: string; readonly actual: string }
  /** A header of the run is refused: its `index`, and the height that belongs to that place. */
  | {
      readonly code: 'header';
      readonly index: number;
      readonly height: number;
      readonly refusal: RuleDetail;
    }
  /** What stands in the run at `index` is no header: one of its fields cannot be hashed. */
  | {
      readonly code: 'malformed';
      readonly index: number;
      readonly height: number;
      readonly reason: string;
    }
  /** The transactions are not in the block, or not in this order. */
  | { readonly code: 'transactions'; readonly height: number }
  /** The statuses are not those of these transactions. */
  | { readonly code: 'statuses'; readonly height: number };

export class LightProofError extends CodedError<LightProofDetail> {
  constructor(detail: LightProofDetail, cause?: Error) {
    super(messageOf(detail), detail, cause === undefined ? undefined : { cause });
  }
}

function messageOf(detail: LightProofDetail): string {
  switch (detail.code) {
    case 'anchor':
      return `anchor: expected ${detail.expected}, got ${detail.actual}`;
    case 'header': {
      const { rule, expected, actual } = detail.refusal;
      const where = `header ${detail.index} of the run, height ${detail.height}`;
      return `${where}: ${rule}: expected ${expected}, got ${actual}`;
    }
    case 'malformed':
      return `header ${detail.index} of the run, height ${detail.height}: ${detail.reason}`;
    case 'transactions':
      return `the proof does not lead to the transactions root of block ${detail.height}`;
    case 'statuses':
      return `the proof does not lead to the status root of block ${detail.height}`;
  }
}
