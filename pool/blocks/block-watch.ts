/**
 * Compares the pool's blocks with the best chain: which of them are on it, and how deep.
 *
 * A node is believed about its own chain alone: depth is that of the chain that is asked, whatever height
 * another node claims. Where one does not answer, or is not so far, the next one is asked.
 */
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { NodeAccess } from '../chain-access.ts';
import { Nap } from '../nodes/pauses.ts';
import type { BlockRecord } from './block-record.ts';
import { boundedCall } from './bounded-call.ts';

export interface BlockWatchOptions {
  /** How often all blocks are compared; the newest are at every `wake`. */
  readonly checkMs: number;
  /** Longest that one call to a node may take. */
  readonly callMs: number;
}

export interface BlockWatchParts {
  /** Those of which something may yet come. */
  readonly blocks: () => Iterable<BlockRecord>;
  /** Nodes that answer, in the order of preference. */
  readonly nodes: () => readonly NodeAccess[];
  /** The best block's height by what the nodes claim: says when to ask, and never what is true. */
  readonly tipHeight: () => number | undefined;
  readonly happened: (
    block: BlockRecord,
    event: 'orphaned' | 'restored' | 'matured',
    detail: string,
  ) => void;
  /** Nothing more can come of it. */
  readonly settled: (block: BlockRecord) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a block stands by the chain of one node. */
interface Standing {
  /** Of the best chain's block at its height. */
  readonly hash: Uint8Array;
  /** That chain has grown so far past it that it stays as it is. */
  readonly isDeep: boolean;
}

const MATURITY = 100;
/** Blocks that a change of the tip may concern: deeper reorganisations show at the next full check. */
const RECENT = 10;

export class BlockWatch {
  readonly #options: BlockWatchOptions;
  readonly #parts: BlockWatchParts;
  readonly #nap: Nap;
  /** Names of nodes that could not tell, which was logged. */
  readonly #warned = new Set<string>();

  constructor(options: BlockWatchOptions, parts: BlockWatchParts) {
    this.#options = options;
    this.#parts = parts;
    this.#nap = new Nap(parts.clock);
  }

  /** The tip has changed. */
  wake(): void {
    this.#nap.wake();
  }

  /** Until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const { checkMs } = this.#options;
    let fullAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      this.#nap.drop();
      const now = clock.now();
      const isFull = now - fullAt >= checkMs;
      if (isFull) fullAt = now;
      try {
        await this.#compareAll(isFull, signal);
      } catch (error) {
        if (!signal.aborted) log.error('blocks not compared', { reason: errorText(error) });
      }
      await this.#nap.sleep(checkMs, signal);
    }
  }

  async #compareAll(isFull: boolean, signal: AbortSignal): Promise<void> {
    const { blocks, nodes, tipHeight } = this.#parts;
    const tip = tipHeight();
    if (tip === undefined) return;
    // Who fails for one block is not waited for at each of the others.
    const asked = new Set(nodes());
    for (const block of blocks()) {
      const depth = tip - block.height;
      if (depth < 0 || block.state === 'submitting') continue;
      if (!isFull && depth > RECENT && depth < MATURITY) continue;
      await this.#compare(block, depth >= MATURITY, asked, signal);
      if (signal.aborted) return;
    }
  }

  /** With the chain of the first node that can tell; leaves those out of `asked` that fail. */
  async #compare(
    block: BlockRecord,
    mayBeDeep: boolean,
    asked: Set<NodeAccess>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const node of asked) {
      let standing: Standing | undefined;
      try {
        standing = await this.#standing(block, mayBeDeep, node, signal);
      } catch (error) {
        if (signal.aborted) return;
        asked.delete(node);
        this.#warn(node.name, errorText(error));
        continue;
      }
      this.#warned.delete(node.name);
      if (standing === undefined) continue;
      this.#judge(block, standing, node.name);
      return;
    }
  }

  /** `undefined`: the node's chain does not reach it. Rejects what `blockHashAt` does. */
  async #standing(
    { height }: BlockRecord,
    mayBeDeep: boolean,
    node: NodeAccess,
    signal: AbortSignal,
  ): Promise<Standing | undefined> {
    const at = (wanted: number): Promise<Uint8Array | undefined> =>
      boundedCall(
        (ended) => node.blockHashAt(wanted, ended),
        this.#options.callMs,
        this.#parts.clock,
        signal,
      );
    const isDeep = mayBeDeep && (await at(height + MATURITY)) !== undefined;
    const hash = await at(height);
    return hash === undefined ? undefined : { hash, isDeep };
  }

  #judge(block: BlockRecord, { hash, isDeep }: Standing, node: string): void {
    const { happened, settled } = this.#parts;
    if (bytesEqual(hash, block.found.hash)) {
      const text = `the best chain of ${node} has it`;
      if (block.state !== 'accepted') happened(block, 'restored', text);
      if (isDeep) happened(block, 'matured', text);
    } else if (block.state === 'accepted') {
      happened(block, 'orphaned', `the best chain of ${node} has ${bytesToHex(hash)} there`);
    }
    if (isDeep) settled(block);
  }

  /** Once for each node, until it answers again. */
  #warn(node: string, reason: string): void {
    if (this.#warned.has(node)) return;
    this.#warned.add(node);
    const text = `node ${node} does not tell of its best chain: ${reason}`;
    this.#parts.log.warn('blocks not compared', { node, reason }, text);
  }
}
