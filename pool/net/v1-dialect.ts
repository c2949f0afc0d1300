/**
 * The generic Stratum v1 envelope, `mining.*`. Its parameters are described in pool/README.md. A job
 * does not carry its target: the difficulty is told before the first job that it holds for.
 */
import type { ClientRequest, RequestId } from '../../src/stratum/messages.ts';
import type { RejectReason } from '../../src/stratum/reject.ts';
import {
  decodeAuthorize,
  decodeSubscribe,
  decodeSuggestDifficulty,
  decodeV1Submit,
  encodeNotify,
  encodeResult,
  encodeSetDifficulty,
  encodeSetExtranonce,
  encodeSubscribed,
  encodeV1Rejected,
  V1_NONCE_BITS,
} from '../../src/stratum/v1-messages.ts';
import { difficultyToTarget, type Target } from '../../src/tensority/target.ts';
import type { Job } from '../client.ts';
import type { PoolTemplate } from '../template.ts';
import { type ClientMessage, type Dialect, memoize, refuse, toLoginRequest } from './dialect.ts';

export class V1Dialect implements Dialect {
  readonly name = 'v1';
  readonly nonceBits: number = V1_NONCE_BITS;
  #agent = '';
  /** First nonce of the range that the client was told last. */
  #start: bigint | undefined;
  #difficulty: bigint | undefined;

  targetFor(difficulty: bigint): Target {
    return targetFor(difficulty);
  }

  decode(request: ClientRequest): ClientMessage {
    const { id, method, params } = request;
    try {
      switch (method) {
        case 'mining.subscribe':
          this.#agent = decodeSubscribe(params) ?? '';
          return { kind: 'subscribe', id };
        case 'mining.authorize':
          return this.#authorize(request);
        case 'mining.submit':
          return this.#submit(request);
        case 'mining.suggest_difficulty':
          return { kind: 'suggest-difficulty', id, difficulty: decodeSuggestDifficulty(params) };
        // Another range is announced to everybody whose range changes: nothing to switch on.
        case 'mining.extranonce.subscribe':
          return { kind: 'answered', reply: encodeResult(id, true) };
        // No extension is agreed to.
        case 'mining.configure':
          return { kind: 'answered', reply: encodeResult(id, {}) };
        case 'mining.ping':
          return { kind: 'answered', reply: encodeResult(id, 'pong') };
        default:
          return refuse(id, 'unsupported-method', `method "${method}"`, { fault: 'none' });
      }
    } catch (error) {
      return refuse(id, 'unknown', error);
    }
  }

  subscribed(id: RequestId, startNonce: bigint): readonly string[] {
    this.#start = startNonce;
    // One subscription to a connection; its name is never asked for.
    return [encodeSubscribed(id, (startNonce >> BigInt(V1_NONCE_BITS)).toString(16), startNonce)];
  }

  loggedIn(id: RequestId, _login: string, job: Job): readonly string[] {
    return [encodeResult(id, true), ...this.job(job)];
  }

  job(job: Job): readonly string[] {
    const parts = partsOf(job.template);
    const clean = job.isClean ? 'true' : 'false';
    const notify = `${parts.beforeId}${job.id}${parts.beforeClean}${clean}${parts.afterClean}`;
    if (this.#start === job.startNonce && this.#difficulty === job.difficulty) return [notify];
    const lines: string[] = [];
    if (this.#start !== job.startNonce) lines.push(encodeSetExtranonce(job.startNonce));
    if (this.#difficulty !== job.difficulty) lines.push(encodeSetDifficulty(job.difficulty));
    this.#start = job.startNonce;
    this.#difficulty = job.difficulty;
    lines.push(notify);
    return lines;
  }

  accepted(id: RequestId): string {
    return encodeResult(id, true);
  }

  rejected(id: RequestId, reason: RejectReason, text?: string): string {
    return encodeV1Rejected(id, reason, text);
  }

  #authorize({ id, params }: ClientRequest): ClientMessage {
    if (this.#start === undefined) return refuse(id, 'not-subscribed', 'authorize comes first');
    try {
      const { login, pass = '' } = decodeAuthorize(params);
      return { kind: 'login', id, request: toLoginRequest(login, pass, this.#agent) };
    } catch (error) {
      return refuse(id, 'bad-login', error, { isFatal: true });
    }
  }

  #submit({ id, params }: ClientRequest): ClientMessage {
    if (this.#start === undefined) return refuse(id, 'not-subscribed', 'submit comes first');
    try {
      return { kind: 'submit', id, request: decodeV1Submit(params, this.#start) };
    } catch (error) {
      return refuse(id, 'bad-submit', error, { fault: 'submit' });
    }
  }
}

const targetFor = memoize(difficultyToTarget);

interface NotifyParts {
  readonly beforeId: string;
  readonly beforeClean: string;
  readonly afterClean: string;
}

const partsByTemplate = new WeakMap<PoolTemplate, NotifyParts>();

/** What all clients of a template are sent alike, made once. */
function partsOf(template: PoolTemplate): NotifyParts {
  const known = partsByTemplate.get(template);
  if (known !== undefined) return known;
  const { header, seed, target } = template;
  const line = encodeNotify({ ...header, jobId: '#', seed, target, clean: true });
  // Hex and names throughout: the marks stand nowhere else.
  const [beforeId = '', rest = ''] = line.split('#');
  const [beforeClean = '', afterClean = ''] = rest.split('true');
  const parts = { beforeId, beforeClean, afterClean };
  partsByTemplate.set(template, parts);
  return parts;
}
