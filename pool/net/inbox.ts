/**
 * What a client sent and nobody has looked at yet: bytes come in as they arrive, messages go out at the
 * rate that is granted, each with the time that it came. Who takes messages reads no more from the socket while there are some left, so
 * that what waits here is one read (64 KiB) at most.
 */
import { JsonStream, type JsonStreamEvent } from '../../src/stratum/json-stream.ts';
import type { Clock } from '../../src/util/clock.ts';
import { type Rate, TokenBucket } from '../../src/util/token-bucket.ts';

export interface InboxOptions {
  /** Longest line, with its line feed. */
  readonly maxLineBytes: number;
  /** Messages, garbage included; faster ones wait. */
  readonly messages: Rate;
}

/** A message, and when its last byte came (monotonic ms). */
export interface Arrival {
  readonly event: JsonStreamEvent;
  readonly at: number;
}

export class Inbox {
  readonly #stream: JsonStream;
  readonly #bucket: TokenBucket;
  readonly #clock: Pick<Clock, 'now'>;
  #waiting: Arrival[] = [];
  /** How many of those were taken. */
  #taken = 0;
  /** Messages are paid for from then on. */
  #throttledUntil = 0;
  /** When they had to wait first, of the times without a break. */
  #throttledSince: number | undefined;
  #wasThrottled = false;

  constructor(options: InboxOptions, clock: Pick<Clock, 'now'>) {
    // The stream counts messages, without their line feeds.
    this.#stream = new JsonStream({ maxBytes: options.maxLineBytes - 1 });
    this.#bucket = new TokenBucket(options.messages, clock);
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#waiting.length;
  }

  /** Whether the client is faster than it may be: messages that are there have to wait. */
  get isThrottled(): boolean {
    return this.#throttledUntil > 0 && this.#throttledUntil > this.#clock.now();
  }

  push(chunk: Uint8Array, at: number): void {
    for (const event of this.#stream.push(chunk)) this.#waiting.push({ event, at });
  }

  /** The next one, which is paid for with that; `undefined` if there is none, or it has to wait. */
  next(): Arrival | undefined {
    if (this.isEmpty || this.isThrottled) return undefined;
    const arrival = this.#waiting[this.#taken++];
    if (this.isEmpty) this.clear();
    const debtMs = this.#bucket.take();
    if (debtMs > 0) {
      const now = this.#clock.now();
      this.#throttledUntil = now + debtMs;
      this.#throttledSince ??= now;
      this.#wasThrottled = true;
    }
    return arrival;
  }

  /** Forgets what waits. */
  clear(): void {
    if (this.#waiting.length > 0) this.#waiting = [];
    this.#taken = 0;
  }

  /** For how long it has been throttled at every call of this, ms. To be called about once a second. */
  sweep(now: number): number {
    if (!this.#wasThrottled) this.#throttledSince = undefined;
    this.#wasThrottled = this.#throttledUntil > now;
    return this.#throttledSince === undefined ? 0 : now - this.#throttledSince;
  }
}
