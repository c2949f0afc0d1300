/**
 * The seam between JSON messages and what the pool understands. A dialect belongs to one connection:
 * it turns that client's requests into neutral ones, and jobs and outcomes into lines. The method of
 * the first request decides which one: `mining.*` is the generic envelope, all else the Bytom dialect.
 */
import type { ClientRequest, RequestId } from '../../src/stratum/messages.ts';
import type { RejectReason } from '../../src/stratum/reject.ts';
import type { Target } from '../../src/tensority/target.ts';
import { clip, InputError, oneLine } from '../../src/util/errors.ts';
import type { Job, LoginRequest, SubmitRequest } from '../client.ts';

export type DialectName = 'btm' | 'v1';

export type ClientMessage =
  | { readonly kind: 'login'; readonly id: RequestId; readonly request: LoginRequest }
  /** Wants to know its range of nonces before it logs in. */
  | { readonly kind: 'subscribe'; readonly id: RequestId }
  | { readonly kind: 'submit'; readonly id: RequestId; readonly request: SubmitRequest }
  | { readonly kind: 'suggest-difficulty'; readonly id: RequestId; readonly difficulty: number }
  /** Needs nothing but this answer: keep-alives, and extensions that ask for nothing we have. */
  | { readonly kind: 'answered'; readonly reply: string }
  /** To be refused. */
  | {
      readonly kind: 'refused';
      readonly id: RequestId;
      readonly reason: RejectReason;
      readonly what: string;
      readonly fault: Fault;
      /** Nobody who sends this can be served. */
      readonly isFatal: boolean;
    };

/**
 * Whose fault it is that a request is refused. `none`: nobody's, it asks for what we do not have.
 * `submit`: the miner's, like any bad share. `protocol`: the client's, and counts against its address.
 */
type Fault = 'none' | 'submit' | 'protocol';

export interface Dialect {
  readonly name: DialectName;
  /** Width of the range of nonces that this dialect can say. */
  readonly nonceBits: number;
  /** The target that it can say for a difficulty: never easier than 2^256 / it. */
  targetFor(difficulty: bigint): Target;
  /** Never throws. */
  decode(request: ClientRequest): ClientMessage;
  /** Each text of these is one line to be written by itself: simple miners take a packet for a message. */
  subscribed(id: RequestId, startNonce: bigint): readonly string[];
  loggedIn(id: RequestId, login: string, job: Job): readonly string[];
  job(job: Job): readonly string[];
  accepted(id: RequestId): string;
  rejected(id: RequestId, reason: RejectReason, text?: string): string;
}

/**
 * Longest login, in bytes of JSON: its answer, with the job, has to fit the 1,024 bytes that simple
 * miners read at once.
 */
const MAX_LOGIN_BYTES = 256;
const MAX_PASSWORD_CHARACTERS = 256;
const MAX_AGENT_CHARACTERS = 64;
/** What is wrong with a request may quote it. */
const MAX_WHAT = 200;

/** A login within bounds: agent and password are clipped, a name that is too long is an `InputError`. */
export function toLoginRequest(login: string, pass: string, agent: string): LoginRequest {
  const bytes = Buffer.byteLength(JSON.stringify(login)) - 2;
  if (bytes > MAX_LOGIN_BYTES) {
    throw new InputError('login', `a name of at most ${MAX_LOGIN_BYTES} bytes`, `${bytes} bytes`);
  }
  return {
    login,
    password: pass.slice(0, MAX_PASSWORD_CHARACTERS),
    agent: oneLine(agent.slice(0, MAX_AGENT_CHARACTERS)),
  };
}

/** Refuses a request that is wrong in itself, and says why. */
export function refuse(
  id: RequestId,
  reason: RejectReason,
  error: unknown,
  how: { readonly fault?: Fault; readonly isFatal?: boolean } = {},
): ClientMessage {
  // Anything but bad input is a mistake of this program, and must be seen as one.
  if (error instanceof Error && !(error instanceof InputError)) throw error;
  const what = clip(error instanceof InputError ? error.message : String(error), MAX_WHAT);
  const { fault = 'protocol', isFatal = false } = how;
  return { kind: 'refused', id, reason, what, fault, isFatal };
}

/** The last answers of a pure function by a bigint: there are few difficulties, and many jobs. */
export function memoize<T>(compute: (value: bigint) => T, entries = 256): (value: bigint) => T {
  const known = new Map<bigint, T>();
  return (value) => {
    let result = known.get(value);
    if (result === undefined) {
      result = compute(value);
      if (known.size >= entries) known.clear();
      known.set(value, result);
    }
    return result;
  };
}
