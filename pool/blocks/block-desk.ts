/**
 * The pool's blocks, from the share that is one to the day it can be spent: written down and handed to
 * every node at the same moment, watched until 100 blocks stand on it.
 *
 * What may surprise: `accepted` says that a node has stored it, not that it is on the best chain. Two
 * blocks at one height are both accepted; which one stays, the next block decides.
 */
import { encodeHeader } from '../../src/chain/header.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { type Clock, endsWithin } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { FoundBlock, NodeAccess } from '../chain-access.ts';
import type { BlockEvent, BlockSink } from '../ledger/records.ts';
import type { PoolMeter } from '../meter.ts';
import type { PauseBounds } from '../nodes/pauses.ts';
import type { TemplateFeed } from '../template.ts';
import { BlockJournal } from './block-journal.ts';
import { BlockRecord, type BlockState, refusalDetail } from './block-record.ts';
import { BlockSubmission } from './block-submission.ts';
import { BlockWatch } from './block-watch.ts';

export interface BlockDeskOptions {
  /** How long a block is handed in again, where a node does not answer. Default 600 000. */
  readonly submitForMs?: number;
  /** The same, in blocks that the chain of the node that is asked has grown past it. Default 6. */
  readonly submitForBlocks?: number;
  /** Bounds of the pauses between the attempts at one node. Default 200 … 10 000. */
  readonly retryMs?: PauseBounds;
  /** How often all blocks are compared with the best chain; the newest are at every tip. Default 30 000. */
  readonly checkMs?: number;
  /** Longest that one call to a node may take. Default 40 000. */
  readonly callMs?: number;
  /** How long `close` waits for what is being handed in. Default 1000. */
  readonly closeMs?: number;
}

/** The nodes together: `Upstreams`. */
export interface NodeSet extends TemplateFeed {
  /** In the order of preference. */
  readonly nodes: readonly NodeAccess[];
  /** Those of them that answer. */
  readonly upNodes: readonly NodeAccess[];
}

export interface BlockDeskParts {
  readonly upstreams: NodeSet;
  readonly sink: BlockSink;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
  readonly meter: Pick<PoolMeter, 'block'>;
}

export interface BlockSummary {
  readonly hash: string;
  readonly height: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly account: string;
  readonly worker: string;
  /** Whose template it was. */
  readonly node: string;
  readonly state: BlockState;
}

export interface BlockDeskStatus {
  /** Of all that were written down. */
  readonly counts: Readonly<Record<BlockState, number>>;
  /** Events that are not on disk yet belong to so many blocks. */
  readonly unwritten: number;
  /** Newest first. */
  readonly latest: readonly BlockSummary[];
}

type LaterEvent = Exclude<BlockEvent['event'], 'found'>;

const LATEST = 20;
/** A block that no node has taken is handed in for at least so long. */
const LEAST_MS = 60_000;

export class BlockDesk {
  readonly #options: Required<BlockDeskOptions>;
  readonly #parts: BlockDeskParts;
  readonly #journal: BlockJournal;
  /** Of which something may yet come, by their hashes. */
  readonly #blocks = new Map<string, BlockRecord>();
  readonly #latest: BlockRecord[] = [];
  readonly #settled: Record<BlockState, number> = noBlocks();
  readonly #submissions = new Set<Promise<void>>();
  readonly #watch: BlockWatch;
  readonly #closed = new AbortController();
  #endFeed: () => void = () => {};
  #watching: Promise<void> = Promise.resolve();

