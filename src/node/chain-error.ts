/** Why a chain does not take a block, whatever block it is. */
import { CodedError } from '../util/errors.ts';

export type ChainErrorDetail =
  | { readonly code: 'closed' }
  | { readonly code: 'overloaded'; readonly blocks: number; readonly bytes: number };

/**
 * - `closed`: the chain was closed.
 * - `overloaded`: so many blocks, of so many bytes, are under way; submit it again when some are done.
 */
export class ChainError extends CodedError<ChainErrorDetail> {
  constructor(detail: ChainErrorDetail) {
    super(chainMessage(detail), detail);
  }
}

function chainMessage(detail: ChainErrorDetail): string {
  switch (detail.code) {
    case 'closed':
      return 'the chain was closed';
    case 'overloaded':
      return `block not taken: ${detail.blocks} others of ${detail.bytes} bytes are under way`;
  }
}
