/** Why a connection to a pool did not come about or ended. */
import { CodedError } from '../src/util/errors.ts';

export type ConnectionErrorDetail =
  /** No connection: name not found, refused, unreachable, no TLS. */
  | { readonly code: 'connect'; readonly reason: string }
  /** A TLS certificate that is not trusted, or not the pinned one. */
  | { readonly code: 'certificate'; readonly reason: string }
  | {
      readonly code: 'timeout';
      /** What was waited for last. */
      readonly phase: 'connect' | 'login' | 'job';
      readonly afterMs: number;
      /** What was wrong with the last thing the pool sent, if anything came. */
      readonly problem?: string;
    }
  | { readonly code: 'login-refused'; readonly reason: string; readonly wireCode?: number }
  /** The connection broke. */
  | { readonly code: 'broken'; readonly reason: string }
  | { readonly code: 'closed'; readonly by: 'pool' | 'us'; readonly unanswered?: 'login' }
  /** Nothing came for too long, and a second connection did not help. */
  | { readonly code: 'silent'; readonly afterMs: number }
  /** The pool broke the protocol beyond patience. */
  | { readonly code: 'protocol'; readonly reason: string }
  /** The caller's signal. */
  | { readonly code: 'aborted' };

/** `pool` is the `host:port` it is about; the message does not repeat it. */
export class ConnectionError extends CodedError<ConnectionErrorDetail> {
  readonly pool: string;

  constructor(pool: string, detail: ConnectionErrorDetail, options?: ErrorOptions) {
    super(describe(detail), detail, options);
    this.pool = pool;
  }
}

function describe(detail: ConnectionErrorDetail): string {
  switch (detail.code) {
    case 'connect':
      return `no connection: ${detail.reason}`;
    case 'certificate':
      return `certificate not accepted: ${detail.reason}`;
    case 'timeout': {
      const awaited = { connect: 'connection', login: 'answer to the login', job: 'job' };
      const problem = detail.problem === undefined ? '' : `; ${detail.problem}`;
      return `no ${awaited[detail.phase]} within ${detail.afterMs / 1000} s${problem}`;
    }
    case 'login-refused': {
      const code = detail.wireCode === undefined ? '' : ` code ${detail.wireCode}`;
      return `login refused: "${detail.reason}"${code}`;
    }
    case 'broken':
      return `connection broke: ${detail.reason}`;
    case 'closed':
      if (detail.by === 'us') return 'connection closed';
      return `the pool closed the connection${detail.unanswered === undefined ? '' : ' without an answer to the login'}`;
    case 'silent':
      return `no message for ${Math.round(detail.afterMs / 1000)} s`;
    case 'protocol':
      return `the pool sent ${detail.reason}`;
    case 'aborted':
      return 'stopped';
  }
}
