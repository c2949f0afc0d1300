/**
 * The seam between connections and shares. A connection turns bytes into requests and outcomes into
 * bytes; what a share is worth, it does not know. `ClientPort` is what the pool knows of a connection.
 */
import type { RejectReason } from '../src/stratum/reject.ts';
import type { Target } from '../src/tensority/target.ts';
import type { PoolTemplate } from './template.ts';

/** A job as one client has it. */
export interface Job {
  /** Decimal, below 2^53; no other job of this process has it. */
  readonly id: string;
  readonly template: PoolTemplate;
  /** Expected hashes behind a share: what an accepted one is credited with. */
  readonly difficulty: bigint;
  /** What shares are compared with: exactly what the client was told. */
  readonly target: Target;
  /** The first nonce of the client's range. */
  readonly startNonce: bigint;
  /** Older jobs are void (after the grace). */
  readonly isClean: boolean;
}

/** A connection, as the pool sees it. */
export interface ClientPort {
  /** Of the real client: behind a trusted proxy not the socket's. Without a port; IPv4 as such. */
  readonly address: string;
  /** `address:port`, for log lines. */
  readonly peer: string;
  /** Nonces of the generic envelope have a narrower range. */
  readonly nonceBits: number;
  /** The target that this client's dialect can say for a difficulty: never easier than 2^256 / it. */
  targetFor(difficulty: bigint): Target;
  /** One write; nothing happens on a closed connection. */
  sendJob(job: Job): void;
  /** Reads nothing more from the client until it is undone: TCP tells it to wait. */
  pause(isPaused: boolean): void;
  /** Ends it after what was written has gone out. The reason is for the log and the metrics. */
  close(reason: CloseReason): void;
}

export type CloseReason =
  | 'client'
  | 'banned'
  | 'protocol'
  | 'login-timeout'
  | 'idle'
  | 'too-slow'
  | 'flood'
  | 'limit'
  | 'unauthorized'
  | 'no-work'
  | 'socket-error'
  | 'draining';

export interface LoginRequest {
  /** The whole name, `account.worker`. */
  readonly login: string;
  readonly password: string;
  /** Name and version of the client's program, clipped. */
  readonly agent: string;
}

export interface SubmitRequest {
  /** What the client says it is. */
  readonly workerId: string;
  /** As the client spelled it. */
  readonly jobId: string;
  /** u64. With fewer than nine digits it may mean only the low half. */
  readonly nonce: bigint;
  readonly nonceDigits: number;
  /** The PoW hash that the client claims, 32 bytes. */
  readonly result?: Uint8Array;
  /** When it came (monotonic ms), however long it had to wait since. Now, if left out. */
  readonly arrivedAt?: number;
}

/** A logged-in client. */
export interface Session {
  readonly client: ClientPort;
  readonly login: string;
  readonly account: string;
  readonly worker: string;
}

export type LoginOutcome =
  | { readonly ok: true; readonly session: Session; readonly job: Job }
  /** To be answered, then closed. `text` says more than the reason's own words. */
  | {
      readonly ok: false;
      readonly reason: RejectReason;
      readonly text?: string;
      readonly close: CloseReason;
    };

export interface SubmitRefusal {
  readonly accepted: false;
  readonly reason: RejectReason;
  /** Says more than the reason's own words. */
  readonly text?: string;
  readonly close?: CloseReason;
}

export type SubmitOutcome = { readonly accepted: true } | SubmitRefusal;

/** What connections call. */
export interface PoolService {
  /** Whether clients from there are welcome at all: asked when they connect. */
  isBanned(address: string): boolean;
  /**
   * The first nonce of the range that the client will have once it logs in, for the envelope that must
   * tell it before that. It stays the client's own: `login` takes it over, `release` gives it back.
   * `undefined` if no range is free.
   */
  reserveNonces(client: ClientPort): bigint | undefined;
  /** A client that did not log in is gone: what was reserved for it is free. Idempotent. */
  release(client: ClientPort): void;
  /** Never throws. */
  login(client: ClientPort, request: LoginRequest): LoginOutcome;
  /** The difficulty that a client of the generic envelope asks for; ignored where it may not choose. */
  suggestDifficulty(session: Session, difficulty: number): void;
  /** Resolves when the share is on disk, or refused. Never rejects. */
  submit(session: Session, request: SubmitRequest): Promise<SubmitOutcome>;
  /**
   * A submit that could not be read, and `what` is wrong with it: it counts like any bad share. To be
   * closed if `close` says so. Never throws.
   */
  badSubmit(session: Session, what: string): SubmitRefusal;
  /** A malformed message, line or order of messages, at login or later: it counts against the client. */
  protocolError(client: ClientPort, session: Session | undefined, what: string): void;
  /** The connection is gone. Idempotent. */
  leave(session: Session): void;
}
