/**
 * Simulated miners for a pool under load: the real protocol (login, job, submit of the Bytom dialect)
 * over real sockets, thousands to a process, each from a loopback address of its own, as miners have.
 * Shares are found with the stand-in for Tensority, so they are good under their job's target and in
 * their client's range, and the pool checks them like any others.
 *
 * May surprise: the moment of a read is taken before anything is decoded, and a job is decoded only
 * when somebody asks for it, so that what is measured is the pool and not its clients.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { headerPreimage, PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { decodeJob, type StratumJob } from '../../src/stratum/job.ts';
import {
  decodeServerMessage,
  encodeLogin,
  encodeSubmit,
  type Verdict,
} from '../../src/stratum/messages.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { writeU64 } from '../../src/util/bytes.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { standInHash } from './stand-in-hasher.ts';

/** Of the first template that the pool under load works on. */
export const FIRST_HEIGHT = 1000;

const LOGIN_ID = 1;
const LINE_FEED = 0x0a;

/** One for all connections: a read is looked at before the next one begins. */
const READ_BUFFER: Buffer = Buffer.allocUnsafe(65_536);

/** Milliseconds on a clock that all processes of the machine share (CLOCK_MONOTONIC). */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return 1000 * seconds + nanoseconds / 1e6;
}

/** A loopback address for client number `index`: each in a network (/24) of its own up to 62,500. */
function loopbackAddress(index: number): string {
  const network = index % 62_500;
  return `127.${1 + (network % 250)}.${Math.floor(network / 250)}.${2 + Math.floor(index / 62_500)}`;
}

export interface LoadClientOptions {
  readonly port: number;
  /** Names the client (`load.w17`) and chooses the address that it comes from. */
  readonly index: number;
  /** Default `x`, which means nothing. */
  readonly password?: string;
}

/** The answer to a submit; `undefined` if the connection ended without one. */
export type OnAnswer = (verdict: Verdict | undefined, readAt: number) => void;

export class LoadClient {
  readonly login: string;
  /** `monotonicMs` of the read that completed the last `job` message. */
  jobReadAt = 0;
  /** Such messages so far. */
  jobLines = 0;
  /** Why the connection is gone; `undefined` while it is there. */
  gone: string | undefined;
  /** Called once, when the connection is gone. */
  onGone: (() => void) | undefined;
  readonly #socket: Socket;
  readonly #password: string;
  /** Of a line that is not whole yet. */
  #rest = '';
  #jobLine: string | undefined;
  #job: StratumJob | undefined;
  #workerId = '';
  #lastId = LOGIN_ID;
  #loggedIn: Deferred<void> | undefined;
  readonly #pending = new Map<number, OnAnswer>();

  private constructor(socket: Socket, login: string, password: string) {
    this.#socket = socket;
    this.#password = password;
    this.login = login;
  }

