/**
 * The board's end of a line in memory, for tests of the host's end: it answers what a test tells it to,
 * frame by frame, and is silent otherwise. It computes nothing.
 */
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { PortError } from '../../firmware-bridge/errors.ts';
import { EVENTS, type EventName } from '../../firmware-bridge/events.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../firmware-bridge/frame.ts';
import { Link, type LinkOptions } from '../../firmware-bridge/link.ts';
import {
  ANSWER,
  HELLO_ANSWER,
  NAK,
  NAK_MESSAGE,
  NAK_NAMES,
  type RequestName,
  TYPES,
} from '../../firmware-bridge/messages.ts';
import { SlipDecoder, slipEncode } from '../../firmware-bridge/slip.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { FakeClock } from './fake-clock.ts';

/** The payload of the answer; undefined for silence, or what the handler has sent by itself. */
export type Handler = (frame: Frame) => Uint8Array | undefined;

export class ScriptedBoard {
  /** The host's end. */
  readonly port: BytePort;
  /** All that came, repetitions included. */
  readonly requests: Frame[] = [];
  /** The rates that the host has set, in order. */
  readonly rates: number[] = [];
  /** Bytes of every write, as they went over the wire. */
  readonly writes: Uint8Array[] = [];
  readonly #handlers = new Map<number, Handler>();
  readonly #closed = createDeferred<PortError | undefined>();
  #listener: ((bytes: Uint8Array) => void) | undefined;
  #eventSeq = 0;
  #byteMs: number;

  constructor({ byteMs = 0, hasRates = false }: { byteMs?: number; hasRates?: boolean } = {}) {
    this.#byteMs = byteMs;
    const decoder = new SlipDecoder(65_535, {
      onStretch: (bytes) => this.#take(bytes),
      onText: () => {},
      onGarbage: () => {},
    });
    const board = this;
    this.port = {
      name: 'memory',
      get byteMs() {
        return board.#byteMs;
      },
      closed: this.#closed.promise,
      onBytes: (listener) => {
        this.#listener = listener;
      },
      write: async (bytes) => {
        this.writes.push(bytes);
        await Promise.resolve();
        decoder.push(bytes);
      },
      close: async () => this.#closed.resolve(undefined),
      ...(hasRates
        ? {
            setBaud: async (rate: number) => {
              this.rates.push(rate);
              this.#byteMs = 10_000 / rate;
            },
          }
        : {}),
    };
  }

  /** What it does with a request of this name, instead of being silent. */
  on(name: RequestName, handler: Handler): void {
    this.#handlers.set(TYPES[name], handler);
  }

  /** Says HELLO; `tlvs` are bytes. */
  onHello(tlvs: readonly number[] = MODES_TLV, versions: readonly [number, number] = [1, 1]): void {
    this.on('HELLO', ({ payload }) =>
      HELLO_ANSWER.encode({
        nonce: payload.slice(0, 8),
        lowestVersion: versions[0],
        highestVersion: versions[1],
        major: 1,
        minor: 2,
        patch: 3,
        buildId: 0xab12,
        boardId: 5,
        uid: Uint8Array.from({ length: 12 }, (_, i) => i),
        tlvs: Uint8Array.from(tlvs),
      }),
    );
  }

  answer({ type, seq }: Frame, payload: Uint8Array): void {
    this.send(slipEncode(encodeFrame(type | ANSWER, seq, payload)));
  }

  nak({ type, seq }: Frame, name: (typeof NAK_NAMES)[number], info = 0): undefined {
    const payload = NAK_MESSAGE.encode({ seq, nak: NAK_NAMES.indexOf(name), type, info });
    this.send(slipEncode(encodeFrame(NAK, seq, payload)));
  }

  /** With the next seq, or this one. */
  event(name: EventName, payload: Uint8Array, seq: number = this.#eventSeq): void {
    this.#eventSeq = (seq + 1) & 0xffff;
    this.send(slipEncode(encodeFrame(EVENTS[name], seq, payload)));
  }

  /** Bytes as they are. */
  send(bytes: Uint8Array): void {
    this.#listener?.(bytes);
  }

  text(line: string): void {
    this.send(new TextEncoder().encode(line));
  }

  unplug(): void {
    this.#closed.resolve(new PortError({ code: 'gone', port: 'memory', reason: 'unplugged' }));
  }

  /** The names of all requests, in order. */
  get names(): string[] {
    const names = Object.entries(TYPES);
    return this.requests.map(({ type }) => names.find((each) => each[1] === type)?.[0] ?? '?');
  }

  #take(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) throw new Error(`the host sent a frame with ${decoded.fault}`);
    const { frame } = decoded;
    this.requests.push(frame);
    const payload = this.#handlers.get(frame.type)?.(frame);
    if (payload !== undefined) this.answer(frame, payload);
  }
}

/** HASH and ROWS and CKPT. */
const MODES_TLV: readonly number[] = [2, 4, 7, 0, 0, 0];

/** A link in virtual time, and the board at its other end. */
export function linkToBoard(
  options: LinkOptions = {},
  port: { byteMs?: number } = {},
): { board: ScriptedBoard; link: Link; clock: FakeClock } {
  const clock = new FakeClock();
  const board = new ScriptedBoard(port);
  return { board, link: new Link(board.port, { clock, ...options }), clock };
}
