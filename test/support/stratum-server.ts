/**
 * A scriptable pool: a real TCP (or TLS) server on loopback that speaks the Bytom Stratum dialect,
 * as well or as badly as a test asks for. It answers nothing on its own; `autoReply` adds the
 * manners of a good pool.
 */
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { JsonStream } from '../../src/stratum/json-stream.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../src/util/json.ts';

export interface ReceivedRequest {
  readonly id: JsonValue;
  readonly method: string;
  readonly params: Readonly<Record<string, JsonValue>>;
}

export interface StratumServerOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** PEM texts; speaks TLS if given. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Called for every connection, before anything was read from it. */
  readonly onConnection?: (connection: ServerConnection) => void;
}

/** Params of a good job, of a recorded template: bits of a solonet, difficulty 4. */
export const JOB_PARAMS = {
  version: '0100000000000000',
  height: 'f407000000000000',
  previous_block_hash: '4bf40a035df99f004f7f4ff1d84f14e2f8777eafa9de04dc499fa347423963be',
  timestamp: '4fef006b00000000',
  transactions_merkle_root: '3cafa3e9fb7f9457bb112a144b11feffb96695edf9899a993d8dab08f21194ee',
  transaction_status_hash: 'c9c377e5192668bc0a367e4a4764f11e7c725ecced1d7b6a492974fab1b6d5bc',
  nonce: '0000000000000030',
  bits: '0e3a090000000020',
  job_id: '1',
  seed: '574369077c77046c531c4cbaf2ca36215d048e6987bf42eacd878adc2990af5e',
  target: '00000040',
} as const;

export type JobParams = Readonly<Record<string, JsonValue | undefined>>;

/** `JOB_PARAMS` with some members changed, or taken away where `undefined` is given. */
export function jobParams(changes: JobParams = {}): JobParams {
  return { ...JOB_PARAMS, ...changes };
}

export class StratumServer {
  /** Every connection ever made, in order. */
  readonly connections: ServerConnection[] = [];
  readonly #server: Server;
  readonly #waiting: ((connection: ServerConnection) => void)[] = [];
  #handedOut = 0;

  private constructor(options: StratumServerOptions) {
    const accept = (socket: Socket): void => {
      const connection = new ServerConnection(socket);
      options.onConnection?.(connection);
      this.connections.push(connection);
      if (this.#waiting.length > 0) this.#handedOut++;
      this.#waiting.shift()?.(connection);
    };
    this.#server =
      options.tls === undefined ? createTcpServer(accept) : createTlsServer(options.tls, accept);
  }

  static async start(options: StratumServerOptions = {}): Promise<StratumServer> {
    const server = new StratumServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As `-o` takes it; a TLS server's address has another scheme. */
  get url(): string {
    return `stratum+tcp://127.0.0.1:${this.port}`;
  }

  /** The next connection that no earlier call was given. */
  nextConnection(): Promise<ServerConnection> {
    const ready = this.connections[this.#handedOut];
    if (ready === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#handedOut++;
    return Promise.resolve(ready);
  }

  /** Closes every connection and stops listening. */
  async close(): Promise<void> {
    for (const connection of this.connections) connection.drop();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** The server's end of a connection. */
export class ServerConnection {
  /** Every request received, in order. */
  readonly requests: ReceivedRequest[] = [];
  /** Resolves when the connection is closed, by whichever side. */
  readonly closed: Promise<void>;
  /** What came that was no message (a TLS handshake at a port without TLS, for one). */
  readonly nonsense: string[] = [];
  /** Called for every request, before `next` hands it out. */
  onRequest: ((request: ReceivedRequest) => void) | undefined;
  readonly #socket: Socket;
  readonly #stream = new JsonStream();
  readonly #waiting: ((request: ReceivedRequest) => void)[] = [];
  #handedOut = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk));
    // The client may go away at any time: that is what many tests are about.
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** The next request that no earlier call was given. */
  next(): Promise<ReceivedRequest> {
    const ready = this.requests[this.#handedOut];
    if (ready === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#handedOut++;
    return Promise.resolve(ready);
  }

  /** Sends text or bytes as they are, in one write. */
  sendRaw(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  /** Sends a message as one line. */
  send(message: unknown): void {
    this.sendRaw(`${stringifyExact(message)}\n`);
  }

  /** Sends text one byte per packet, as far as that can be asked for. */
  async sendByteByByte(text: string): Promise<void> {
    for (const byte of Buffer.from(text)) {
      await new Promise<void>((resolve) => {
        this.#socket.write(Uint8Array.of(byte), () => setImmediate(resolve));
      });
    }
  }

  sendJob(params: JobParams = JOB_PARAMS): void {
    this.send({ jsonrpc: '2.0', method: 'job', params });
  }

  /** Answers a login with a job. */
  sendLoginReply(request: ReceivedRequest, params: JobParams = JOB_PARAMS): void {
    const result = { id: request.params['login'], job: params, status: 'OK' };
    this.send({ id: request.id, jsonrpc: '2.0', result, error: null });
  }

  sendAccepted(request: ReceivedRequest): void {
    this.send({ id: request.id, jsonrpc: '2.0', result: { status: 'OK' }, error: null });
  }

  sendError(request: ReceivedRequest, code: number, message: string): void {
    this.send({ id: request.id, jsonrpc: '2.0', result: null, error: { code, message } });
  }

  /** From now on answers logins with `params` and accepts every share. */
  autoReply(params: JobParams = JOB_PARAMS): void {
    this.onRequest = (request) => {
      if (request.method === 'login') this.sendLoginReply(request, params);
      else if (request.method === 'submit') this.sendAccepted(request);
    };
  }

  /** Takes the login and answers it with a job. */
  async acceptLogin(params: JobParams = JOB_PARAMS): Promise<ReceivedRequest> {
    const request = await this.next();
    if (request.method !== 'login') throw new Error(`expected a login, got ${request.method}`);
    this.sendLoginReply(request, params);
    return request;
  }

  /** Ends the connection in good order. */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection. */
  drop(): void {
    this.#socket.destroy();
  }

  #read(chunk: Uint8Array): void {
    for (const event of this.#stream.push(chunk)) {
      if (event.kind !== 'message') {
        this.nonsense.push(event.kind);
        continue;
      }
      const message = parseRequest(event.text);
      if (message === undefined) {
        this.nonsense.push(event.kind);
        continue;
      }
      const request = { id: message.id, method: message.method, params: message.params };
      this.requests.push(request);
      this.onRequest?.(request);
      if (this.#waiting.length > 0) this.#handedOut++;
      this.#waiting.shift()?.(request);
    }
  }
}

/** Undefined for what only looks like a message, as random bytes of a TLS handshake may. */
function parseRequest(text: string): ReceivedRequest | undefined {
  try {
    return parseExact(text) as unknown as ReceivedRequest;
  } catch {
    return undefined;
  }
}
