/**
 * Why a memory pool does not take a transaction that breaks no rule, or that it has not looked at. All
 * of it is this node's own policy: whoever sent the transaction is not to blame.
 */
import { CodedError } from '../../util/errors.ts';

export type MempoolErrorDetail =
  | { readonly code: 'dust'; readonly reason: 'no-btm-spent' }
  | { readonly code: 'dust'; readonly reason: 'output-of-nothing'; readonly output: number }
  | { readonly code: 'blocked-program'; readonly input: number }
  | { readonly code: 'duplicate-input'; readonly input: number }
  | { readonly code: 'conflict'; readonly input: number; readonly other: string }
  | { readonly code: 'too-many-ancestors'; readonly limit: number }
  | { readonly code: 'too-many-height-bound'; readonly limit: number }
  | { readonly code: 'negative-gas'; readonly gasUsed: number }
  | { readonly code: 'full'; readonly fee: bigint; readonly feeNeeded: bigint }
  | { readonly code: 'overloaded'; readonly transactions: number; readonly bytes: number }
  | { readonly code: 'closed' };

/**
 * - `dust`: it spends no BTM, or makes an output of amount 0. Bytom 1.x consensus: "Mempool".
 * - `blocked-program`: it spends an output of a program that this node was told not to take.
 * - `duplicate-input`: two inputs are one entry. Low blocks may have such; a pool has none.
 * - `conflict`: the pooled transaction `other` (id as hex) spends the same coin.
 * - `too-many-ancestors`: it stands on more than `limit` transactions that are in no block.
 * - `too-many-height-bound`: the pool has `limit` transactions that every block may make invalid.
 * - `negative-gas`: its programs give back more gas than it uses, so no block can begin with it.
 * - `full`: everything in the pool pays more for what it takes. Below a fee of `feeNeeded` neu it has no
 *   place now, and if its programs use much gas it needs more than that.
 * - `overloaded`: so many transactions, of about so many bytes in memory, wait to be validated.
 * - `closed`: the pool was closed.
 */
export class MempoolError extends CodedError<MempoolErrorDetail> {
  constructor(detail: MempoolErrorDetail) {
    super(mempoolMessage(detail), detail);
  }
}

function mempoolMessage(detail: MempoolErrorDetail): string {
  switch (detail.code) {
    case 'dust':
      return detail.reason === 'no-btm-spent'
        ? 'dust: expected an input that spends BTM, got none'
        : `dust (output ${detail.output}): expected an amount from 1 on, got 0`;
    case 'blocked-program':
      return `blocked-program (input ${detail.input}): this node does not take spends of its program`;
    case 'duplicate-input':
      return `duplicate-input (input ${detail.input}): expected an entry of its own`;
    case 'conflict':
      return `conflict (input ${detail.input}): transaction ${detail.other} spends the same coin`;
    case 'too-many-ancestors':
      return `too-many-ancestors: expected at most ${detail.limit} that are in no block`;
    case 'too-many-height-bound':
      return `too-many-height-bound: the pool has ${detail.limit} that depend on the block height`;
    case 'negative-gas':
      return `negative-gas: expected a use of gas from 0 on, got ${detail.gasUsed}`;
    case 'full':
      return `full: expected a fee of ${detail.feeNeeded} neu or more, got ${detail.fee}`;
    case 'overloaded':
      return `overloaded: ${detail.transactions} transactions of ${detail.bytes} bytes wait already`;
    case 'closed':
      return 'the memory pool was closed';
  }
}
