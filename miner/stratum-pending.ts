/** Shares sent to a pool and not answered yet. Answers come in any order. */
import type { Verdict } from '../src/stratum/messages.ts';

export type SubmitAnswer =
  | { readonly kind: 'answer'; readonly verdict: Verdict; readonly ms: number }
  /** No answer came, and none will. */
  | { readonly kind: 'none'; readonly reason: string };

interface Pending {
  readonly sentAt: number;
  readonly settle: (answer: SubmitAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

export class PendingShares {
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #pending = new Map<string, Pending>();
  #onDrained: (() => void) | undefined;

  /** A share is given up after `timeoutMs`; `now` is a clock in milliseconds that only grows. */
  constructor(timeoutMs: number, now: () => number) {
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  /** The answer to the share that is about to be sent with request id `id`. Never rejects. */
  add(id: string): Promise<SubmitAnswer> {
    return new Promise((settle) => {
      const reason = `no answer within ${this.#timeoutMs / 1000} s`;
      const timer = setTimeout(() => this.#settle(id, { kind: 'none', reason }), this.#timeoutMs);
      this.#pending.set(id, { sentAt: this.#now(), settle, timer });
    });
  }

  /** Takes the pool's reply to `id`; false if no share waits for it. */
  answer(id: string, verdict: Verdict): boolean {
    const pending = this.#pending.get(id);
    if (pending === undefined) return false;
    const ms = Math.round(this.#now() - pending.sentAt);
    this.#settle(id, { kind: 'answer', verdict, ms });
    return true;
  }

  /** The connection is gone. */
  giveUp(reason: string): void {
    for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'none', reason });
  }

  /** Resolves when nothing is waited for any more, at the latest after `ms`. */
  drained(ms: number): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #settle(id: string, answer: SubmitAnswer): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.settle(answer);
    if (this.#pending.size === 0) this.#onDrained?.();
  }
}
