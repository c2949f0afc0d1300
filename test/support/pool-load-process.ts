/**
 * A server under load in a process of its own, as tests and benchmarks see it: the pool of
 * `pool-load-child.ts`, or another program that takes the same commands.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { moduleBeside } from '../../src/util/module-beside.ts';
import { monotonicMs } from './pool-load.ts';
import type { ChildMessage, LoadCommand, LoadPoolOptions, LoadReply } from './pool-load-child.ts';

const POOL_PROGRAM = fileURLToPath(moduleBeside(import.meta.url, './pool-load-child'));

type Ready = Extract<ChildMessage, { readonly kind: 'ready' }>;

/** Resolves when miners can connect to the pool. Rejects if the process ends before. */
export function startLoadPool(options: LoadPoolOptions): Promise<LoadServer> {
  return LoadServer.start(POOL_PROGRAM, options);
}

export class LoadServer {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** From its start as a process until it could be connected to. */
  readonly startMs: number;
  /** CPU time of that: the same where nothing else runs on the machine. */
  readonly startCpuMs: number;
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, Deferred<LoadReply>>();
  #lastId = 0;

  private constructor(child: ChildProcess, { port, cpuMs }: Ready, startMs: number) {
    this.#child = child;
    this.port = port;
    this.startMs = startMs;
    this.startCpuMs = cpuMs;
    child.on('message', (message: ChildMessage) => {
      if (message.kind !== 'reply') return;
      const asked = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (message.error === undefined) asked?.resolve(message.reply);
      else asked?.reject(new Error(message.error));
    });
    child.once('exit', (code, signal) => {
      const error = new Error(`the server under load ended: code ${code}, signal ${signal}`);
      for (const asked of this.#asked.values()) asked.reject(error);
      this.#asked.clear();
    });
  }

  /** `program` gets the options as JSON. Resolves when it listens. Rejects if it ends before. */
  static async start(program: string, options: unknown): Promise<LoadServer> {
    const start = monotonicMs();
    const child = spawn(process.execPath, ['--expose-gc', program, JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const ready = createDeferred<Ready>();
    const onMessage = (message: ChildMessage): void => {
      if (message.kind === 'ready') ready.resolve(message);
    };
    const onExit = (code: number | null): void =>
      ready.reject(new Error(`the server under load did not start: code ${code}`));
    child.on('message', onMessage).once('exit', onExit);
    try {
      const message = await ready.promise;
      return new LoadServer(child, message, monotonicMs() - start);
    } finally {
      child.off('message', onMessage).off('exit', onExit);
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask(command: LoadCommand): Promise<LoadReply> {
    const id = ++this.#lastId;
    const asked = createDeferred<LoadReply>();
    this.#asked.set(id, asked);
    this.#child.send({ id, command });
    return asked.promise;
  }

  /** Ends it as `kill -9` does. Resolves when it is gone. */
  async kill(): Promise<void> {
    // A question that is under way is not answered any more, and nobody minds.
    for (const asked of this.#asked.values()) asked.promise.catch(() => {});
    await this.#gone(() => this.#child.kill('SIGKILL'));
  }

  /** Drains and ends it. Rejects if it does not end well. */
  async close(): Promise<void> {
    await this.#gone(() => this.#child.send({ id: 0, command: { do: 'close' } }));
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0) {
      throw new Error(`the server under load: expected code 0, got ${exitCode ?? signalCode}`);
    }
  }

  async #gone(how: () => void): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    how();
    await exited;
  }
}
