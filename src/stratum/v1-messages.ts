/**
 * Messages of the generic Stratum v1 envelope (`mining.*`), for generic clients and proxies. The
 * requests are those of Bitcoin's; what stands in them is Bytom's and is described, with an example,
 * in pool/README.md. Params are arrays, an error is `[code, text, null]`.
 *
 * May surprise: a nonce has 64 bits, of which the pool gives the top 24 (extranonce1) and the client
 * counts 8 (extranonce2) and 32 (nonce), all big-endian hex; the numbers of a job are little-endian
 * like those of the Bytom dialect, and hashes are not turned round in any way.
 */
import type { BlockHeader } from '../chain/header.ts';
import { InputError } from '../util/errors.ts';
import { type JsonValue, stringifyExact } from '../util/json.ts';
import { isObject, type JsonObject, shown } from '../util/json-fields.ts';
import { decodeJob, encodeJob, type StratumJob } from './job.ts';
import { type LoginParams, type RequestId, refusalOf, type SubmitParams } from './messages.ts';
import type { RejectReason } from './reject.ts';

/** Bits of a nonce that the client counts: extranonce2 and nonce. The rest is extranonce1. */
export const V1_NONCE_BITS = 40;
/** Bytes of extranonce2, as `mining.subscribe` is told. */
const EXTRANONCE2_BYTES = 1;
const EXTRANONCE1_DIGITS = 6;

// ── Requests of a client ─────────────────────────────────────────────────────────────────────────

export interface V1SubmitParams extends SubmitParams {
  /** Hex digits that the nonce was written with, the pool's part included. */
  readonly nonceDigits: number;
}

/** The agent of `mining.subscribe [agent?, session?]`; the session is not read. Throws `InputError`. */
export function decodeSubscribe(params: JsonValue | undefined): string | undefined {
  return optionalTextAt(arrayAt(params ?? [], 'subscribe'), 'subscribe', 0, 'agent');
}

/** `mining.authorize [login, password?]`. A missing or empty login is refused with an `InputError`. */
export function decodeAuthorize(params: JsonValue | undefined): LoginParams {
  const values = arrayAt(params, 'authorize');
  const login = textAt(values, 'authorize', 0, 'login');
  if (login === '') throw new InputError('authorize.login', 'account.worker', 'an empty text');
  const pass = optionalTextAt(values, 'authorize', 1, 'password');
  return pass === undefined ? { login } : { login, pass };
}

/**
 * `mining.submit [login, job_id, extranonce2, timestamp, nonce, result?]`, or with the whole nonce:
 * `[login, job_id, nonce, result?]`. `start` is the first nonce of the client's range, whose top bits
 * extranonce1 told. The timestamp is not compared: with another one the share's hash is another.
 * Throws `InputError`.
 */
export function decodeV1Submit(params: JsonValue | undefined, start: bigint): V1SubmitParams {
  const values = arrayAt(params, 'submit');
  const workerId = textAt(values, 'submit', 0, 'login');
  const jobId = textAt(values, 'submit', 1, 'job_id');
  const isWhole = values.length < 5;
  const result = resultAt(values, isWhole ? 3 : 5);
  const nonce = isWhole
    ? hexNumberAt(values, 2, 'nonce', 16)
    : (start & ~((1n << BigInt(V1_NONCE_BITS)) - 1n)) |
      (hexNumberAt(values, 2, 'extranonce2', 2 * EXTRANONCE2_BYTES) << 32n) |
      hexNumberAt(values, 4, 'nonce', 8);
  if (!isWhole) textAt(values, 'submit', 3, 'timestamp');
  return { workerId, jobId, nonce, nonceDigits: 16, ...(result === undefined ? {} : { result }) };
}

/** The difficulty of `mining.suggest_difficulty [d]`: a finite number above zero. Throws `InputError`. */
export function decodeSuggestDifficulty(params: JsonValue | undefined): number {
  const [value] = arrayAt(params, 'suggest_difficulty');
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number <= 0) {
    throw new InputError('suggest_difficulty.difficulty', 'a number above 0', shown(value));
  }
  return number;
}

// ── Messages of a server ─────────────────────────────────────────────────────────────────────────

