/**
 * What became of the pool's blocks, on disk: few records, so all of them are read at the start. Few, but
 * a block is large: whole ones are given to the reader only where they may yet be handed in.
 */
import { bytesToHex } from '../../src/util/bytes.ts';
import { decodeBlockEvent, encodeBlockEvent } from './block-codec.ts';
import type { LogFiles } from './log-files.ts';
import { decodeRecord, readRecords } from './read-records.ts';
import { RecordLog, type RecordLogParts } from './record-log.ts';
import type { BlockEvent, BlockSink } from './records.ts';

const KIND = 'blocks';
/** Longer than any block is handed in. */
const RAW_BLOCK_MS = 6 * 3_600_000;
const NO_BYTES: Uint8Array = new Uint8Array(0);

export interface BlockLogOptions {
  /** For this log alone. */
  readonly directory: string;
  /** Name of the network. */
  readonly network: string;
}

export interface BlockLogParts extends RecordLogParts {
  /** The wall clock, in milliseconds since 1970. Default that of the system. */
  readonly now?: () => number;
}

export class BlockLog implements BlockSink {
  readonly #records: RecordLog;

  /** Opens it, or makes it, and gives what `readBlockEvents` gives. Rejects `ShareLogError`. */
  static async open(
    { directory, network }: BlockLogOptions,
    parts: BlockLogParts,
  ): Promise<{ readonly log: BlockLog; readonly events: readonly BlockEvent[] }> {
    const log = await RecordLog.open({ directory, network, kind: KIND }, parts);
    try {
      const events = await readBlockEvents({ directory, network }, parts.files, parts.now);
      return { log: new BlockLog(log), events };
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  private constructor(records: RecordLog) {
    this.#records = records;
  }

  /** Why the last event was not kept; `undefined` as soon as one is again. */
  get failing(): string | undefined {
    return this.#records.failing;
  }

  append(event: BlockEvent): Promise<void> {
    return this.#records.append(encodeBlockEvent(event));
  }

  /** What was appended before is written first. Idempotent. */
  close(): Promise<void> {
    return this.#records.close();
  }
}

/**
 * Every event that was ever written, also beside whoever writes. `rawBlock` of `found` is empty where
 * nobody needs it any more: of blocks that matured or were lost, and of those that a node has taken
 * and that are older than six hours. Rejects `ShareLogError`. `now`: ms since 1970.
 */
export async function readBlockEvents(
  { directory, network }: BlockLogOptions,
  files?: LogFiles,
  now: () => number = Date.now,
): Promise<readonly BlockEvent[]> {
  const old = now() - RAW_BLOCK_MS;
  const events: BlockEvent[] = [];
  /** Where those with a whole block stand, by their hashes. */
  const whole = new Map<string, number>();
  for await (const { file, records } of readRecords(directory, { kind: KIND, network }, files)) {
    for (const record of records) {
      const event = decodeRecord(file, record, decodeBlockEvent);
      const hash = bytesToHex(event.hash);
      const at = whole.get(hash);
      const found = at === undefined ? undefined : events[at];
      if (event.event === 'found') {
        // Another one of the same block is the same block.
        if (event.rawBlock.length > 0 && found === undefined) whole.set(hash, events.length);
      } else if (found?.event === 'found' && needsNoBytes(event.event, found.timeMs < old)) {
        whole.delete(hash);
        events[at!] = { ...found, rawBlock: NO_BYTES };
      }
      events.push(event);
    }
  }
  return events;
}

/** Whether this was the end of it, or says that some node has the whole of it. */
function needsNoBytes(event: BlockEvent['event'], isOld: boolean): boolean {
  return event === 'matured' || event === 'lost' || (event !== 'refused' && isOld);
}
