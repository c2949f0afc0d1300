/** Puts the parts of one link's messages together, within the budget that all links share. */
import { MAX_MESSAGE_BYTES } from './messages.ts';
import type { PendingMessage, ReceiveBudget } from './receive-budget.ts';
import { WireError } from './wire.ts';

/** Room for the first parts of a message; it doubles as more come. */
const FIRST_BYTES = 4096;
const NOTHING: Uint8Array = new Uint8Array(0);

export class MessageAssembler implements PendingMessage {
  readonly #budget: ReceiveBudget;
  readonly #onEvicted: () => void;
  #buffer: Uint8Array = NOTHING;
  #length = 0;
  #begunAt: number | undefined;

  /** `onEvicted`: the room went to others; what is under way is lost and the link has to end. */
  constructor(budget: ReceiveBudget, onEvicted: () => void) {
    this.#budget = budget;
    this.#onEvicted = onEvicted;
  }

  /** When the first part of the unfinished message came; `undefined` between messages. */
  get begunAt(): number | undefined {
    return this.#begunAt;
  }

  /**
   * Adds a part. With the last one comes the message; `release` when it was dealt with.
   * Throws a `WireError` where a message grows beyond the largest.
   */
  add(payload: Uint8Array, isLast: boolean, now: number): Uint8Array | undefined {
    // Most messages are one part.
    if (isLast && this.#length === 0) return payload;
    this.#begunAt ??= now;
    const length = this.#length + payload.length;
    if (length > MAX_MESSAGE_BYTES) {
      const expected = `at most ${MAX_MESSAGE_BYTES} bytes`;
      throw new WireError('too-large', 'message', expected, `${length} or more`);
    }
    if (length > this.#buffer.length && !this.#grow(length)) return undefined;
    this.#buffer.set(payload, this.#length);
    this.#length = length;
    if (!isLast) return undefined;
    this.#budget.complete(this);
    this.#begunAt = undefined;
    return this.#buffer.subarray(0, length);
  }

  /** The message that came last is done with, or will never come. */
  release(): void {
    this.#budget.giveBack(this);
    this.#buffer = NOTHING;
    this.#length = 0;
    this.#begunAt = undefined;
  }

  evict(): void {
    this.release();
    this.#onEvicted();
  }

  #grow(length: number): boolean {
    const wanted = Math.max(length, 2 * this.#buffer.length, FIRST_BYTES);
    const capacity = Math.min(wanted, MAX_MESSAGE_BYTES);
    if (!this.#budget.take(this, capacity - this.#buffer.length)) return false;
    const grown = new Uint8Array(capacity);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    return true;
  }
}