/** The answer to a subscription; `start` is the first nonce of the client's range. */
export function encodeSubscribed(id: RequestId, subscription: string, start: bigint): string {
  const kinds = ['mining.set_difficulty', 'mining.notify'];
  const subscriptions = kinds.map((kind) => [kind, subscription]);
  return encodeResult(id, [subscriptions, extranonce1(start), EXTRANONCE2_BYTES]);
}

/** An answer without an error. */
export function encodeResult(id: RequestId, result: JsonValue): string {
  return line({ id, result, error: null });
}

/** The answer to a refused request; `text`, if any, follows the reason's own words. */
export function encodeV1Rejected(id: RequestId, reason: RejectReason, text?: string): string {
  const { code, message } = refusalOf(reason, text);
  return line({ id, result: null, error: [code, message, null] });
}

/** Holds from the next job on. */
export function encodeSetDifficulty(difficulty: bigint): string {
  return line({ id: null, method: 'mining.set_difficulty', params: [difficulty] });
}

/** Another range of nonces, from the next job on. */
export function encodeSetExtranonce(start: bigint): string {
  const params = [extranonce1(start), EXTRANONCE2_BYTES];
  return line({ id: null, method: 'mining.set_extranonce', params });
}

/** A job; neither its target nor its nonce is in it. */
export function encodeNotify(job: StratumJob): string {
  const fields = encodeJob(job);
  const params = [
    ...NOTIFY_FIELDS.map((name) => (name === undefined ? [] : (fields[name] ?? false))),
  ];
  return line({ id: null, method: 'mining.notify', params });
}

/** What the params of `mining.notify` say; a client knows target and nonces from elsewhere. */
export type NotifiedJob = BlockHeader & Pick<StratumJob, 'jobId' | 'seed' | 'clean'>;

/** Reads a job as a client does. Its nonce is 0. Throws `InputError` naming `job` or a member. */
export function decodeNotify(params: JsonValue | undefined): NotifiedJob {
  const values = arrayAt(params, 'job');
  const fields: Record<string, JsonValue> = { nonce: '0'.repeat(16), target: 'ffffffff' };
  NOTIFY_FIELDS.forEach((name, i) => {
    const value = values[i];
    if (name !== undefined && value !== undefined) fields[name] = value;
  });
  const { target: _, ...job } = decodeJob(fields satisfies JsonObject);
  return job;
}

/** Members of a job in the order of the params; the gap is where Bitcoin's merkle branch stands. */
const NOTIFY_FIELDS = [
  'job_id',
  'previous_block_hash',
  'transactions_merkle_root',
  'transaction_status_hash',
  undefined,
  'version',
  'bits',
  'timestamp',
  'clean',
  'height',
  'seed',
] as const;

function extranonce1(start: bigint): string {
  return (start >> BigInt(V1_NONCE_BITS)).toString(16).padStart(EXTRANONCE1_DIGITS, '0');
}

function arrayAt(params: JsonValue | undefined, where: string): readonly JsonValue[] {
  // A tolerant reader: some libraries write an empty object where there are no params.
  if (isObject(params) && Object.keys(params).length === 0) return [];
  if (!Array.isArray(params)) throw new InputError(where, 'an array', shown(params));
  return params as readonly JsonValue[];
}

function textAt(values: readonly JsonValue[], where: string, index: number, name: string): string {
  const value = values[index];
  if (typeof value === 'string') return value;
  throw new InputError(`${where}.${name}`, 'a text', shown(value));
}

function optionalTextAt(
  values: readonly JsonValue[],
  where: string,
  index: number,
  name: string,
): string | undefined {
  const value = values[index];
  return value === undefined || value === null ? undefined : textAt(values, where, index, name);
}

function hexNumberAt(
  values: readonly JsonValue[],
  index: number,
  name: string,
  digits: number,
): bigint {
  const text = textAt(values, 'submit', index, name);
  if (text.length !== digits || !/^[0-9a-fA-F]+$/.test(text)) {
    throw new InputError(`submit.${name}`, `${digits} hex digits`, `"${text}"`);
  }
  return BigInt(`0x${text}`);
}

/** What is no hash is no claim: the share counts without one. */
function resultAt(values: readonly JsonValue[], index: number): Uint8Array | undefined {
  const value = values[index];
  if (typeof value !== 'string' || !/^[0-9a-fA-F]{64}$/.test(value)) return undefined;
  return new Uint8Array(Buffer.from(value, 'hex'));
}

function line(message: unknown): string {
  return `${stringifyExact(message)}\n`;
}