  constructor(options: BlockDeskOptions, parts: BlockDeskParts) {
    this.#options = {
      submitForMs: options.submitForMs ?? 600_000,
      submitForBlocks: options.submitForBlocks ?? 6,
      retryMs: options.retryMs ?? { baseMs: 200, maxMs: 10_000 },
      checkMs: options.checkMs ?? 30_000,
      callMs: options.callMs ?? 40_000,
      closeMs: options.closeMs ?? 1000,
    };
    this.#parts = parts;
    this.#journal = new BlockJournal(parts);
    const { upstreams, clock, log } = parts;
    this.#watch = new BlockWatch(this.#options, {
      blocks: () => this.#blocks.values(),
      nodes: () => upstreams.upNodes,
      tipHeight: () => this.#tipHeight,
      happened: (block, event, detail) => this.#happened(block, event, detail),
      settled: (block) => this.#settle(block),
      clock,
      log,
    });
  }

  get status(): BlockDeskStatus {
    const counts = { ...this.#settled };
    for (const { state } of this.#blocks.values()) counts[state]++;
    const latest = this.#latest.map(({ found, hex, state }) => {
      const { height, timeMs, account, worker, node } = found;
      return { hash: hex, height, timeMs, account, worker, node, state };
    });
    return { counts, unwritten: this.#journal.pending, latest };
  }

  /**
   * Takes up what was going on, from all events that were written down, in their order: blocks without
   * an answer are handed in again, the others watched. Once.
   */
  start(events: readonly BlockEvent[]): void {
    for (const event of events) this.#replay(event);
    for (const block of this.#blocks.values()) {
      const isFresh = block.state === 'accepted' && this.#msLeft(block) > 0;
      if (block.state === 'submitting' || isFresh) this.#submit(block);
      else block.rawBlock = undefined;
    }
    this.#endFeed = this.#parts.upstreams.onTemplate((_, isClean) => {
      if (isClean) this.#watch.wake();
    });
    this.#watching = this.#watch.run(this.#closed.signal);
  }

  /**
   * Hands it to the nodes and writes it down, both at once. Resolves when it is on disk; a block that is
   * known does nothing. Never rejects.
   */
  async found(block: FoundBlock): Promise<void> {
    const { log, meter, now } = this.#parts;
    const { header, hash, node, account, worker } = block;
    const hex = bytesToHex(hash);
    if (this.#blocks.has(hex)) return;
    const { height } = header;
    const who = `${account}.${worker}`;
    try {
      const event = {
        event: 'found',
        hash,
        timeMs: now(),
        height,
        header: encodeHeader(header),
        rawBlock: block.rawBlock ?? new Uint8Array(0),
        node,
        account,
        worker,
      } as const;
      const record = new BlockRecord(event);
      this.#add(record);
      this.#submit(record);
      const fields = { height, hash: hex, account, worker, node };
      log.info('block found', fields, `block found height ${height} hash ${hex} by ${who}`);
      meter.block('found');
      await this.#journal.append(event);
    } catch (error) {
      const fields = { height, hash: hex, node, reason: errorText(error) };
      log.error('block not taken', fields, `block of ${who} not taken: ${fields.reason}`);
    }
  }

  /**
   * Gives what is being handed in a moment, then ends it: it is taken up at the next start. Resolves
   * when everything is on disk, or the disk does not answer. Idempotent.
   */
  async close(): Promise<void> {
    const { clock } = this.#parts;
    const { closeMs } = this.#options;
    this.#endFeed();
    if (this.#submissions.size > 0) {
      await endsWithin(Promise.all(this.#submissions), closeMs, clock);
    }
    this.#closed.abort();
    await Promise.all(this.#submissions);
    await this.#watching;
    await endsWithin(this.#journal.close(), 5 * closeMs, clock);
  }

  #add(block: BlockRecord): void {
    this.#blocks.set(block.hex, block);
    this.#latest.unshift(block);
    if (this.#latest.length > LATEST) this.#latest.pop();
  }

  /** A record that makes no sense stops no pool: it is logged, and the others count. */
  #replay(event: BlockEvent): void {
    try {
      if (event.event === 'found') {
        if (!this.#blocks.has(bytesToHex(event.hash))) this.#add(new BlockRecord(event));
      } else {
        this.#blocks.get(bytesToHex(event.hash))?.apply(event.event, event.detail);
        const block = this.#blocks.get(bytesToHex(event.hash));
        if (block?.state === 'matured') this.#settle(block);
      }
    } catch (error) {
      const fields = { event: event.event, hash: bytesToHex(event.hash), reason: errorText(error) };
      this.#parts.log.error('block event not understood', fields);
    }
  }

  #settle(block: BlockRecord): void {
    this.#blocks.delete(block.hex);
    this.#settled[block.state]++;
    block.rawBlock = undefined;
  }

  /** How much longer it is handed in. */
  #msLeft({ found }: BlockRecord): number {
    const { submitForMs } = this.#options;
    const age = Math.max(0, this.#parts.now() - found.timeMs);
    return submitForMs - age;
  }

  #submit(block: BlockRecord): void {
    const { upstreams, clock, log } = this.#parts;
    const { retryMs, callMs, submitForBlocks } = this.#options;
    // After a restart, nodes may still be starting too.
    const leastMs = block.state === 'submitting' ? LEAST_MS : 0;
    const until = clock.now() + Math.max(this.#msLeft(block), leastMs);
    const submission = new BlockSubmission(
      { retryMs, callMs, maxBlocks: submitForBlocks },
      block,
      {
        nodes: upstreams.nodes,
        clock,
        log,
        isOver: () => clock.now() >= until,
        tipHeight: () => this.#tipHeight,
        accepted: (node) => this.#happened(block, 'accepted', node),
        refused: (node, reason) => {
          this.#happened(block, 'refused', refusalDetail(node, reason));
        },
      },
      this.#closed.signal,
    );
    const done = submission
      .run()
      .catch((error: unknown) => {
        log.error('block not handed in', { hash: block.hex, reason: errorText(error) });
      })
      .then(() => {
        this.#submissions.delete(done);
        if (this.#closed.signal.aborted) return;
        if (block.state === 'submitting') this.#happened(block, 'lost', lossDetail(block));
        block.rawBlock = undefined;
      });
    this.#submissions.add(done);
  }

  #happened(block: BlockRecord, event: LaterEvent, detail: string): void {
    const { now, meter } = this.#parts;
    block.apply(event, detail);
    meter.block(event);
    this.#tell(block, event, detail);
    void this.#journal.append({ event, hash: block.found.hash, timeMs: now(), detail });
  }

  #tell(block: BlockRecord, event: LaterEvent, detail: string): void {
    const { log } = this.#parts;
    const { hex, height } = block;
    const which = `height ${height} hash ${hex}`;
    const fields = { height, hash: hex, detail };
    const texts: Readonly<Record<LaterEvent, string>> = {
      accepted: `block accepted by ${detail} ${which}`,
      refused: `block refused by ${detail}, ${which}`,
      orphaned: `block orphaned ${which}: ${detail}`,
      restored: `block restored ${which}: ${detail}`,
      matured: `block matured ${which}`,
      lost: `block lost ${which}: ${detail}`,
    };
    if (event === 'lost') {
      // All that is needed to hand it in by hand.
      const header = bytesToHex(block.found.header);
      log.error('block lost', { ...fields, header }, `${texts.lost}; its header: ${header}`);
    } else if (event === 'refused' || event === 'orphaned') {
      log.warn(`block ${event}`, fields, texts[event]);
    } else {
      log.info(`block ${event}`, fields, texts[event]);
    }
  }

  /** As the nodes claim. */
  get #tipHeight(): number | undefined {
    const { current } = this.#parts.upstreams;
    return current === undefined ? undefined : current.header.height - 1;
  }
}

function noBlocks(): Record<BlockState, number> {
  return { submitting: 0, accepted: 0, orphaned: 0, matured: 0, lost: 0 };
}

function lossDetail({ refusals, found, rawBlock }: BlockRecord): string {
  if (refusals.size > 0) {
    return [...refusals].map(([node, reason]) => `${node}: ${reason}`).join('; ');
  }
  if (rawBlock !== undefined) return 'no node answered';
  return `node ${found.node} is none of the pool's, and no other takes its header`;
}
