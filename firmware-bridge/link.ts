/**
 * The host's end of the line (PROTOCOL.md): requests with their answers, events, the log. What may
 * surprise: a repetition has the same seq, so a board that had done the request says again what it
 * said; and a request waits as long as a longest frame takes, since an event may be on the wire first.
 */
import { randomBytes } from 'node:crypto';
import { untilAbort } from '../src/util/abort.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import { type Clock, systemClock } from '../src/util/clock.ts';
import { createDeferred, type Deferred } from '../src/util/deferred.ts';
import { oneLine } from '../src/util/errors.ts';
import type { BytePort } from './byte-port.ts';
import { LinkError, PortError } from './errors.ts';
import { type BoardEvent, FIRST_EVENT } from './events.ts';
import {
  decodeFrame,
  encodeFrame,
  FIRST_MAX_FRAME,
  FLAG_REPEAT,
  FRAME_OVERHEAD,
  type Frame,
  HOST_MAX_FRAME,
  VERSION,
} from './frame.ts';
import { Inbox } from './inbox.ts';
import {
  ANSWER,
  HELLO,
  HELLO_ANSWER,
  type HelloAnswer,
  NAK,
  NAK_MESSAGE,
  NAK_NAMES,
  type NakMessage,
  type RequestName,
  TYPES,
} from './messages.ts';
import { SlipDecoder, slipEncode } from './slip.ts';

const ANSWER_MS = 200;
const TRIES = 3;
/** How long a board may say BUSY. */
const BUSY_MS = 2000;
/** Shortest pause before a busy board is asked anew. */
const LEAST_BUSY_MS = 10;
const NONCE_BYTES = 8;

export interface LinkOptions {
  /** How long an answer may take besides its time on the wire, in ms (default 200). */
  readonly answerMs?: number;
  /** How often a request is sent before the board counts as silent (default 3). */
  readonly tries?: number;
  /** Seq of the first request (default 0). */
  readonly firstSeq?: number;
  readonly clock?: Clock;
  /** Gets what a listener throws (default: it is thrown outside the link, where nothing catches it). */
  readonly onListenerError?: (error: unknown) => void;
}

/** Totals since the link was made. */
export interface LinkStats {
  /** Frames, repetitions included. */
  readonly sent: number;
  /** Frames that were right. */
  readonly received: number;
  readonly repeats: number;
  /** Frames with a wrong CRC that came from the board, or that it says came from us. */
  readonly crcErrors: number;
  /** Frames that were wrong otherwise. */
  readonly otherErrors: number;
  /** Bytes that were neither text nor a right frame. */
  readonly garbage: number;
  readonly missedEvents: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly tries?: number;
}

export type Request = (
  name: RequestName,
  payload: Uint8Array,
  options?: RequestOptions,
) => Promise<Uint8Array>;

/** A request under way. */
interface Pending {
  readonly name: RequestName;
  readonly seq: number;
  readonly accepts: (payload: Uint8Array) => boolean;
  /** The payload of the answer, or a NAK that no repetition helps against. */
  readonly reply: Deferred<Uint8Array | NakMessage>;
  /** The board got it damaged, and said so last. */
  damaged: NakMessage | undefined;
  /** Repeats at once. */
  again: () => void;
}

