/**
 * Messages of the Bytom Stratum dialect, for both ends: login and submit as requests, job as a
 * notification, replies. JSON-RPC in looks only: no batches, `params` is an object, both `result`
 * and `error` are always present in a reply of a good server, and neither can be relied on.
 *
 * May surprise: the nonce of a submit is a big-endian number in hex while a job's is little-endian
 * bytes; btc.com answers a login twice, first without a job; its duplicate error is an array.
 */
import { bytesToHex } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { type JsonValue, stringifyExact } from '../util/json.ts';
import {
  bytesAt,
  idTextAt,
  isObject,
  type JsonObject,
  memberOf,
  objectAt,
  optionalText,
  shown,
  textAt,
} from '../util/json-fields.ts';
import { REJECTS, type RejectReason } from './reject.ts';

/** What a request carries to find its reply; a server echoes whatever it got. */
export type RequestId = JsonValue;

// ── Requests of a client ─────────────────────────────────────────────────────────────────────────

export interface ClientRequest {
  /** `null` if there was none. */
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonValue | undefined;
}

export interface LoginParams {
  /** The whole name, `account.worker`. */
  readonly login: string;
  readonly pass?: string;
  /** Name and version of the program, `bytom-miner/1.0.0`. */
  readonly agent?: string;
}

export interface SubmitParams {
  /** The id that the login's answer gave. */
  readonly workerId: string;
  readonly jobId: string;
  /** u64 */
  readonly nonce: bigint;
  /** The PoW hash the client claims, 32 bytes. Never to be trusted. */
  readonly result?: Uint8Array;
}

/** Reads the envelope of a request. Throws an `InputError` naming `request` or `request.method`. */
export function decodeRequest(value: JsonValue): ClientRequest {
  const request = objectAt(value, 'request');
  return {
    id: memberOf(request, 'id') ?? null,
    method: textAt(request, 'request', 'method'),
    params: memberOf(request, 'params'),
  };
}

/** Reads the params of a `login`. A missing or empty name is refused. */
export function decodeLogin(params: JsonValue | undefined): LoginParams {
  const object = objectAt(params, 'login');
  const login = textAt(object, 'login', 'login');
  if (login === '') throw new InputError('login.login', 'account.worker', 'an empty text');
  const pass = optionalText(object, 'login', 'pass');
  const agent = optionalText(object, 'login', 'agent');
  return {
    login,
    ...(pass === undefined ? {} : { pass }),
    ...(agent === undefined ? {} : { agent }),
  };
}

/** Account and worker of a login name: split at the first dot, worker `0` if there is none. */
export function splitLogin(login: string): { readonly account: string; readonly worker: string } {
  const dot = login.indexOf('.');
  return dot < 0
    ? { account: login, worker: '0' }
    : { account: login.slice(0, dot), worker: login.slice(dot + 1) };
}

/** Reads the params of a `submit`. The nonce is 1 to 16 lower-case hex digits. */
export function decodeSubmit(params: JsonValue | undefined): SubmitParams {
  const object = objectAt(params, 'submit');
  const nonce = textAt(object, 'submit', 'nonce');
  if (!/^[0-9a-f]{1,16}$/.test(nonce)) {
    throw new InputError('submit.nonce', '1 to 16 lower-case hex digits', shown(nonce));
  }
  const result = optionalText(object, 'submit', 'result');
  return {
    workerId: textAt(object, 'submit', 'id'),
    jobId: idTextAt(object, 'submit', 'job_id'),
    nonce: BigInt(`0x${nonce}`),
    ...(result === undefined ? {} : { result: bytesAt(object, 'submit', 'result', 32) }),
  };
}

/** A login as one line, line feed included. */
export function encodeLogin(id: RequestId, params: LoginParams): string {
  const { login, pass, agent } = params;
  return line({ method: 'login', params: { login, pass, agent }, id });
}

/** A submit as one line. Always 16 digits: btc.com misreads shorter nonces. */
export function encodeSubmit(id: RequestId, params: SubmitParams): string {
  const { workerId, jobId, nonce, result } = params;
  if (nonce < 0n || nonce >> 64n !== 0n) {
    throw new RangeError(`nonce expected an unsigned 64-bit integer, got ${nonce}`);
  }
  const digits = nonce.toString(16).padStart(16, '0');
  const claimed = result === undefined ? undefined : bytesToHex(result);
  return line({
    method: 'submit',
    params: { id: workerId, job_id: jobId, nonce: digits, result: claimed },
    id,
  });
}