  /** Resolves once the TCP connection stands. Rejects with the system's error. */
  static connect({ port, index, password = 'x' }: LoadClientOptions): Promise<LoadClient> {
    const opened = createDeferred<LoadClient>();
    const socket = connect({
      host: '127.0.0.1',
      port,
      localAddress: loopbackAddress(index),
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length, buffer) => {
          client.#read(buffer, length);
          return true;
        },
      },
    });
    const client = new LoadClient(socket, `load.w${index}`, password);
    socket.once('connect', () => opened.resolve(client));
    socket.on('error', (error) => {
      client.gone ??= error.message;
      opened.reject(error);
    });
    socket.once('close', () => client.#end());
    return opened.promise;
  }

  /** Resolves when the answer with the first job is there. Rejects if it is refused, or none comes. */
  logIn(): Promise<void> {
    this.#loggedIn = createDeferred<void>();
    this.#socket.write(
      encodeLogin(LOGIN_ID, {
        login: this.login,
        pass: this.#password,
        agent: 'load-generator/1',
      }),
    );
    return this.#loggedIn.promise;
  }

  /** The last of them, as it came, until `job` was asked for. */
  get jobText(): string | undefined {
    return this.#jobLine;
  }

  /** The newest job. Throws if there is none, or it is malformed. */
  get job(): StratumJob {
    if (this.#jobLine !== undefined) {
      const message = decodeServerMessage(parseExact(this.#jobLine));
      if (message.kind !== 'job') throw new Error(`expected a job, got ${this.#jobLine}`);
      this.#job = decodeJob(message.job);
      this.#jobLine = undefined;
    }
    if (this.#job === undefined) throw new Error(`${this.login} has no job`);
    return this.#job;
  }

  submit(jobId: string, nonce: bigint, onAnswer: OnAnswer): void {
    if (this.gone !== undefined) {
      onAnswer(undefined, monotonicMs());
      return;
    }
    const id = ++this.#lastId;
    this.#pending.set(id, onAnswer);
    this.#socket.write(encodeSubmit(id, { workerId: this.#workerId, jobId, nonce }));
  }

  /** Resolves when the connection is gone. */
  close(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.gone ??= 'closed by the load generator';
    this.#socket.destroy();
    return closed;
  }

  #read(buffer: Uint8Array, length: number): void {
    const at = monotonicMs();
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, length);
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, from);
      if (end < 0) break;
      this.#line(this.#rest + bytes.toString('latin1', from, end), at);
      this.#rest = '';
      from = end + 1;
    }
    if (from < length) this.#rest += bytes.toString('latin1', from, length);
  }

  #line(line: string, at: number): void {
    if (!line.includes('"method":"job"')) {
      this.#reply(parseExact(line), at);
      return;
    }
    this.#jobLine = line;
    this.jobReadAt = at;
    this.jobLines++;
  }

  #reply(message: JsonValue, at: number): void {
    const reply = decodeServerMessage(message);
    if (reply.kind !== 'reply' || typeof reply.id !== 'number') return;
    if (reply.id !== LOGIN_ID) {
      const onAnswer = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      onAnswer?.(reply.verdict, at);
    } else if (reply.verdict.accepted && reply.job !== undefined) {
      this.#workerId = reply.workerId ?? '';
      this.#job = decodeJob(reply.job);
      this.#loggedIn?.resolve();
    } else {
      const why = reply.verdict.accepted ? 'no job' : reply.verdict.message;
      this.#loggedIn?.reject(new Error(`login of ${this.login}: ${why}`));
    }
  }

  #end(): void {
    this.gone ??= 'closed by the pool';
    const now = monotonicMs();
    this.#loggedIn?.reject(new Error(`login of ${this.login}: ${this.gone}`));
    for (const onAnswer of this.#pending.values()) onAnswer(undefined, now);
    this.#pending.clear();
    this.onGone?.();
  }
}

export interface OpenedClients {
  readonly clients: readonly LoadClient[];
  /** What went wrong with the others, one text each. */
  readonly errors: readonly string[];
  /** From the first connect to the last answered login. */
  readonly ms: number;
}

export interface OpenClientsOptions {
  readonly port: number;
  readonly count: number;
  /** Connections that are being made at a time. */
  readonly atOnce: number;
  /** Most that are begun in a second; default: as many as go. */
  readonly perSecond?: number;
  /** Default true. */
  readonly logIn?: boolean;
  /** Of each client; all the same by default. */
  readonly password?: (index: number) => string;
}

/** Connects clients 0 … count − 1 and logs them in, in the order of their indexes as far as it goes. */
export async function openClients(options: OpenClientsOptions): Promise<OpenedClients> {
  const { port, count, atOnce, perSecond = Number.POSITIVE_INFINITY, logIn = true } = options;
  const password = options.password ?? (() => 'x');
  const clients: LoadClient[] = [];
  const errors: string[] = [];
  let next = 0;
  const start = monotonicMs();
  const openSome = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const tooEarlyMs = start + (1000 * index) / perSecond - monotonicMs();
      if (tooEarlyMs > 1) await sleep(tooEarlyMs);
      try {
        const client = await LoadClient.connect({ port, index, password: password(index) });
        if (logIn) await client.logIn();
        clients.push(client);
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, openSome));
  return { clients, errors, ms: monotonicMs() - start };
}

export async function closeClients(clients: readonly LoadClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
}

export interface PreparedShare {
  readonly nonce: bigint;
  /** Header hash with the nonce, 32 bytes: what the share log calls it. */
  readonly id: Uint8Array;
}

/** The first share of the job from start nonce + `offset` on; `good: false`: the first that is none. */
export function findShare(job: StratumJob, offset: bigint, good = true): PreparedShare {
  const preimage = headerPreimage(job);
  for (let nonce = job.nonce + offset; ; nonce++) {
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, nonce);
    const id = preimageHash(preimage);
    if (meetsTarget(standInHash(job.seed, id), job.target) === good) return { nonce, id };
  }
}
