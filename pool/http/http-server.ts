/**
 * The pool over HTTP, for operators: health, metrics, and what there is. Read-only. What it tells is
 * meant for this machine and those whom its operator lets reach the port; a page in a browser here that
 * has its own name pointed at us is refused by the host that it names.
 */
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { errorText } from '../../src/util/errors.ts';
import { isUnforgeableHost } from '../../src/util/host-name.ts';
import type { Logger } from '../../src/util/log.ts';
import { type HealthOptions, healthOf } from './health.ts';
import type { PoolMetrics } from './pool-metrics.ts';
import type { PoolStatus } from './status.ts';

export interface PoolHttpOptions {
  /** Names, besides `localhost` and IP addresses, under which this server is reached. */
  readonly hostNames?: readonly string[];
  /** Beyond it, new connections are closed. Default 256. */
  readonly maxConnections?: number;
  readonly health?: HealthOptions;
}

export interface PoolHttpParts {
  readonly status: () => PoolStatus;
  /** Stays the caller's. */
  readonly metrics: Pick<PoolMetrics, 'text' | 'contentType'>;
  readonly log: Logger;
  /** Ms since 1970. */
  readonly now: () => number;
}

const TEXT = 'text/plain; charset=utf-8';
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
const IDLE_MS = 120_000;
const MAX_HEAD_BYTES = 8192;

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

export class PoolHttpServer {
  readonly #options: PoolHttpOptions;
  readonly #parts: PoolHttpParts;
  readonly #hostNames: ReadonlySet<string>;
  readonly #app: FastifyInstance;
  readonly #sockets = new Set<Socket>();
  #closing: Promise<void> | undefined;

  constructor(options: PoolHttpOptions, parts: PoolHttpParts) {
    this.#options = options;
    this.#parts = parts;
    this.#hostNames = new Set((options.hostNames ?? []).map((name) => name.toLowerCase()));
    this.#app = this.#createApp();
  }

  /**
   * `host`: an IP address, or `localhost`; `port` 0: any that is free. Resolves with where it listens.
   * Rejects the system's error, such as for a port in use.
   */
  async listen(where: {
    readonly host: string;
    readonly port: number;
  }): Promise<{ readonly host: string; readonly port: number }> {
    // For the name, fastify would open a second server, whose connections nobody counts.
    const host = where.host === 'localhost' ? '127.0.0.1' : where.host;
    await this.#app.listen({ host, port: where.port });
    const { address, port } = this.#app.server.address() as AddressInfo;
    this.#parts.log.info('http listening', { host: address, port });
    return { host: address, port };
  }

  /** Closes every connection at once: nothing here is worth waiting for. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = this.#app.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #createApp(): FastifyInstance {
    const app = fastify({
      logger: false,
      forceCloseConnections: true,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionTimeout: IDLE_MS,
      http: { headersTimeout: REQUEST_MS, maxHeaderSize: MAX_HEAD_BYTES },
      frameworkErrors: (_error, _request, reply) => {
        void sendJson(reply as FastifyReply, 404, { error: 'not found' });
      },
    });
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(SECURITY_HEADERS);
      if (isUnforgeableHost(request.headers.host, this.#hostNames)) return;
      return sendJson(reply, 403, { error: 'unknown host name' });
    });
    app.get('/', (_request, reply) => reply.type(TEXT).send(this.#overview()));
    app.get('/health', (_request, reply) => {
      const { status, now } = this.#parts;
      const health = healthOf(status(), now(), this.#options.health);
      return sendJson(reply, health.status === 'down' ? 503 : 200, health);
    });
    app.get('/metrics', async (_request, reply) => {
      const { metrics, status } = this.#parts;
      const text = await metrics.text(status());
      return reply.type(metrics.contentType).send(text);
    });
    app.setNotFoundHandler((_request, reply) => sendJson(reply, 404, { error: 'not found' }));
    app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) => {
      const { statusCode = 500 } = error;
      // Such as a body that nobody asked for: no fault of ours, and no reason for a log line.
      if (statusCode < 500) return sendJson(reply, statusCode, { error: 'bad request' });
      this.#parts.log.error('http answer failed', { reason: errorText(error) });
      return sendJson(reply, 500, { error: 'internal error' });
    });
    app.server.on('connection', (socket) => this.#admit(socket));
    return app;
  }

  #admit(socket: Socket): void {
    if (this.#sockets.size >= (this.#options.maxConnections ?? 256)) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #overview(): string {
    const { version, network } = this.#parts.status();
    return [
      `bytom-pool ${version}, ${network}`,
      '',
      'GET /health   JSON: ok and degraded with status 200, down with 503',
      'GET /metrics  for Prometheus',
      '',
    ].join('\n');
  }
}

function sendJson(reply: FastifyReply, status: number, body: object): FastifyReply {
  return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
}
