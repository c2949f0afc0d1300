/** Messages on their way out, encoded: bounded in number and bytes, for one link and for all of them. */
import type { ByteBudget } from '../util/byte-budget.ts';

export interface SendQueueLimits {
  readonly maxMessages: number;
  /** An empty queue takes a message of any size that the budget has room for. */
  readonly maxBytes: number;
}

export class SendQueue {
  readonly #limits: SendQueueLimits;
  readonly #budget: ByteBudget | undefined;
  readonly #messages: Uint8Array[] = [];
  #bytes = 0;

  /** `budget` is shared by all links. */
  constructor(limits: SendQueueLimits, budget?: ByteBudget) {
    this.#limits = limits;
    this.#budget = budget;
  }

  get length(): number {
    return this.#messages.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False, with nothing queued, where it is full. */
  push(message: Uint8Array): boolean {
    const { maxMessages, maxBytes } = this.#limits;
    if (this.#messages.length >= maxMessages) return false;
    if (this.#bytes > 0 && this.#bytes + message.length > maxBytes) return false;
    if (this.#budget?.take(message.length) === false) return false;
    this.#messages.push(message);
    this.#bytes += message.length;
    return true;
  }

  /** The oldest message, which stays in the queue until `shift`. */
  get first(): Uint8Array | undefined {
    return this.#messages[0];
  }

  shift(): void {
    const message = this.#messages.shift();
    if (message === undefined) return;
    this.#bytes -= message.length;
    this.#budget?.give(message.length);
  }

  clear(): void {
    while (this.#messages.length > 0) this.shift();
  }
}
