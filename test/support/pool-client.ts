/**
 * A small client of the pool under test, over a real socket: sends what a test says, byte by byte if
 * asked, and hands out what comes. Nothing in it waits for the clock. Both dialects: a message is
 * whatever stands between brackets.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { JsonStream } from '../../src/stratum/json-stream.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../src/util/json.ts';

export interface PoolClientOptions {
  readonly port: number;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** Another loopback address (127.0.0.2 …) makes it another client to the pool's limits. */
  readonly localAddress?: string;
  /** Speaks TLS and takes any certificate. */
  readonly tls?: boolean;
  /** Sent in the clear before anything else, TLS too: the header of a proxy. */
  readonly before?: string | Uint8Array;
}

export type PoolMessage = Readonly<Record<string, JsonValue>>;

export class PoolClient {
  readonly socket: Socket;
  /** Everything that came, in order, handed out or not. */
  readonly received: PoolMessage[] = [];
  /** What was in each read: two messages in one may be two writes. */
  readonly reads: string[] = [];
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #stream = new JsonStream();
  #waiting: { readonly wake: () => void }[] = [];
  #handedOut = 0;
  #isClosed = false;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk));
    // Resets are what some tests are about; `closed` tells the end.
    socket.on('error', () => {});
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        this.#isClosed = true;
        this.#wakeAll();
        resolve();
      }),
    );
  }

  /** Resolves once connected (with TLS: after the handshake). Rejects if that fails. */
  static async connect(options: PoolClientOptions): Promise<PoolClient> {
    const { port, host = '127.0.0.1', localAddress, tls = false, before } = options;
    const tcp = connectTcp({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
    await eventOf(tcp, 'connect');
    if (before !== undefined) tcp.write(before);
    if (!tls) return new PoolClient(tcp);
    // Nobody signed the certificates of tests.
    const secure = connectTls({ socket: tcp, rejectUnauthorized: false });
    await eventOf(secure, 'secureConnect');
    return new PoolClient(secure);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends a message as one line. */
  send(message: unknown): void {
    this.sendRaw(`${stringifyExact(message)}\n`);
  }

  /** Sends text or bytes as they are, in one write. */
  sendRaw(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Sends each byte in a packet of its own, as far as that can be asked for. */
  async sendByteByByte(data: string | Uint8Array): Promise<void> {
    for (const byte of Buffer.from(data)) {
      await new Promise<void>((resolve) => {
        this.socket.write(Uint8Array.of(byte), () => setImmediate(resolve));
      });
    }
  }

  /** The next message that no earlier call was given. Rejects if the connection ends before it comes. */
  async next(): Promise<PoolMessage> {
    for (;;) {
      const message = this.received[this.#handedOut];
      if (message !== undefined) {
        this.#handedOut++;
        return message;
      }
      if (this.#isClosed) throw new Error('the pool closed the connection');
      await new Promise<void>((wake) => this.#waiting.push({ wake }));
    }
  }

  /** Sends a request under an id of its own and waits for the reply to it; other messages stay for `next`. */
  async request(method: string, params: unknown): Promise<PoolMessage> {
    const id = `request ${++this.#lastId}`;
    this.send({ id, method, params });
    for (;;) {
      const at = this.received.findIndex((message) => message['id'] === id);
      if (at >= 0) {
        const [reply] = this.received.splice(at, 1);
        if (at < this.#handedOut) this.#handedOut--;
        if (reply !== undefined) return reply;
      }
      if (this.#isClosed) throw new Error(`the pool closed the connection, no answer to ${method}`);
      await new Promise<void>((wake) => this.#waiting.push({ wake }));
    }
  }

  /** A login of the Bytom dialect; resolves to its reply. */
  login(login: string, pass = 'x'): Promise<PoolMessage> {
    return this.request('login', { login, pass, agent: 'test/1' });
  }

  /** Ends the connection in good order. */
  end(): void {
    this.socket.end();
  }

  /** Breaks it. */
  drop(): void {
    this.socket.destroy();
  }

  #read(chunk: Uint8Array): void {
    this.reads.push(Buffer.from(chunk).toString());
    for (const event of this.#stream.push(chunk)) {
      if (event.kind !== 'message') throw new Error(`the pool sent ${event.kind}`);
      this.received.push(parseExact(event.text) as PoolMessage);
    }
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { wake } of waiting) wake();
  }
}

function eventOf(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error?: Error): void => reject(error ?? new Error(`closed before ${event}`));
    socket.once('error', fail);
    socket.once('close', fail);
    socket.once(event, () => {
      socket.off('error', fail);
      socket.off('close', fail);
      resolve();
    });
  });
}
