/** Why a proof of work got no verdict. That is never a verdict: the block may be as good as any. */
import { CodedError } from '../util/errors.ts';

export type PowErrorDetail =
  | { readonly code: 'overloaded'; readonly queued: number }
  | { readonly code: 'unavailable'; readonly reason: string }
  | { readonly code: 'closed' };

/**
 * - `overloaded`: so many hashes wait that this one was not taken, or had to make room.
 * - `unavailable`: nothing is left that can compute it.
 * - `closed`: the verifier was closed.
 */
export class PowError extends CodedError<PowErrorDetail> {
  constructor(detail: PowErrorDetail, options?: ErrorOptions) {
    super(powMessage(detail), detail, options);
  }
}

function powMessage(detail: PowErrorDetail): string {
  switch (detail.code) {
    case 'overloaded':
      return `proof of work not checked: ${detail.queued} others wait`;
    case 'unavailable':
      return `proof of work cannot be checked: ${detail.reason}`;
    case 'closed':
      return 'proof of work not checked: the verifier was closed';
  }
}
