/**
 * The HTTP server of the node: connections, their limits, and how answers are written. What is
 * answered, `dispatch.ts` says. Bytom 1.x mining interfaces, A.1.
 */
import { METHODS, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { ByteBudget } from '../../util/byte-budget.ts';
import { endsWithin } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { ApiParts } from './api-parts.ts';
import { isLoopback } from './auth.ts';
import { type Answer, Dispatcher, type DispatchOptions } from './dispatch.ts';
import { badBody, busy, notFound, RequestError, refusalBody } from './envelope.ts';
import { EventStream, type EventStreamOptions } from './event-stream.ts';
import { ApiMetrics } from './metrics.ts';
import { discardBody } from './request-body.ts';

export interface ApiServerOptions extends DispatchOptions {
  /** An IP address, or `localhost`. */
  readonly host: string;
  /** 0: any that is free. The reference's is 9888. */
  readonly port: number;
  readonly limits?: ApiLimits;
  readonly events?: EventStreamOptions;
}

export interface ApiLimits {
  /** Default 512. Others leave this machine's own a quarter of them. */
  readonly maxConnections?: number;
  /** Of one address that is not this machine's. Default 64. */
  readonly maxConnectionsPerAddress?: number;
  /** For the head of a request. Default 10 s. */
  readonly headMs?: number;
  /** For a whole request. Default 60 s: a block of 22 MB at 3 Mbit/s. */
  readonly requestMs?: number;
  /** A connection is kept for so long after an answer. Default 60 s. */
  readonly keepAliveMs?: number;
  /** Without a byte either way, such as of an answer that nobody reads. Default 6 minutes. */
  readonly idleMs?: number;
  /** For answers under way when the server is closed. Default 3 s. */
  readonly graceMs?: number;
  /** That bodies, and answers of more than 64 KiB, take together. Default 192 MiB. */
  readonly maxBytes?: number;
}

const SECURITY_HEADERS = {
  vary: 'Accept-Encoding',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1',
} as const;

const JSON_TYPE = 'application/json; charset=utf-8';
/** Of a body that nobody reads: a garbled `{}` passes by, a film does not. */
const MAX_DISCARDED_BYTES = 2 ** 20;
const SMALL_ANSWER_BYTES = 64 * 1024;
const MAX_HEAD_BYTES = 16 * 1024;

const compress = promisify(gzip);

export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #limits: Required<ApiLimits>;
  readonly #parts: ApiParts;
  readonly #budget: ByteBudget;
  readonly #metrics: ApiMetrics;
  readonly #events: EventStream;
  readonly #dispatcher: Dispatcher;
  readonly #app: FastifyInstance;
  /** Open connections by address; all of this machine's own under one name. */
  readonly #connections = new Map<string, number>();
  readonly #answering = new Set<ServerResponse>();
  #closing: Promise<void> | undefined;

  constructor(options: ApiServerOptions, parts: ApiParts) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#parts = parts;
    this.#budget = new ByteBudget(this.#limits.maxBytes);
    this.#metrics = new ApiMetrics(parts);
    this.#events = new EventStream(options.events ?? {}, parts);
    this.#dispatcher = new Dispatcher(options, {
      ...parts,
      events: this.#events,
      metrics: this.#metrics,
      budget: this.#budget,
    });
    this.#app = this.#createApp();
  }

  /** Listens; resolves with where. Rejects the system's error, such as for a port in use. */
  async start(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    // For the name, fastify would open a second server, whose connections nobody counts.
    await this.#app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
    const { address, port: bound } = this.#app.server.address() as AddressInfo;
    this.#parts.log.info('http api listening', { host: address, port: bound });
    return { host: address, port: bound };
  }

  /** Lets answers under way out, for a moment, and closes everything. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#events.close();
    const closed = this.#app.close();
    // Those that have never sent a request are no idle ones to Node, and would not be closed.
    await endsWithin(this.#allAnswered(), this.#limits.graceMs, this.#parts.clock);
    this.#app.server.closeAllConnections();
    await closed;
    this.#metrics.close();
  }

  /** Resolves when no answer is under way. */
  async #allAnswered(): Promise<void> {
    while (this.#answering.size > 0) {
      const [response] = this.#answering;
      await new Promise((resolve) => response!.once('close', resolve));
    }
  }

  #createApp(): FastifyInstance {
    const { headMs, requestMs, keepAliveMs, idleMs } = this.#limits;
    const app = fastify({
      logger: false,
      exposeHeadRoutes: false,
      forceCloseConnections: 'idle',
      return503OnClosing: false,
      requestTimeout: requestMs,
      keepAliveTimeout: keepAliveMs,
      connectionTimeout: idleMs,
      routerOptions: { maxParamLength: MAX_HEAD_BYTES },
      http: {
        headersTimeout: Math.min(headMs, requestMs),
        connectionsCheckingInterval: Math.min(headMs, requestMs, 5000) / 2,
        maxHeaderSize: MAX_HEAD_BYTES,
      },
      frameworkErrors: (_error, request, reply) => {
        void this.#send(request, reply, refusalAnswer(notFound()));
      },
      clientErrorHandler: (error, socket) => this.#refuseUnread(error, socket),
    });
    // All methods are the same, and none has its body read by fastify: it would look at its type.
    for (const method of METHODS) {
      app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
    }
    app.route({
      method: [...METHODS],
      url: '*',
      handler: (request, reply) => this.#handle(request, reply),
    });
    app.setErrorHandler((error, request, reply) => {
      this.#parts.log.error('http answer failed', { reason: errorText(error) });
      return this.#send(request, reply, refusalAnswer(internalError()));
    });
    app.server.on('connection', (socket) => this.#admit(socket));
    app.server.on('request', (_request, response) => {
      this.#answering.add(response);
      response.once('close', () => this.#answering.delete(response));
    });
    return app;
  }

  async #handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const answer = await this.#dispatcher.answer(request.raw, reply.raw);
    discardBody(request.raw, MAX_DISCARDED_BYTES);
    return answer === undefined ? reply.hijack() : this.#send(request, reply, answer);
  }

  async #send(
    { raw: request }: FastifyRequest,
    reply: FastifyReply,
    answer: Answer,
  ): Promise<FastifyReply> {
    const fits = this.#holdBudget(reply.raw, Buffer.byteLength(answer.body));
    const sent = fits ? answer : refusalAnswer(busy());
    const { status, body, contentType = JSON_TYPE, headers = {} } = sent;
    reply
      .code(status)
      .headers({ ...SECURITY_HEADERS, ...headers })
      .type(contentType);
    // Else the connection would be kept, and the closing would wait for it.
    if (this.#closing !== undefined) reply.header('connection', 'close');
    if (body === '' || !acceptsGzip(request.headers['accept-encoding'])) return reply.send(body);
    const packed = await compress(body, { level: constants.Z_BEST_SPEED });
    return reply.header('content-encoding', 'gzip').send(packed);
  }

  /** Takes what a long answer needs until it is sent or the client is gone. False if it is not there. */
  #holdBudget(response: ServerResponse, bytes: number): boolean {
    // A response that is closed already will not say so again, and takes nothing.
    if (bytes <= SMALL_ANSWER_BYTES || response.closed) return true;
    if (!this.#budget.take(bytes)) return false;
    response.once('close', () => this.#budget.give(bytes));
    return true;
  }

  /** What the parser refuses, or waits for in vain. */
  #refuseUnread(error: Error & { readonly code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const [line, reason] = late
      ? ['408 Request Timeout', 'the request took too long']
      : ['400 Bad Request', 'malformed HTTP request'];
    const body = refusalBody(badBody(reason));
    const head = [
      `HTTP/1.1 ${line}`,
      `content-type: ${JSON_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  }

  /** Refuses connections beyond the limits: it costs the least before anything was read. */
  #admit(socket: Socket): void {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    const { remoteAddress = '' } = socket;
    const own = isLoopback(remoteAddress);
    const name = own ? 'own' : remoteAddress;
    const count = this.#connections.get(name) ?? 0;
    const total = [...this.#connections.values()].reduce((sum, each) => sum + each, 0);
    const mayHave = own ? maxConnections : Math.ceil(maxConnections * 0.75);
    if (total >= mayHave || (!own && count >= maxConnectionsPerAddress)) {
      socket.destroy();
      return;
    }
    this.#connections.set(name, count + 1);
    socket.once('close', () => {
      const left = (this.#connections.get(name) ?? 1) - 1;
      if (left > 0) this.#connections.set(name, left);
      else this.#connections.delete(name);
    });
  }
}

const DEFAULT_LIMITS: Required<ApiLimits> = {
  maxConnections: 512,
  maxConnectionsPerAddress: 64,
  headMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 60_000,
  idleMs: 360_000,
  graceMs: 3000,
  maxBytes: 192 * 2 ** 20,
};

function refusalAnswer(error: RequestError): Answer {
  return { status: error.detail.status, body: refusalBody(error) };
}

function internalError(): RequestError {
  return new RequestError(500, 'BTM000', 'internal error');
}

/** `gzip` anywhere in the header, but with the quality 0. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  const text = `${header ?? ''}`;
  return /gzip/i.test(text) && !/gzip\s*;\s*q=0(\.0*)?\s*(,|$)/i.test(text);
}