export class Link {
  readonly port: BytePort;
  /** What waits for this board goes by it too. */
  readonly clock: Clock;
  readonly #answerMs: number;
  readonly #tries: number;
  readonly #inbox: Inbox;
  readonly #decoder: SlipDecoder;
  readonly #stats = {
    sent: 0,
    received: 0,
    repeats: 0,
    crcErrors: 0,
    otherErrors: 0,
    garbage: 0,
  };
  /** Settles when the last request in the row has ended. Never rejects. */
  #lastTurn: Promise<void> = Promise.resolve();
  #pending: Pending | undefined;
  #seq: number;
  #maxFrame = FIRST_MAX_FRAME;
  #gone: PortError | undefined;
  /** End with the link. */
  readonly #pauses = new Set<AbortController>();

  /** Listens to the port at once; it is the link's from now on. */
  constructor(port: BytePort, options: LinkOptions = {}) {
    this.port = port;
    this.#answerMs = options.answerMs ?? ANSWER_MS;
    this.#tries = options.tries ?? TRIES;
    this.#inbox = new Inbox(options.onListenerError);
    this.#seq = options.firstSeq ?? 0;
    this.clock = options.clock ?? systemClock;
    this.#decoder = new SlipDecoder(FIRST_MAX_FRAME, {
      onStretch: (bytes) => this.#takeStretch(bytes),
      onText: (text) => this.#inbox.tellLine(oneLine(text)),
      onGarbage: (count) => {
        this.#stats.garbage += count;
      },
    });
    port.onBytes((bytes) => this.#decoder.push(bytes));
    void port.closed.then((error) => this.#lose(error ?? this.#closedByUs()));
  }

  /** Resolves once, when the port is gone: why, or undefined if we closed it. Never rejects. */
  get closed(): Promise<PortError | undefined> {
    return this.port.closed;
  }

  get stats(): LinkStats {
    return { ...this.#stats, missedEvents: this.#inbox.missed };
  }

  /**
   * Sends a request and resolves with the payload of its answer. One at a time, in the order of calls.
   * A busy board is asked anew for 2 s. Rejects `LinkError` `silent` | `refused` | `version`, `PortError`,
   * or the signal's reason; a `RangeError` for a payload that no frame holds.
   */
  request(
    name: RequestName,
    payload: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    return this.exclusively((request) => request(name, payload, options), options.signal);
  }

  /**
   * Runs a task between whose requests no others are sent. The task must use the function that it is
   * given: a request of the link would wait for the task's own end.
   */
  async exclusively<T>(task: (request: Request) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#lastTurn;
    const turn = createDeferred<void>();
    this.#lastTurn = turn.promise;
    try {
      await untilAbort(before, signal);
      return await task((name, payload, options = {}) =>
        this.#ask(name, payload, options, () => true),
      );
    } finally {
      // Who gives up before its turn must not let the next one overtake those before.
      void before.then(turn.resolve);
    }
  }

  /**
   * HELLO with a fresh nonce; answers to others are ignored. Rejects `LinkError` `version` if the board
   * does not speak version 1, and what `request` rejects with.
   */
  async hello(signal?: AbortSignal): Promise<HelloAnswer> {
    const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
    const isOurs = (payload: Uint8Array): boolean =>
      bytesEqual(payload.subarray(0, NONCE_BYTES), nonce);
    const payload = await this.exclusively(() => {
      this.#inbox.forgetSeq();
      return this.#ask('HELLO', HELLO.encode({ nonce }), { signal }, isOurs);
    }, signal);
    const answer = HELLO_ANSWER.decode(payload);
    const { lowestVersion: lowest, highestVersion: highest } = answer;
    if (lowest > VERSION || highest < VERSION) {
      throw new LinkError({ code: 'version', lowest, highest });
    }
    return answer;
  }

  /** Frames of up to so many bytes from now on, both ways, up to `HOST_MAX_FRAME`. Never lowers the limit. */
  raise(maxFrame: number): void {
    this.#maxFrame = Math.max(this.#maxFrame, Math.min(HOST_MAX_FRAME, maxFrame));
    this.#decoder.raise(this.#maxFrame);
  }

  /** Returns what takes the listener away. */
  onEvent(listener: (event: BoardEvent) => void): () => void {
    return this.#inbox.onEvent(listener);
  }

  /** Lines of the board's log, of printable characters. Returns what takes the listener away. */
  onLog(listener: (line: string) => void): () => void {
    return this.#inbox.onLog(listener);
  }

  /**
   * The first event from now on that `pick` takes; what `pick` throws rejects. Rejects `PortError` when
   * the port goes, or the signal's reason.
   */
  event<T extends BoardEvent>(
    pick: (event: BoardEvent) => T | undefined,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#inbox.event(pick, signal);
  }

  /** Resolves after so many ms. Rejects `PortError` as soon as the port goes, or the signal's reason. */
  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const ended = new AbortController();
    this.#pauses.add(ended);
    try {
      if (this.#gone === undefined) {
        await untilAbort(this.clock.sleep(ms, ended.signal), signal);
      }
    } finally {
      this.#pauses.delete(ended);
      ended.abort();
    }
    if (this.#gone !== undefined) throw this.#gone;
  }

  /** Closes the port; what is under way rejects `PortError` `gone`. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#lose(this.#closedByUs());
    await this.port.close();
  }

  #closedByUs(): PortError {
    return new PortError({ code: 'gone', port: this.port.name, reason: 'closed' });
  }

  #lose(error: PortError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    this.#pending?.reply.reject(error);
    for (const pause of this.#pauses) pause.abort();
    this.#inbox.lose(error);
  }

  async #ask(
    name: RequestName,
    payload: Uint8Array,
    { signal, tries = this.#tries }: RequestOptions,
    accepts: (payload: Uint8Array) => boolean,
  ): Promise<Uint8Array> {
    const length = payload.length + FRAME_OVERHEAD;
    if (length > this.#maxFrame) {
      throw new RangeError(
        `frame of ${name} expected at most ${this.#maxFrame} bytes, got ${length}`,
      );
    }
    const busyUntil = this.clock.now() + BUSY_MS;
    for (;;) {
      const reply = await this.#send(name, payload, tries, signal, accepts);
      if (reply instanceof Uint8Array) return reply;
      const pause = Math.max(LEAST_BUSY_MS, reply.info);
      const isBusy = NAK_NAMES[reply.nak] === 'BUSY';
      if (!isBusy || this.clock.now() + pause > busyUntil) throw refusal(name, reply);
      await this.pause(pause, signal);
    }
  }

  /** Sends one request under a new seq, as often as it takes. */
  async #send(
    name: RequestName,
    payload: Uint8Array,
    tries: number,
    signal: AbortSignal | undefined,
    accepts: (payload: Uint8Array) => boolean,
  ): Promise<Uint8Array | NakMessage> {
    if (this.#gone !== undefined) throw this.#gone;
    signal?.throwIfAborted();
    const seq = this.#seq;
    this.#seq = (seq + 1) & 0xffff;
    const reply = createDeferred<Uint8Array | NakMessage>();
    const pending: Pending = {
      name,
      seq,
      accepts,
      reply,
      damaged: undefined,
      again: () => {},
    };
    const garbageBefore = this.#garbage();
    const abort = (): void => reply.reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    this.#pending = pending;
    try {
      for (let attempt = 0; attempt < tries; attempt++) {
        const flags = attempt === 0 ? 0 : FLAG_REPEAT;
        const bytes = slipEncode(encodeFrame(TYPES[name], seq, payload, { flags }));
        if (attempt > 0) this.#stats.repeats++;
        pending.damaged = undefined;
        const answer = await this.#attempt(pending, bytes);
        if (answer !== undefined) return answer;
      }
    } finally {
      this.#pending = undefined;
      signal?.removeEventListener('abort', abort);
    }
    if (pending.damaged !== undefined) return pending.damaged;
    const garbage = Math.max(0, this.#garbage() - garbageBefore);
    throw new LinkError({ code: 'silent', request: name, tries, garbage });
  }

  /** Undefined if it is time to ask again. */
  async #attempt(
    pending: Pending,
    bytes: Uint8Array,
  ): Promise<Uint8Array | NakMessage | undefined> {
    const ended = new AbortController();
    pending.again = () => ended.abort();
    const wait = async (): Promise<undefined> => {
      this.#stats.sent++;
      await this.port.write(bytes);
      const wireMs = this.port.byteMs * (bytes.length + this.#maxFrame);
      await this.clock.sleep(this.#answerMs + 2 * wireMs, ended.signal);
    };
    try {
      return await Promise.race([pending.reply.promise, wait()]);
    } finally {
      ended.abort();
    }
  }

  /** What came that was no frame and no text; what still comes counts too, and may yet turn out as a frame. */
  #garbage(): number {
    return this.#stats.garbage + this.#decoder.pending;
  }

  #takeStretch(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      this.#stats.garbage += bytes.length;
      if (decoded.fault === 'BAD_CRC') this.#stats.crcErrors++;
      else this.#stats.otherErrors++;
      return;
    }
    const { frame } = decoded;
    const { type } = frame;
    this.#stats.received++;
    let event: BoardEvent | undefined;
    try {
      if (type === NAK) this.#takeNak(NAK_MESSAGE.decode(frame.payload));
      else if (frame.version !== VERSION) this.#stats.otherErrors++;
      else if (type >= FIRST_EVENT) event = this.#inbox.read(frame);
      else if ((type & ANSWER) !== 0) this.#takeAnswer(frame);
      // A line that echoes gives us our own requests back.
      else this.#stats.otherErrors++;
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      this.#stats.otherErrors++;
    }
    // Not in there: what a listener throws is no fault of the frame's.
    if (event !== undefined) this.#inbox.tellEvent(event);
  }

  #takeAnswer({ seq, type, payload }: Frame): void {
    const pending = this.#pending;
    // Answers to others come late, after a repetition or an abort.
    if (pending === undefined || seq !== pending.seq) return;
    if (type !== (TYPES[pending.name] | ANSWER)) this.#stats.otherErrors++;
    else if (pending.accepts(payload)) pending.reply.resolve(payload);
  }

  #takeNak(message: NakMessage): void {
    const pending = this.#pending;
    if (pending === undefined || message.seq !== pending.seq) return;
    const nak = NAK_NAMES[message.nak];
    if (nak === 'BAD_CRC' || nak === 'BAD_LEN') {
      if (nak === 'BAD_CRC') this.#stats.crcErrors++;
      else this.#stats.otherErrors++;
      pending.damaged = message;
      pending.again();
    } else if (message.type === TYPES[pending.name]) {
      pending.reply.resolve(message);
    }
  }
}

function refusal(request: RequestName, { nak, info }: NakMessage): LinkError {
  const name = NAK_NAMES[nak];
  if (name === 'BAD_VERSION') {
    return new LinkError({ code: 'version', lowest: info & 0xff, highest: (info >> 8) & 0xff });
  }
  return new LinkError({ code: 'refused', request, nak: name ?? nak, detail: info });
}
