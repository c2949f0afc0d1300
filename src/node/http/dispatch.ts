/**
 * From a request to its answer: who may call, which call it is, what it takes, what it comes to.
 * Bytom 1.x mining interfaces, A.1. The method is not looked at.
 *
 * Unlike the reference, `/` shows where this interface is described instead of redirecting to a
 * dashboard, which this node does not have.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import type { ByteBudget } from '../../util/byte-budget.ts';
import { errorText } from '../../util/errors.ts';
import { stringifyExact } from '../../util/json.ts';
import type { ApiParts } from './api-parts.ts';
import { Authenticator, type AuthOptions, isOwnMachine, isPreflight } from './auth.ts';
import type { ApiCall } from './call.ts';
import { chainCalls } from './chain-calls.ts';
import {
  badBody,
  CallError,
  failureBody,
  notFound,
  RequestError,
  refusalBody,
  successBody,
} from './envelope.ts';
import type { EventStream } from './event-stream.ts';
import { readFields } from './fields.ts';
import { type HealthOptions, healthOf } from './health.ts';
import type { ApiMetrics, CallOutcome } from './metrics.ts';
import { miningCalls } from './mining-calls.ts';
import { openApiDocument } from './openapi.ts';
import { peerCalls } from './peer-calls.ts';
import { parseBody, readBody } from './request-body.ts';
import { tokenCalls } from './token-calls.ts';
import { transactionCalls } from './transaction-calls.ts';
import { NO_WALLET, WALLET_CALLS } from './wallet-calls.ts';
import { workCalls } from './work-calls.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** JSON if left out. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DispatchOptions extends AuthOptions, HealthOptions {
  /** Of this program. */
  readonly version: string;
}

export interface DispatchParts extends ApiParts {
  readonly events: EventStream;
  readonly metrics: ApiMetrics;
  /** For bodies. */
  readonly budget: ByteBudget;
}

/** All calls of A.2 to A.5. */
export function allCalls(
  options: { readonly version: string },
  parts: ApiParts,
): readonly ApiCall[] {
  return [
    ...workCalls(parts),
    ...miningCalls(parts),
    ...chainCalls(parts),
    ...peerCalls(options, parts),
    ...transactionCalls(parts),
    ...tokenCalls(parts),
  ];
}

export class Dispatcher {
  readonly #options: DispatchOptions;
  readonly #parts: DispatchParts;
  readonly #auth: Authenticator;
  readonly #calls: ReadonlyMap<string, ApiCall>;
  #openApi: string | undefined;

  constructor(options: DispatchOptions, parts: DispatchParts) {
    this.#options = options;
    this.#parts = parts;
    this.#auth = new Authenticator(options, parts);
    this.#calls = new Map(allCalls(options, parts).map((call) => [call.name, call]));
  }

