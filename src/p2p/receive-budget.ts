/**
 * How much of unfinished messages all links together may hold. A stranger may stop in the middle of a
 * message as long as he likes; where the room is needed, whoever has been at it for longest goes.
 */

/** A message on its way in. */
export interface PendingMessage {
  /** Gives it up, and gives its bytes back before it returns. */
  evict(): void;
}

interface Holding {
  bytes: number;
  isWhole: boolean;
}

export class ReceiveBudget {
  readonly limit: number;
  /** In the order in which they were begun. */
  readonly #held = new Map<PendingMessage, Holding>();
  #used = 0;

  /** Bytes. Three times the largest message is the least that makes sense. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes `bytes` more for a message. False if it was given up itself. */
  take(message: PendingMessage, bytes: number): boolean {
    const holding = this.#held.get(message) ?? { bytes: 0, isWhole: false };
    holding.bytes += bytes;
    this.#held.set(message, holding);
    this.#used += bytes;
    while (this.#used > this.limit) {
      const oldest = this.#oldest();
      if (oldest === undefined) break;
      oldest.evict();
      // Whatever it did, it holds nothing any more.
      this.giveBack(oldest);
    }
    return this.#held.has(message);
  }

  /** The message is there and being used: it holds what it holds until it is given back. */
  complete(message: PendingMessage): void {
    const holding = this.#held.get(message);
    if (holding !== undefined) holding.isWhole = true;
  }

  /** All that the message holds. */
  giveBack(message: PendingMessage): void {
    this.#used -= this.#held.get(message)?.bytes ?? 0;
    this.#held.delete(message);
  }

  #oldest(): PendingMessage | undefined {
    for (const [message, holding] of this.#held) if (!holding.isWhole) return message;
    return undefined;
  }
}
