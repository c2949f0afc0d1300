/**
 * The process of a device as the miner's process sees it: started, talked to, ended. Holds the miner's
 * process open only while an answer is awaited.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createDeferred } from '../../src/util/deferred.ts';
import { clip } from '../../src/util/errors.ts';
import { TABLE_FD, type ToChild, type ToParent } from './messages.ts';

export interface ForkedChildOptions<News = unknown> {
  /** Added to the environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Lines that it prints in any case, and that say nothing. */
  readonly chatter?: RegExp | undefined;
  readonly onMessage: (message: ToParent<News>) => void;
}

/** How a process ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It never ran: why. */
  readonly startError?: Error;
}

/** Of what it prints, so much is kept. */
const KEPT_LINES = 40;
/** Where in the code it happened says nothing to people. */
const NOISE = /^\s*at |^\s*$/;

/** Those that run. One that hangs in native code would not notice that its parent is gone. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ForkedChild<Question = unknown, News = unknown> {
  readonly exited: Promise<ChildExit>;
  readonly #chatter: RegExp | undefined;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];

  /** `script` is a program that calls `runChild`. */
  constructor(script: URL, options: ForkedChildOptions<News>) {
    this.#chatter = options.chatter;
    const child = fork(fileURLToPath(script), [], {
      serialization: 'advanced',
      // Flags of ours are not meant for it.
      execArgv: [],
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    });
    this.#process = child;
    const exited = createDeferred<ChildExit>();
    this.exited = exited.promise;
    child.on('error', (startError) => {
      // Also of a message that could not be sent; then it exits as well.
      if (child.pid === undefined) exited.resolve({ code: null, signal: null, startError });
    });
    // `close`, not `exit`: what it said last is read then.
    child.on('close', (code, signal) => exited.resolve({ code, signal }));
    running.add(child);
    void this.exited.then(() => running.delete(child));
    child.on('message', (message) => options.onMessage(message as ToParent<News>));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8');
      let rest = '';
      stream?.on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        this.#keep(lines);
      });
      stream?.on('end', () => this.#keep([rest]));
    }
    // A process that died cannot read; its exit says so.
    this.#pipe.on('error', () => {});
    this.unref();
  }

  /** The last that it printed, without what it always prints. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  send(message: ToChild<Question>): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  /** Sends bytes by the pipe of the tables. They must not change until the process has answered. */
  sendTable(data: Int8Array): void {
    this.#pipe.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Keeps our process open until `unref`. */
  ref(): void {
    this.#process.ref();
    this.#process.channel?.ref();
  }

  unref(): void {
    this.#process.unref();
    this.#process.channel?.unref();
    // Pipes are sockets, whatever their types say.
    for (const stream of this.#process.stdio) (stream as Socket | null | undefined)?.unref();
  }

  get #pipe(): Socket {
    return this.#process.stdio[TABLE_FD] as Socket;
  }

  #keep(lines: readonly string[]): void {
    const says = (line: string): boolean => !NOISE.test(line) && this.#chatter?.test(line) !== true;
    this.#lines.push(...lines.filter(says));
    if (this.#lines.length > KEPT_LINES) this.#lines.splice(0, this.#lines.length - KEPT_LINES);
  }
}

/** How it ended and what it said last, for people. */
export function exitText(
  { code, signal, startError }: ChildExit,
  lines: readonly string[],
): string {
  const said = lines.length === 0 ? '' : `: ${clip(lines.slice(-3).join('; '), 200)}`;
  if (startError !== undefined) return `it did not start: ${startError.message}`;
  return `${signal === null ? `exit code ${code}` : signal}${said}`;
}
