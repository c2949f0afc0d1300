/**
 * Where jobs come from and shares go to: a Stratum pool, a node, or the dummy. A source owns its
 * connection, its reconnects and its wire format; it knows nothing of devices.
 */
import type { BlockHeader } from '../src/chain/header.ts';
import type { Seed } from '../src/tensority/hasher.ts';
import type { Target } from '../src/tensority/target.ts';
import { CodedError } from '../src/util/errors.ts';

export interface JobSource {
  /** How log lines name it, without secrets: `host:port`, `dummy`. */
  readonly name: string;
  /**
   * Delivers jobs to `sink` until `signal` aborts, reconnecting as needed. Resolves after the
   * abort, with everything closed; rejects only with a `SourceError` that trying again cannot cure.
   */
  run(sink: JobSink, signal: AbortSignal): Promise<void>;
  /** Sends a share. Never rejects: whatever happens to the share is an outcome. */
  submit(share: Share): Promise<SubmitOutcome>;
}

export interface JobSink {
  /** Work to do from now on, in place of the last job. */
  job(job: MiningJob): void;
  /** There is no work: devices must stop hashing until the next job. */
  idle(reason: string): void;
}

/** A job as the source hands it out. */
export interface MiningJob {
  /** As the source spelled it; goes back with the share. */
  readonly jobId: string;
  /** Every field but the nonce is final. */
  readonly header: BlockHeader;
  readonly seed: Seed;
  /** A nonce is worth sending if its PoW hash is at most this. */
  readonly target: Target;
  /** Nonces to try: nonceStart … nonceEnd − 1, with nonceEnd ≤ 2^63. */
  readonly nonceStart: bigint;
  readonly nonceEnd: bigint;
  /** True if shares of older jobs are worthless from now on. */
  readonly clean: boolean;
  /**
   * Set if this is the job delivered last (this is its `jobId`) under another id or target: same
   * header, seed and `nonceStart`. Nonces go on from where that job was, whatever `clean` says and
   * even if `idle` came in between: starting again would find the same shares once more.
   */
  readonly sameWorkAs?: string;
}

/** A nonce whose PoW hash was computed twice, by two different paths, and meets the job's target. */
export interface Share {
  readonly job: MiningJob;
  readonly nonce: bigint;
  readonly headerHash: Uint8Array;
  readonly powHash: Uint8Array;
}

export type SubmitOutcome =
  | { readonly status: 'accepted'; readonly ms: number; readonly block: boolean }
  | {
      readonly status: 'rejected' | 'stale';
      readonly ms: number;
      readonly reason: string;
      /** The source's own code, if it gave one. */
      readonly code?: number;
    }
  /** The connection went away before an answer: nobody knows whether it counts. */
  | { readonly status: 'unanswered'; readonly reason: string };

export type SourceErrorDetail =
  | { readonly code: 'login-refused'; readonly source: string; readonly reason: string }
  | {
      readonly code: 'gave-up';
      readonly source: string;
      readonly retries: number;
      readonly reason: string;
    };

export class SourceError extends CodedError<SourceErrorDetail> {
  constructor(detail: SourceErrorDetail, options?: ErrorOptions) {
    super(
      detail.code === 'login-refused'
        ? `${detail.source} refused the login: ${detail.reason}`
        : `${detail.source}: gave up after ${detail.retries} ${detail.retries === 1 ? 'retry' : 'retries'}: ${detail.reason}`,
      detail,
      options,
    );
  }
}
