/**
 * Writes block events down, those of one block in their order, and as often as it takes: a full disk
 * delays a record, and costs none while the process lives. A block that is not written down when it
 * ends is in the program's log at least, as far as a person needs it to hand it in.
 */
import { bytesToHex } from '../../src/util/bytes.ts';
import { type Clock, endsWithin } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { BlockEvent, BlockSink } from '../ledger/records.ts';
import { Pauses } from '../nodes/pauses.ts';

export interface BlockJournalParts {
  readonly sink: BlockSink;
  readonly clock: Clock;
  readonly log: Logger;
}

type FoundEvent = Extract<BlockEvent, { readonly event: 'found' }>;

/** How long `close` waits for a disk that does not answer. */
const CLOSE_MS = 4000;
/** Ten times a header's hex, in characters. */
const MAX_HEADER_TEXT = 4000;

export class BlockJournal {
  readonly #parts: BlockJournalParts;
  /** Blocks that a crash would forget. */
  readonly #unwritten = new Set<FoundEvent>();
  /** The last write of each block, by its hash. */
  readonly #writes = new Map<string, Promise<void>>();
  readonly #closed = new AbortController();

  constructor(parts: BlockJournalParts) {
    this.#parts = parts;
  }

  /** Blocks with events that are not on disk yet. */
  get pending(): number {
    return this.#writes.size;
  }

  /** Resolves when it is on disk, or cannot be and the journal is closed. Never rejects. */
  append(event: BlockEvent): Promise<void> {
    if (event.event === 'found') this.#unwritten.add(event);
    const key = bytesToHex(event.hash);
    const before = this.#writes.get(key);
    const write = this.#writeAfter(before, event).then(() => {
      if (this.#writes.get(key) === write) this.#writes.delete(key);
    });
    this.#writes.set(key, write);
    return write;
  }

  /**
   * Gives each record that waits one more attempt, and logs the blocks that are not written down by the
   * end of it, or after 4 s. Idempotent.
   */
  async close(): Promise<void> {
    this.#closed.abort();
    await endsWithin(Promise.all(this.#writes.values()), CLOSE_MS, this.#parts.clock);
    for (const event of this.#unwritten) this.#giveUp(event);
  }

  async #writeAfter(before: Promise<void> | undefined, event: BlockEvent): Promise<void> {
    await before;
    await this.#write(event);
  }

  async #write(event: BlockEvent): Promise<void> {
    const { sink, clock, log } = this.#parts;
    const pauses = new Pauses({ baseMs: 250, maxMs: 30_000 });
    const hash = bytesToHex(event.hash);
    for (;;) {
      const isLast = this.#closed.signal.aborted;
      try {
        await sink.append(event);
        if (event.event === 'found') this.#unwritten.delete(event);
        return;
      } catch (error) {
        const fields = { event: event.event, hash, reason: errorText(error) };
        log.error('block event not written', fields);
        if (isLast) {
          if (event.event === 'found') this.#giveUp(event);
          return;
        }
      }
      await clock.sleep(pauses.next(), this.#closed.signal);
    }
  }
  #giveUp(event: FoundEvent): void {
    if (!this.#unwritten.delete(event)) return;
    const { height, node, account, worker, rawBlock } = event;
    const hash = bytesToHex(event.hash);
    const header = clip(bytesToHex(event.header), MAX_HEADER_TEXT);
    const fields = { height, hash, node, account, worker, rawBlockBytes: rawBlock.length, header };
    const text = `block not written down, height ${height} hash ${hash}, of a template of ${node}; its header: ${header}`;
    this.#parts.log.error('block not written down', fields, text);
  }
}
