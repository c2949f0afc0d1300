/** Why a peer cannot be synced from, and whether that is its fault. */
import { CodedError } from '../../util/errors.ts';

export interface SourceErrorDetail {
  readonly code: 'illegal' | 'fault' | 'silent' | 'later' | 'busy' | 'gone';
  readonly reason: string;
}

/**
 * - `illegal`: it has sent what no honest peer sends.
 * - `fault`: it has not delivered what it claims to have.
 * - `silent`: it does not answer a request; there may be others that it answers.
 * - `later`: nobody is to blame, and it cannot go on now: a block of a time that is yet to come, say.
 * - `busy`: as much as may be is asked of it already.
 * - `gone`: its connection has ended.
 */
export class SourceError extends CodedError<SourceErrorDetail> {
  constructor(code: SourceErrorDetail['code'], reason: string, options?: ErrorOptions) {
    super(reason, { code, reason }, options);
  }
}
