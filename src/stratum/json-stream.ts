/**
 * Bytes of a connection → whole JSON messages. Messages are told apart by the depth of their
 * brackets, not by lines: btc.com sends its jobs without a line feed. Every byte is looked at once
 * and at most `maxBytes` are kept, so neither one-byte packets nor a message without an end cost
 * more than their length. What comes out does not depend on how TCP cut the bytes.
 */

/** Longest message a client takes, in bytes. A job is about 600. */
const CLIENT_MESSAGE_BYTES = 65_536;

export type JsonStreamEvent =
  /** An object or array with its brackets closed; whether it is JSON inside is not known yet. */
  | { readonly kind: 'message'; readonly text: string }
  /**
   * Bytes that are no message, skipped up to the next line feed: `sample` is how they begin, in at
   * most 64 bytes. A message with a raw line feed in a text is garbage too (its end never came),
   * and so is one nested more than 32 deep.
   */
  | { readonly kind: 'garbage'; readonly sample: string }
  /** The end came inside a message. Only from `end`. */
  | { readonly kind: 'truncated'; readonly sample: string }
  /** More than `maxBytes` without an end: nothing comes after this, close the connection. */
  | { readonly kind: 'too-long'; readonly maxBytes: number };

const SAMPLE_BYTES = 64;
/** Brackets within brackets; the dialect needs three. Deeper ones would exhaust a recursive parser. */
const MAX_DEPTH = 32;
/** A larger buffer is given back between messages: a pool holds tens of thousands of streams. */
const IDLE_BYTES = 2048;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

type State = 'between' | 'message' | 'text' | 'escape' | 'garbage' | 'dead';

export class JsonStream {
  readonly #maxBytes: number;
  #state: State = 'between';
  #depth = 0;
  /** Bytes seen of the message or garbage being read, in this chunk and in earlier ones. */
  #length = 0;
  /** Those of earlier chunks (of garbage: the sample only). */
  #kept: Uint8Array = new Uint8Array(0);
  #keptLength = 0;
  /** The garbage being skipped was reported. */
  #told = false;

  /** `maxBytes` does not count the line feed that may follow a message. */
  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = options.maxBytes ?? CLIENT_MESSAGE_BYTES;
  }

  /** Takes what arrived and returns what became complete with it, in order. */
  push(chunk: Uint8Array): JsonStreamEvent[] {
    const events: JsonStreamEvent[] = [];
    if (this.#state === 'dead') return events;
    /** Where in this chunk the message or garbage being read begins or goes on. */
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.#state === 'between') {
        if (isBlank(byte)) continue;
        from = i;
        this.#depth = 0;
        this.#length = 0;
        this.#keptLength = 0;
        this.#told = false;
        this.#state = byte === OPEN_OBJECT || byte === OPEN_ARRAY ? 'message' : 'garbage';
      }
      if (byte === LINE_FEED && this.#endsHere()) {
        if (!this.#told) events.push(this.#garbage(chunk.subarray(from, i)));
        this.#state = 'between';
        continue;
      }
      if (++this.#length > this.#maxBytes) {
        this.#state = 'dead';
        this.#kept = new Uint8Array(0);
        events.push({ kind: 'too-long', maxBytes: this.#maxBytes });
        return events;
      }
      if (this.#state !== 'garbage' && this.#read(byte)) {
        events.push({ kind: 'message', text: this.#take(chunk.subarray(from, i + 1)) });
        this.#state = 'between';
      } else if (this.#state === 'garbage' && !this.#told && this.#length >= SAMPLE_BYTES) {
        // Told as soon as the sample is full: a flood may never send a line feed.
        events.push(this.#garbage(chunk.subarray(from, i + 1)));
        this.#told = true;
      }
    }
    if (this.#state !== 'between') this.#keep(chunk.subarray(from));
    else if (this.#kept.length > IDLE_BYTES) this.#kept = new Uint8Array(0);
    return events;
  }

  /** The connection ended: what is left over, if anything. */
  end(): JsonStreamEvent[] {
    const state = this.#state;
    this.#state = 'dead';
    if (state === 'between' || state === 'dead') return [];
    const nothing = new Uint8Array(0);
    if (state === 'garbage') return this.#told ? [] : [this.#garbage(nothing)];
    return [{ kind: 'truncated', sample: this.#sample(nothing) }];
  }

  /** Whether a line feed ends what is being read: garbage, or a text that JSON does not allow it in. */
  #endsHere(): boolean {
    return this.#state === 'garbage' || this.#state === 'text' || this.#state === 'escape';
  }

  /** One byte of a message; true if it was the last. Nested too deep, it becomes garbage. */
  #read(byte: number): boolean {
    if (this.#state === 'escape') {
      this.#state = 'text';
    } else if (this.#state === 'text') {
      if (byte === BACKSLASH) this.#state = 'escape';
      else if (byte === QUOTE) this.#state = 'message';
    } else if (byte === QUOTE) {
      this.#state = 'text';
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (++this.#depth > MAX_DEPTH) this.#state = 'garbage';
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      return --this.#depth === 0;
    }
    return false;
  }

  #keep(part: Uint8Array): void {
    // Of garbage only the sample will be shown.
    const room = this.#state === 'garbage' ? SAMPLE_BYTES - this.#keptLength : part.length;
    const bytes = part.subarray(0, Math.max(0, room));
    const needed = this.#keptLength + bytes.length;
    if (needed > this.#kept.length) {
      const bigger = new Uint8Array(Math.max(needed, 2 * this.#kept.length));
      bigger.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = bigger;
    }
    this.#kept.set(bytes, this.#keptLength);
    this.#keptLength = needed;
  }

  /** Text of what was kept and `rest`. Decoded in one piece: a character may span chunks. */
  #take(rest: Uint8Array): string {
    if (this.#keptLength === 0) return decode(rest);
    this.#keep(rest);
    return decode(this.#kept.subarray(0, this.#keptLength));
  }

  #sample(rest: Uint8Array): string {
    const bytes = new Uint8Array(Math.min(SAMPLE_BYTES, this.#keptLength + rest.length));
    bytes.set(this.#kept.subarray(0, Math.min(SAMPLE_BYTES, this.#keptLength)));
    if (this.#keptLength < bytes.length) {
      bytes.set(rest.subarray(0, bytes.length - this.#keptLength), this.#keptLength);
    }
    return decode(bytes);
  }

  #garbage(rest: Uint8Array): JsonStreamEvent {
    return { kind: 'garbage', sample: this.#sample(rest) };
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
