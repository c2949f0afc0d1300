/** A stand-in for a node: a real HTTP server on loopback whose answers a test chooses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

export type Answer = (response: ServerResponse, received: Received) => void;

export class TestNode {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #answers = new Map<string, Answer>();
  #port = 0;
  #waiting: (() => void)[] = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `127.0.0.1:port`; stays known after `stop`. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** Sets the answer of a call from now on. */
  on(path: string, answer: Answer): void {
    this.#answers.set(path, answer);
  }

  calls(path: string): readonly Received[] {
    return this.received.filter((r) => r.path === path);
  }

  /** Resolves once `count` more requests for `path` have been answered. */
  async served(path: string, count: number): Promise<void> {
    const until = this.calls(path).length + count;
    while (this.calls(path).length < until) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const path = (request.url ?? '').slice(1);
    const entry = { path, authorization: request.headers.authorization, body };
    this.received.push(entry);
    const answer = this.#answers.get(path);
    if (answer === undefined)
      json({ code: 'BTM000', status: 'fail', detail: 'not Found' }, 500)(response, entry);
    else answer(response, entry);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** Answers with JSON; a string is sent as it is. */
export function json(value: unknown, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(typeof value === 'string' ? value : `${JSON.stringify(value)}\n`);
  };
}
