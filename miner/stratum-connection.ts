/**
 * One connection to a pool, from dialling to its end. `open` resolves when there is work: connected,
 * logged in and a job received (btc.com's comes with a second answer). After that nothing a pool
 * sends is fatal but a message without an end and twenty bad ones in a row.
 *
 * Sends no keep-alive of its own: btmcpool hangs up on methods it does not know.
 */

import { decodeJob, type StratumJob } from '../src/stratum/job.ts';
import { JsonStream, type JsonStreamEvent } from '../src/stratum/json-stream.ts';
import {
  decodeServerMessage,
  encodeLogin,
  encodeSubmit,
  type RequestId,
  type ServerMessage,
  type Verdict,
} from '../src/stratum/messages.ts';
import { createDeferred } from '../src/util/deferred.ts';
import { clip, errorText, InputError } from '../src/util/errors.ts';
import { type JsonValue, stringifyExact } from '../src/util/json.ts';
import { parseMessage } from '../src/util/json-fields.ts';
import type { LogFields, Logger } from '../src/util/log.ts';
import type { PoolUrl } from './pool-url.ts';
import { ConnectionError, type ConnectionErrorDetail } from './stratum-error.ts';
import { PendingShares, type SubmitAnswer } from './stratum-pending.ts';
import { dial, type PoolSocket } from './stratum-socket.ts';

/** Where to mine and as whom. */
export interface PoolAccess {
  readonly url: PoolUrl;
  /** `address.worker` or `account.worker`. */
  readonly user: string;
  readonly password: string;
  /** SHA-256 of the certificate (64 lower-case hex digits) to trust in place of the usual check. */
  readonly tlsFingerprint?: string;
}

export interface ConnectionOptions {
  /** Name and version that the login tells the pool. */
  readonly agent: string;
  /** From dialling to the first job. */
  readonly connectTimeoutMs: number;
  /** From a submit to its answer. */
  readonly submitTimeoutMs: number;
}

export interface ConnectionParts {
  readonly log: Logger;
  /** Milliseconds that only grow, as `performance.now`. */
  readonly now: () => number;
  /** Sees every message as text, with the password masked. */
  readonly protocolDump?: ProtocolDump;
}

export type ProtocolDump = (direction: 'in' | 'out', text: string) => void;

const LOGIN_ID = 1;
/** Bad messages in a row after which the other end is no pool, or not in its right mind. */
const MAX_PROBLEMS = 20;
/** A problem with the same field is told again after so long. */
const REPEAT_WARNING_MS = 60_000;
/** Passwords shorter than this ("x", "123") are no secret, and masking them would garble text. */
const SECRET_LENGTH = 4;

export class StratumConnection {
  readonly pool: PoolAccess;
  /** Aborted, with a `ConnectionError` as its reason, when the connection is gone. */
  readonly gone: AbortSignal;
  /** Takes jobs as they come. Until it is set, `lastJob` alone keeps them. */
  onJob: ((job: StratumJob) => void) | undefined;

  readonly #options: ConnectionOptions;
  readonly #parts: ConnectionParts;
  readonly #stream = new JsonStream();
  readonly #pending: PendingShares;
  readonly #warnedAt = new Map<string, number>();
  readonly #socket: PoolSocket;
  readonly #deadline: NodeJS.Timeout;
  readonly #ready = createDeferred<void>();
  readonly #goneController = new AbortController();
  #phase: 'connect' | 'login' | 'job' | 'open' | 'gone' = 'connect';
  #lastJob: StratumJob | undefined;
  #workerId: string;
  #nextId = LOGIN_ID + 1;
  #problems = 0;
  #lastProblem: string | undefined;
  #lastMessageAt: number;

  /**
   * Connects and logs in, unless one of `stops` aborts. Rejects with a `ConnectionError`; then
   * everything is closed again.
   */
  static async open(
    pool: PoolAccess,
    options: ConnectionOptions,
    parts: ConnectionParts,
    stops: readonly AbortSignal[],
  ): Promise<StratumConnection> {
    if (stops.some((stop) => stop.aborted)) {
      throw new ConnectionError(pool.url.name, { code: 'aborted' });
    }
    const connection = new StratumConnection(pool, options, parts);
    const abort = (): void => connection.#end({ code: 'aborted' });
    for (const stop of stops) stop.addEventListener('abort', abort, { once: true });
    try {
      await connection.#ready.promise;
    } finally {
      for (const stop of stops) stop.removeEventListener('abort', abort);
    }
    return connection;
  }

