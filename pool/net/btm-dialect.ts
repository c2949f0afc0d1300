/**
 * The Bytom dialect, login/job/submit (docs: Stratum-BTM). One message is one write of less than 1,024
 * bytes, which is all that Bitmain's B3 reads at once; so there is no second job after the login's answer.
 */
import { decodeTarget, encodeJob, encodeTarget } from '../../src/stratum/job.ts';
import {
  type ClientRequest,
  decodeLogin,
  decodeSubmit,
  encodeAccepted,
  encodeKeptAlive,
  encodeRejected,
  type RequestId,
} from '../../src/stratum/messages.ts';
import type { RejectReason } from '../../src/stratum/reject.ts';
import { difficultyToTarget, type Target } from '../../src/tensority/target.ts';
import { bytesToHex, writeU64 } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { stringifyExact } from '../../src/util/json.ts';
import { isObject, type JsonObject, memberOf } from '../../src/util/json-fields.ts';
import type { Job } from '../client.ts';
import type { PoolTemplate } from '../template.ts';
import { type ClientMessage, type Dialect, memoize, refuse, toLoginRequest } from './dialect.ts';

/** What the session's part of a nonce leaves (docs: nonce ranges). */
const NONCE_BITS = 45;

export class BtmDialect implements Dialect {
  readonly name = 'btm';
  readonly nonceBits: number = NONCE_BITS;
  /** A client's range does not change: its text is made once. */
  #start: { readonly nonce: bigint; readonly text: string } | undefined;
  /** Nor does its target change often, and each client may have its own. */
  #target: { readonly target: Target; readonly text: string } | undefined;

  targetFor(difficulty: bigint): Target {
    return targetFor(difficulty);
  }

  decode({ id, method, params }: ClientRequest): ClientMessage {
    switch (method) {
      case 'login':
        return decodeLoginRequest(id, params);
      case 'submit':
        return decodeSubmitRequest(id, params);
      case 'keepalived':
        return { kind: 'answered', reply: encodeKeptAlive(id) };
      default:
        return refuse(id, 'unsupported-method', `method "${method}"`, { fault: 'none' });
    }
  }

  /** Nobody asks for it in this dialect. */
  subscribed(): readonly string[] {
    return [];
  }

  loggedIn(id: RequestId, login: string, job: Job): readonly string[] {
    const head = `{"id":${stringifyExact(id)},"jsonrpc":"2.0","result":{"id":${JSON.stringify(login)}`;
    return [`${head},"job":${this.#object(job)},"status":"OK"},"error":null}\n`];
  }

  job(job: Job): readonly string[] {
    return [`{"jsonrpc":"2.0","method":"job","params":${this.#object(job)}}\n`];
  }

  accepted(id: RequestId): string {
    return encodeAccepted(id);
  }

  rejected(id: RequestId, reason: RejectReason, text?: string): string {
    return encodeRejected(id, reason, text);
  }

  /** The same text as that of `encodeJob`, which the pool has no time for on every connection. */
  #object(job: Job): string {
    const parts = partsOf(job.template);
    const clean = job.isClean ? 'true' : 'false';
    const start = this.#startText(job.startNonce);
    const head = `${parts.beforeNonce}${start}${parts.beforeId}${job.id}${parts.beforeTarget}`;
    return `${head}${this.#targetText(job.target)}","clean":${clean}}`;
  }

  #targetText(target: Target): string {
    if (this.#target?.target !== target) this.#target = { target, text: targetText(target) };
    return this.#target.text;
  }

  #startText(nonce: bigint): string {
    if (this.#start?.nonce !== nonce) {
      const bytes = new Uint8Array(8);
      writeU64(bytes, 0, nonce);
      this.#start = { nonce, text: bytesToHex(bytes) };
    }
    return this.#start.text;
  }
}

function decodeLoginRequest(id: RequestId, params: ClientRequest['params']): ClientMessage {
  // Nobody at all, rather than something of a wrong type.
  if (params === undefined || params === null) {
    return refuse(id, 'bad-login', 'a login without params', { isFatal: true });
  }
  try {
    const { login, pass = '', agent = '' } = decodeLogin(params);
    return { kind: 'login', id, request: toLoginRequest(login, pass, agent) };
  } catch (error) {
    const isTyped =
      textOf(params, 'login') !== undefined && isObject(params) && !hasOddText(params);
    return refuse(id, isTyped ? 'bad-login' : 'unknown', error, { isFatal: true });
  }
}

function decodeSubmitRequest(id: RequestId, params: ClientRequest['params']): ClientMessage {
  if (params === undefined || params === null) {
    return refuse(id, 'unauthorized', 'a submit without params', { isFatal: true });
  }
  const nonce = textOf(params, 'nonce');
  try {
    // What is no hash is no claim: the share counts without one.
    const isClaim = /^[0-9a-fA-F]{64}$/.test(textOf(params, 'result') ?? '');
    const known = isObject(params) && !isClaim ? { ...params, result: null } : params;
    return {
      kind: 'submit',
      id,
      request: { ...decodeSubmit(known), nonceDigits: nonce?.length ?? 0 },
    };
  } catch (error) {
    // Of the members only the nonce can be of the right type and yet wrong.
    if (nonce !== undefined && isNonceError(error)) {
      return refuse(id, 'bad-submit', error, { fault: 'submit' });
    }
    return refuse(id, 'unknown', error, { fault: 'submit', isFatal: true });
  }
}

function isNonceError(error: unknown): boolean {
  return error instanceof InputError && error.detail.field === 'submit.nonce';
}

function textOf(params: ClientRequest['params'], name: string): string | undefined {
  const value = isObject(params) ? memberOf(params, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Whether password or agent is there, but no text. */
function hasOddText(params: JsonObject): boolean {
  return ['pass', 'agent'].some((name) => {
    const value = memberOf(params, name) ?? null;
    return value !== null && typeof value !== 'string';
  });
}

/** Where all clients have a new target at once, it is mostly the same. */
const targetText = memoize(encodeTarget);
/** What `encodeTarget` makes of it, read as a miner does: the pool compares with what it sent. */
const targetFor = memoize((difficulty) =>
  decodeTarget(encodeTarget(difficultyToTarget(difficulty)), 'target'),
);

interface JobParts {
  readonly beforeNonce: string;
  readonly beforeId: string;
  readonly beforeTarget: string;
}

const partsByTemplate = new WeakMap<PoolTemplate, JobParts>();

/** What all clients of a template are sent alike, made once. */
function partsOf(template: PoolTemplate): JobParts {
  const known = partsByTemplate.get(template);
  if (known !== undefined) return known;
  const { header, seed, target } = template;
  const own = { nonce: '#', job_id: '#', target: '#' };
  const fields = { ...encodeJob({ ...header, jobId: '', seed, target }), ...own };
  // Hex and names throughout: the marks stand nowhere else.
  const [beforeNonce = '', beforeId = '', beforeTarget = ''] = JSON.stringify(fields).split('#');
  const parts = { beforeNonce, beforeId, beforeTarget };
  partsByTemplate.set(template, parts);
  return parts;
}