  /** Never rejects. `undefined` where the response has become a stream of events. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const { clock, metrics, log } = this.#parts;
    const started = clock.now();
    const target = targetOf(request.url ?? '');
    const label = this.#label(target.path);
    let answer: Answer | undefined;
    let outcome: CallOutcome = 'success';
    try {
      this.#auth.check(request);
      answer = await this.#dispatch(target, request, response);
    } catch (error) {
      [answer, outcome] = this.#failure(error, label);
    }
    const seconds = (clock.now() - started) / 1000;
    metrics.count(label, outcome, seconds);
    log.debug('rpc', { call: label, outcome, ms: Math.round(seconds * 1000) });
    if (answer === undefined) return undefined;
    return { ...answer, headers: { ...this.#auth.corsHeaders(request), ...answer.headers } };
  }

  async #dispatch(
    { path, query }: Target,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answer | undefined> {
    if (isPreflight(request)) return this.#preflight(request);
    const clean = cleanPath(path);
    if (clean !== path) return redirect(`${encodedPath(clean)}${query}`);
    const name = path.slice(1);
    const call = this.#calls.get(name);
    if (call !== undefined) return this.#call(call, request);
    switch (path) {
      case '/':
        return { status: 200, body: `${JSON.stringify(this.#welcome())}\n` };
      case '/error':
        throw new CallError(NO_WALLET);
      case '/health': {
        const { status, body } = healthOf(this.#options, this.#parts);
        return { status, body: `${stringifyExact(body)}\n`, headers: NOT_STORED };
      }
      case '/metrics': {
        const { metrics } = this.#parts;
        return { status: 200, body: await metrics.text(), contentType: metrics.contentType };
      }
      case '/openapi.json':
        return { status: 200, body: this.#openApiText() };
      case '/events':
        return this.#events(query, request, response);
    }
    if (WALLET_CALLS.has(name)) return redirect('/error');
    throw notFound();
  }

  async #call(call: ApiCall, request: IncomingMessage): Promise<Answer> {
    if (call.loopbackOnly && !isOwnMachine(request)) {
      throw new RequestError(401, 'BTM860', 'this call is served to this machine alone');
    }
    const { fields = {} } = call;
    const bare = call.fields === undefined;
    const node = bare
      ? ({ type: 'null' } as const)
      : parseBody(await readBody(request, call.maxBodyBytes, this.#parts.budget));
    if (!bare && call.refusesNull && node.type === 'null') throw badBody('null');
    const data = await call.run(readFields(fields, node));
    return { status: 200, body: successBody(data) };
  }

  #events(query: string, request: IncomingMessage, response: ServerResponse): Answer | undefined {
    // A stream without a body would never end.
    if (request.method === 'HEAD')
      return { status: 200, body: '', contentType: 'text/event-stream' };
    const types = new URLSearchParams(query).get('types');
    this.#parts.events.open(response, types, this.#auth.corsHeaders(request));
    return undefined;
  }

  /** A page of a configured origin asks whether it may call. */
  #preflight(request: IncomingMessage): Answer {
    const headers = {
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': '600',
      ...this.#auth.corsHeaders(request),
    };
    return { status: 204, body: '', headers };
  }

  #welcome(): Record<string, unknown> {
    const { chain } = this.#parts;
    return {
      name: 'bytom-node',
      version: this.#options.version,
      network: chain.network.name,
      api: '/openapi.json',
      health: '/health',
      metrics: '/metrics',
      events: '/events',
    };
  }

  #openApiText(): string {
    this.#openApi ??= `${JSON.stringify(openApiDocument(this.#options, [...this.#calls.values()]))}\n`;
    return this.#openApi;
  }

  /** A name of a fixed list. */
  #label(path: string): string {
    const name = path.slice(1);
    if (this.#calls.has(name)) return name;
    return OTHER_LABELS.has(name) ? name : 'unknown';
  }

  /** The answer to whatever was thrown. Nothing of a fault of ours leaves but that there was one. */
  #failure(error: unknown, call: string): [Answer, CallOutcome] {
    if (error instanceof CallError) return [{ status: 200, body: failureBody(error) }, 'failed'];
    if (error instanceof RequestError) {
      const { status, refusal, headers = {} } = error.detail;
      const outcome = refusal === 'BTM860' ? 'unauthorized' : 'refused';
      return [{ status, body: refusalBody(error), headers }, outcome];
    }
    const { log } = this.#parts;
    log.error('rpc failed', { call, reason: errorText(error) });
    if (error instanceof Error) log.debug('rpc failed at', { call, stack: error.stack });
    const hidden = new RequestError(500, 'BTM000', 'internal error');
    return [{ status: 500, body: refusalBody(hidden) }, 'error'];
  }
}

const NOT_STORED = { 'cache-control': 'no-store' } as const;
const OTHER_LABELS: ReadonlySet<string> = new Set(['health', 'metrics', 'openapi.json', 'events']);

interface Target {
  /** Decoded. */
  readonly path: string;
  /** With its question mark; empty if there is none. */
  readonly query: string;
}

/** Of `/path?query`, or of a whole URL, which proxies send. */
function targetOf(url: string): Target {
  const local = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const mark = local.indexOf('?');
  const written = mark < 0 ? local : local.slice(0, mark);
  const query = mark < 0 ? '' : local.slice(mark);
  try {
    return { path: decodeURIComponent(written) || '/', query };
  } catch {
    // No path of ours: it stays as it is.
    return { path: written, query };
  }
}

/** Without doubled slashes and dots; the slash at its end stays. */
function cleanPath(path: string): string {
  return path.startsWith('/') ? posix.normalize(path) : path;
}

/** Whatever is in it, it is one path on this host: `/\host` would be another host to browsers. */
function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function redirect(location: string): Answer {
  return { status: 301, body: '', headers: { location } };
}
