/**
 * Why there is no work, or why submitted work is not even looked at. What is wrong with work that was
 * looked at, a `RuleError` says.
 */
import { CodedError } from '../../util/errors.ts';

export type WorkErrorDetail =
  | { readonly code: 'changed' }
  | { readonly code: 'nonce'; readonly nonce: string }
  | { readonly code: 'timestamp'; readonly timestamp: number }
  | { readonly code: 'clock'; readonly aheadSeconds: number }
  | { readonly code: 'closed' };

/**
 * - `changed`: the work continues another block than the best one. Its text is the reference's.
 * - `nonce`: no nonce below 2^63, which is all that a block can hold.
 * - `timestamp`: no number of seconds that a block can hold.
 * - `clock`: by our clock, the earliest block that may come next is too far in the future.
 * - `closed`: no templates are made any more.
 */
export class WorkError extends CodedError<WorkErrorDetail> {
  constructor(detail: WorkErrorDetail) {
    super(workMessage(detail), detail);
  }
}

function workMessage(detail: WorkErrorDetail): string {
  switch (detail.code) {
    case 'changed':
      return 'pending mining block has been changed';
    case 'nonce':
      return `nonce expected 0 … 2^63−1, got ${detail.nonce}`;
    case 'timestamp':
      return `timestamp expected whole seconds 0 … 2^53−1, got ${detail.timestamp}`;
    case 'clock':
      return `no work: the best chain is ${detail.aheadSeconds} s ahead of this machine's clock, which seems to be wrong`;
    case 'closed':
      return 'no work: the node is closing';
  }
}
