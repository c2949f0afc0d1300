/**
 * Which shares were seen: those in the log, and those on their way there. A share's name is the header
 * hash with its nonce, so that the same work is known again under another job, session or login.
 */
import { bytesToHex } from '../../src/util/bytes.ts';
import type { ShareSink } from '../ledger/records.ts';

export class SeenShares {
  readonly #sink: Pick<ShareSink, 'has'>;
  readonly #pending = new Set<string>();

  constructor(sink: Pick<ShareSink, 'has'>) {
    this.#sink = sink;
  }

  get pending(): number {
    return this.#pending.size;
  }

  has(id: Uint8Array): boolean {
    return this.#pending.has(bytesToHex(id)) || this.#sink.has(id);
  }

  /** False if it was seen before. If true, it is pending until `settle`. */
  begin(id: Uint8Array): boolean {
    if (this.has(id)) return false;
    this.#pending.add(bytesToHex(id));
    return true;
  }

  /** It is in the log now, or is nothing: refused ones may come again, it costs their sender. */
  settle(id: Uint8Array): void {
    this.#pending.delete(bytesToHex(id));
  }
}
