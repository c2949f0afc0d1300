/**
 * The firmware as a program of this machine, and a line to it whose bytes the test makes itself: no link
 * repeats, repairs or orders anything.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BoardEvent, decodeEvent, FIRST_EVENT } from '../../firmware-bridge/events.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../firmware-bridge/frame.ts';
import {
  ANSWER,
  NAK,
  NAK_MESSAGE,
  NAK_NAMES,
  type RequestName,
  TYPES,
} from '../../firmware-bridge/messages.ts';
import { SlipDecoder, slipEncode } from '../../firmware-bridge/slip.ts';
import { repoRoot } from '../support/repo-files.ts';

const FIRMWARE = join(repoRoot, 'firmware-bridge/firmware');

/** Why the firmware cannot be built here; undefined if it can. */
export function whyNoFirmware(): string | undefined {
  for (const tool of ['make', 'cc']) {
    try {
      execFileSync(tool, ['--version'], { stdio: 'ignore' });
    } catch {
      return `there is no ${tool}`;
    }
  }
  return undefined;
}

/** Builds these targets of the firmware's Makefile into a directory of their own. */
export class FirmwareBuild {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'firmware-'));

  constructor(...targets: readonly string[]) {
    const args = ['-s', '-C', FIRMWARE, `BUILD=${this.directory}`, 'WERROR=-Werror', ...targets];
    execFileSync('make', args, { stdio: 'pipe' });
  }

  /** What the program prints. Throws with its words if it fails. */
  run(program: string, ...args: readonly string[]): string {
    return execFileSync(join(this.directory, program), args, { encoding: 'utf8', stdio: 'pipe' });
  }

  /** Status and words of a program that fails. */
  fails(program: string, ...args: readonly string[]): readonly [number | null, string] {
    const path = join(this.directory, program);
    const { status, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 10_000 });
    return [status, stderr];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A running `board-native`. */
export class NativeBoard {
  static #count = 0;
  readonly path: string;
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #news = new News();

  constructor(build: FirmwareBuild, ...args: readonly string[]) {
    this.path = join(build.directory, `${++NativeBoard.#count}.sock`);
    this.#child = spawn(join(build.directory, 'board-native'), [this.path, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.ended = new Promise((resolve) => this.#child.once('exit', resolve));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      this.#news.tell();
    });
  }

  /** Resolves when it has printed this line so many times. */
  async printed(line: string, times = 1): Promise<void> {
    while (this.#lines.filter((each) => each === line).length < times) await this.#news.wait();
  }

  async line(): Promise<RawLine> {
    await this.printed(`listening on unix:${this.path}`);
    return new RawLine(connect(this.path));
  }

  /** Its exit status. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }

  get hasSocket(): boolean {
    return existsSync(this.path);
  }
}

/** An answer, or `nak`. */
interface Reply {
  readonly seq: number;
  readonly type: number;
  readonly payload: Uint8Array;
  /** Name and detail of a NAK, `BUSY 100`. */
  readonly nak: string | undefined;
}

interface SendOptions {
  /** Default: the next. */
  readonly seq?: number;
  readonly version?: number;
  readonly flags?: number;
}

export class RawLine {
  /** Of the last request. */
  seq = 0;
  readonly texts: string[] = [];
  readonly #socket: Socket;
  readonly #decoder: SlipDecoder;
  #replies: Reply[] = [];
  #events: (BoardEvent & { readonly seq: number })[] = [];
  readonly #news = new News();
  #problem: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#decoder = new SlipDecoder(1100, {
      onStretch: (bytes) => this.#take(bytes),
      onText: (text) => this.texts.push(text),
      onGarbage: (count) => this.#fail(`${count} bytes of garbage`),
    });
    socket.on('data', (bytes) => {
      this.#decoder.push(bytes as Uint8Array);
      this.#news.tell();
    });
    socket.on('error', ({ message }) => this.#fail(message));
  }

  /** Bytes as they are. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The request's bytes. */
  bytes(name: RequestName | number, payload: Uint8Array, options: SendOptions = {}): Uint8Array {
    this.seq = options.seq ?? (this.seq + 1) & 0xffff;
    const type = typeof name === 'number' ? name : TYPES[name];
    return slipEncode(encodeFrame(type, this.seq, payload, options));
  }

  /** Sends a request; resolves with the next reply, whatever it answers. */
  async ask(
    name: RequestName | number,
    payload: Uint8Array,
    options: SendOptions = {},
  ): Promise<Reply> {
    this.send(this.bytes(name, payload, options));
    return this.reply();
  }

  /** The payload of the answer. Throws for a NAK, or for the answer to something else. */
  async answer(name: RequestName, payload: Uint8Array): Promise<Uint8Array> {
    const reply = await this.ask(name, payload);
    if (reply.nak !== undefined) throw new Error(`${name}: expected an answer, got ${reply.nak}`);
    if (reply.seq !== this.seq || reply.type !== (TYPES[name] | ANSWER)) {
      throw new Error(`${name}: expected its answer, got type ${reply.type}, seq ${reply.seq}`);
    }
    return reply.payload;
  }

  /** The next reply. */
  async reply(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      await this.#wait();
    }
  }

  /** The next event; those before it have been asked for. */
  async event(): Promise<BoardEvent & { readonly seq: number }> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      await this.#wait();
    }
  }

  /** The next event of a kind; what comes before it is dropped. */
  async eventOf<K extends BoardEvent['event']>(
    kind: K,
  ): Promise<Extract<BoardEvent, { readonly event: K }>> {
    const isWanted = (event: BoardEvent): event is Extract<BoardEvent, { readonly event: K }> =>
      event.event === kind;
    for (;;) {
      const event: BoardEvent = await this.event();
      if (isWanted(event)) return event;
    }
  }

  /** Resolves when the board's end is closed too. */
  close(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }

  async #wait(): Promise<void> {
    if (this.#problem !== undefined) throw new Error(this.#problem);
    await this.#news.wait();
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
    this.#news.tell();
  }

  #take(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (decoded.ok) this.#takeFrame(decoded.frame);
    else this.#fail(`a frame with ${decoded.fault}`);
  }

  #takeFrame({ seq, type, payload }: Frame): void {
    if (type < FIRST_EVENT || type === NAK) {
      const nak = type === NAK ? nakText(payload) : undefined;
      this.#replies.push({ seq, type, payload, nak });
      return;
    }
    const event = decodeEvent(type, payload);
    if (event === undefined) this.#fail(`an event of the unknown type ${type}`);
    else this.#events.push({ ...event, seq });
  }
}

function nakText(payload: Uint8Array): string {
  const { nak, info } = NAK_MESSAGE.decode(payload);
  return `${NAK_NAMES[nak] ?? nak} ${info}`;
}

/** Wakes who waits for anything new. */
class News {
  #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