  private constructor(pool: PoolAccess, options: ConnectionOptions, parts: ConnectionParts) {
    this.pool = pool;
    this.#options = options;
    this.#parts = parts;
    this.#workerId = pool.user;
    this.#lastMessageAt = parts.now();
    this.#pending = new PendingShares(options.submitTimeoutMs, parts.now);
    this.gone = this.#goneController.signal;
    this.#deadline = setTimeout(() => this.#timeOut(), options.connectTimeoutMs);
    this.#socket = dial(pool.url, pool.tlsFingerprint, {
      connected: () => this.#login(),
      data: (chunk) => this.#take(this.#stream.push(chunk)),
      ended: () => this.#take(this.#stream.end()),
      closed: (detail) => this.#end(detail),
    });
  }

  get name(): string {
    return this.pool.url.name;
  }

  get isLost(): boolean {
    return this.#phase === 'gone';
  }

  /** The last good job. */
  get lastJob(): StratumJob {
    if (this.#lastJob === undefined) throw new RangeError('lastJob asked for before there was one');
    return this.#lastJob;
  }

  /** When the last job or reply came, on the clock of `now`. */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** Sends a share without waiting for earlier answers. Never rejects. */
  submit(jobId: string, nonce: bigint, powHash: Uint8Array): Promise<SubmitAnswer> {
    if (this.#phase !== 'open') {
      return Promise.resolve({ kind: 'none', reason: 'the connection is closed' });
    }
    const id = this.#nextId++;
    const answer = this.#pending.add(String(id));
    this.#send(encodeSubmit(id, { workerId: this.#workerId, jobId, nonce, result: powHash }));
    return answer;
  }

  /** Resolves when the socket is closed; never rejects. */
  get closed(): Promise<void> {
    return this.#socket.closed;
  }

  /** Ends the connection, because of `detail`; shares still out are unanswered. Resolves as `closed`. */
  close(detail: ConnectionErrorDetail = { code: 'closed', by: 'us' }): Promise<void> {
    this.#end(detail);
    return this.closed;
  }

  /** Waits until every share sent was answered, at most `ms`, and closes. */
  async drain(ms: number): Promise<void> {
    this.onJob = undefined;
    await this.#pending.drained(ms);
    await this.close();
  }

  #login(): void {
    this.#phase = 'login';
    const { user, password } = this.pool;
    const { agent } = this.#options;
    const login = { login: user, pass: password, agent };
    this.#parts.protocolDump?.('out', encodeLogin(LOGIN_ID, { ...login, pass: '***' }).trimEnd());
    this.#socket.write(encodeLogin(LOGIN_ID, login));
  }

  #send(line: string): void {
    this.#parts.protocolDump?.('out', this.#redact(line.trimEnd()));
    this.#socket.write(line);
  }

  #take(events: readonly JsonStreamEvent[]): void {
    for (const event of events) {
      if (this.#phase === 'gone') return;
      switch (event.kind) {
        case 'message':
          this.#parts.protocolDump?.('in', this.#redact(event.text));
          this.#message(event.text);
          break;
        case 'garbage':
          this.#parts.protocolDump?.('in', this.#redact(event.sample));
          this.#problem(new InputError('message', 'a JSON object', `"${event.sample}"`));
          break;
        case 'truncated':
          this.#parts.protocolDump?.('in', this.#redact(event.sample));
          this.#problem(
            new InputError('message', 'a whole message', `only "${event.sample}" and the end`),
          );
          break;
        case 'too-long':
          this.#end({
            code: 'protocol',
            reason: `a message of more than ${event.maxBytes} bytes`,
          });
          break;
      }
    }
  }

  #message(text: string): void {
    try {
      const message = decodeServerMessage(parseMessage(text));
      switch (message.kind) {
        case 'job':
          this.#job(message.job);
          break;
        case 'reply':
          this.#reply(message);
          break;
        case 'other':
          this.#parts.log.debug('unknown method', {
            pool: this.name,
            method: clip(message.method),
          });
          break;
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // An excerpt of this message could cut the password in two and so escape the masking.
      const { field, expected } = error.detail;
      const isSafe = this.#redact(text) === text;
      this.#problem(
        isSafe ? error : new InputError(field, expected, 'something with the password'),
      );
    }
  }

  #reply(reply: ServerMessage & { readonly kind: 'reply' }): void {
    const id = idText(reply.id);
    const isLogin = this.#phase === 'login' || this.#phase === 'job';
    const verdict = this.#presentable(reply.verdict);
    if (isLogin && !verdict.accepted && reply.job === undefined) {
      const { code, message: reason } = verdict;
      this.#end({
        code: 'login-refused',
        reason,
        ...(code === undefined ? {} : { wireCode: code }),
      });
      return;
    }
    this.#good();
    if (isLogin) {
      if (reply.workerId !== undefined) this.#workerId = reply.workerId;
      this.#phase = 'job';
    } else if (!this.#pending.answer(id, verdict) && !verdict.accepted) {
      this.#warn('reply', { id: clip(id), message: verdict.message });
    }
    if (reply.job !== undefined) this.#job(reply.job);
    else this.#openWithJob();
  }

  #job(value: JsonValue | undefined): void {
    const job = decodeJob(value);
    this.#good();
    this.#lastJob = job;
    this.#openWithJob();
    this.onJob?.(job);
  }

  /** Login and first job may come in any order, and in one message or two. */
  #openWithJob(): void {
    if (this.#phase !== 'job' || this.#lastJob === undefined) return;
    this.#phase = 'open';
    clearTimeout(this.#deadline);
    this.#ready.resolve();
  }

  #good(): void {
    this.#problems = 0;
    this.#lastMessageAt = this.#parts.now();
  }

  /** Something the pool sent makes no sense: one line about it, and on we go. */
  #problem(error: InputError): void {
    const text = this.#redact(errorText(error));
    this.#lastProblem = text;
    const { field, got } = error.detail;
    this.#warn(field, { field, got: this.#redact(got) }, text);
    if (++this.#problems >= MAX_PROBLEMS) {
      this.#end({
        code: 'protocol',
        reason: `${this.#problems} bad messages in a row, last ${text}`,
      });
    }
  }

  /** Warns about a kind of trouble, but not in a flood: repeats within a minute are for `debug`. */
  #warn(kind: string, fields: LogFields, text?: string): void {
    const now = this.#parts.now();
    const last = this.#warnedAt.get(kind);
    const isNews = last === undefined || now - last >= REPEAT_WARNING_MS;
    if (isNews) this.#warnedAt.set(kind, now);
    const event = text === undefined ? 'unexpected reply' : 'bad message';
    this.#parts.log[isNews ? 'warn' : 'debug'](
      event,
      { pool: this.name, ...fields },
      text === undefined ? undefined : `bad message from ${this.name}: ${text}`,
    );
  }

  #timeOut(): void {
    const phase = this.#phase;
    if (phase === 'open' || phase === 'gone') return;
    const problem = this.#lastProblem;
    const afterMs = this.#options.connectTimeoutMs;
    this.#end({ code: 'timeout', phase, afterMs, ...(problem === undefined ? {} : { problem }) });
  }

  #end(detail: ConnectionErrorDetail): void {
    if (this.#phase === 'gone') return;
    const error = new ConnectionError(this.name, endOf(detail, this.#phase));
    this.#phase = 'gone';
    clearTimeout(this.#deadline);
    if (detail.code === 'closed' || detail.code === 'aborted') this.#socket.close();
    else this.#socket.destroy();
    this.#ready.reject(error);
    this.#pending.giveUp(error.message);
    this.#goneController.abort(error);
  }

  /** A refusal's text as it may be shown: one short line without the password. */
  #presentable(verdict: Verdict): Verdict {
    if (verdict.accepted) return verdict;
    return { ...verdict, message: clip(this.#redact(verdict.message)) };
  }

  #redact(text: string): string {
    const { password } = this.pool;
    if (password.length < SECRET_LENGTH) return text;
    const escaped = JSON.stringify(password).slice(1, -1);
    return text.replaceAll(password, '***').replaceAll(escaped, '***');
  }
}

/** The id of a reply as a text. Ours are numbers, which some pools send back as texts. */
function idText(id: RequestId): string {
  // Not String(id): an object can come with a `toString` that is no function.
  return typeof id === 'string' ? id : stringifyExact(id);
}

/** A pool that hangs up on a login says something by it. */
function endOf(detail: ConnectionErrorDetail, phase: string): ConnectionErrorDetail {
  return detail.code === 'closed' && detail.by === 'pool' && phase === 'login'
    ? { code: 'closed', by: 'pool', unanswered: 'login' }
    : detail;
}