// ── Messages of a server ─────────────────────────────────────────────────────────────────────────

export type ServerMessage =
  /** `job` is not decoded yet: a malformed one must not take the rest of the message with it. */
  | { readonly kind: 'job'; readonly job: JsonValue | undefined }
  | {
      readonly kind: 'reply';
      readonly id: RequestId;
      readonly verdict: Verdict;
      /** `result.id` of a login's answer: what submits must carry. */
      readonly workerId?: string;
      /** `result.job`, not decoded yet. */
      readonly job?: JsonValue;
    }
  /** A method we do not know. */
  | { readonly kind: 'other'; readonly method: string };

/** Whether a request was accepted. */
export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly code?: number; readonly message: string };

/** Reads a message of a server. Throws an `InputError` naming `message` or a member of it. */
export function decodeServerMessage(value: JsonValue): ServerMessage {
  const message = objectAt(value, 'message');
  const method = memberOf(message, 'method');
  if (typeof method === 'string') {
    return method === 'job'
      ? { kind: 'job', job: memberOf(message, 'params') }
      : { kind: 'other', method };
  }
  const result = memberOf(message, 'result');
  if (result === undefined && memberOf(message, 'error') === undefined) {
    throw new InputError('message', 'a method, a result or an error', shown(value));
  }
  const id = memberOf(message, 'id') ?? null;
  const verdict = verdictOf(message);
  if (!isObject(result)) return { kind: 'reply', id, verdict };
  const job = memberOf(result, 'job');
  const workerId = memberOf(result, 'id');
  return {
    kind: 'reply',
    id,
    verdict,
    ...(job === undefined || job === null ? {} : { job }),
    ...(typeof workerId === 'string' && workerId !== '' ? { workerId } : {}),
  };
}

/** The answer to an accepted share as one line. */
export function encodeAccepted(id: RequestId): string {
  return line({ id, jsonrpc: '2.0', result: { status: 'OK' }, error: null });
}

/** The answer to a keep-alive as one line. */
export function encodeKeptAlive(id: RequestId): string {
  return line({ id, jsonrpc: '2.0', result: { status: 'KEEPALIVED' }, error: null });
}

/** The answer to a refused request as one line; `text`, if any, follows the reason's own words. */
export function encodeRejected(id: RequestId, reason: RejectReason, text?: string): string {
  return line({ id, jsonrpc: '2.0', result: null, error: refusalOf(reason, text) });
}

/** Code and words of a refusal; `text`, if any, follows the reason's own words. */
export function refusalOf(
  reason: RejectReason,
  text?: string,
): { readonly code: number; readonly message: string } {
  const { code, message } = REJECTS[reason];
  return { code, message: text === undefined ? message : `${message}: ${text}` };
}

/**
 * Accepted is: no error (absent or null) and `result` true or with status "OK". Any error, in any
 * shape, is a refusal.
 */
function verdictOf(message: JsonObject): Verdict {
  const error = memberOf(message, 'error');
  if (error !== undefined && error !== null) return refusal(error);
  const result = memberOf(message, 'result');
  if (result === true) return { accepted: true };
  const status = isObject(result) ? memberOf(result, 'status') : undefined;
  if (status === 'OK') return { accepted: true };
  if (typeof status === 'string') return { accepted: false, message: status };
  return { accepted: false, message: `result ${shown(result)} without status "OK"` };
}

/** `{"code":23,"message":"…"}`, `[22,"…",null]`, or a bare text. */
function refusal(error: JsonValue): Verdict {
  const [code, message] = Array.isArray(error)
    ? [error[0], error[1]]
    : isObject(error)
      ? [memberOf(error, 'code'), memberOf(error, 'message')]
      : [undefined, error];
  return {
    accepted: false,
    ...(typeof code === 'number' ? { code } : {}),
    message: typeof message === 'string' ? message : `error ${shown(error)}`,
  };
}

function line(message: unknown): string {
  return `${stringifyExact(message)}\n`;
}
