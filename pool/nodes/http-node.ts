/**
 * A node that is reached over HTTP: ours or any bytomd. Bytom 1.x mining interfaces, A.3 to A.5.
 *
 * What may surprise: a header alone is understood only by the node whose template it solves, which
 * adds the transactions. That one is given the header first, as it is shortest; where it does not take
 * it (a bytomd that has made another template meanwhile), it gets the whole block, if that is known.
 */
import { decodeHeader, headerHash } from '../../src/chain/header.ts';
import { NodeCallError, NodeClient } from '../../src/node-api/node-client.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import type { Logger } from '../../src/util/log.ts';
import {
  type NodeAccess,
  NodeAccessError,
  type NodeListener,
  type SolvedBlock,
} from '../chain-access.ts';
import { HttpFollower } from './http-follower.ts';
import {
  accessError,
  isOrphanFailure,
  isRefusal,
  isUnknownBlock,
  submitError,
} from './node-failure.ts';
import type { PauseBounds } from './pauses.ts';

export interface HttpNodeOptions {
  /** `http[s]://[user:secret@]host[:port][/prefix]` */
  readonly url: string;
  /** Pause between two polls of a node without `/events`. Default 100. */
  readonly pollMs?: number;
  /** The same for a node with it, in case it forgets us. Default 5000. */
  readonly pushedPollMs?: number;
  /** How far the time of the work given may lag behind the node's. Default 60 000. */
  readonly refreshMs?: number;
  /** How long a node that gives no whole blocks is not asked for them again. Default 300 000. */
  readonly formMs?: number;
  /** How long a lower height must stand before it is believed. Default 60 000. */
  readonly setbackMs?: number;
  /** Longest that a question may take. Default 5000. */
  readonly timeoutMs?: number;
  /** Longest that handing in a block may take. Default 30 000. */
  readonly submitTimeoutMs?: number;
  /** Silence after which `/events` is opened anew. Default 45 000. */
  readonly eventsIdleMs?: number;
  /** Bounds of the pauses after failures. Default 250 … 10 000. */
  readonly retryMs?: PauseBounds;
}

export interface HttpNodeParts {
  readonly clock: Clock;
  readonly log: Logger;
}

export class HttpNode implements NodeAccess {
  readonly name: string;
  readonly #client: NodeClient;
  /** With time for the node to prove and store a block. */
  readonly #submitClient: NodeClient;
  readonly #follower: HttpFollower;
  readonly #closed = new AbortController();
  #following: Promise<void> = Promise.resolve();

  /** Throws `InputError` for a URL that cannot be used. */
  constructor(options: HttpNodeOptions, { clock, log }: HttpNodeParts) {
    const { url, timeoutMs = 5000, submitTimeoutMs = 30_000, eventsIdleMs } = options;
    this.#client = new NodeClient({ url, timeoutMs });
    this.#submitClient = new NodeClient({ url, timeoutMs: submitTimeoutMs });
    this.name = this.#client.name;
    this.#follower = new HttpFollower(
      {
        pollMs: options.pollMs ?? 100,
        pushedPollMs: options.pushedPollMs ?? 5000,
        refreshMs: options.refreshMs ?? 60_000,
        formMs: options.formMs ?? 300_000,
        setbackMs: options.setbackMs ?? 60_000,
        retryMs: options.retryMs ?? { baseMs: 250, maxMs: 10_000 },
      },
      {
        client: this.#client,
        events: { url, ...(eventsIdleMs === undefined ? {} : { idleMs: eventsIdleMs }) },
        clock,
        log,
      },
    );
  }

  /** How long the last answer took, in ms. */
  get latencyMs(): number | undefined {
    return this.#follower.latencyMs;
  }

  async follow(listener: NodeListener, signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#closed.abort();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    this.#following = this.#follower.run(listener, this.#closed.signal);
    await this.#following;
    signal.removeEventListener('abort', stop);
  }

  async submit(block: SolvedBlock, signal: AbortSignal): Promise<'accepted' | 'orphan'> {
    const { rawBlock } = block;
    if (block.node !== this.name) {
      if (rawBlock !== undefined) return this.#submitBlock(rawBlock, signal);
      const reason = `a header of ${block.node}, whose transactions are not known here`;
      throw new NodeAccessError(this.name, { code: 'unfit', reason });
    }
    try {
      await this.#submitClient.submitWork(block.header, signal);
      this.#follower.askNow();
      return 'accepted';
    } catch (error) {
      if (isOrphanFailure(error)) return 'orphan';
      if (rawBlock === undefined || !isRefusal(error)) throw submitError(this.name, error);
      return this.#submitBlock(rawBlock, signal);
    }
  }

  async blockHashAt(height: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#unlessUnknown(async () => {
      const header = await this.#client.getBlockHeader(height, signal);
      if (header.height === height) return headerHash(header);
      const text = `height: expected ${height}, got ${header.height}`;
      throw new NodeCallError({ code: 'bad-answer', text });
    });
  }

  async rawBlock(hash: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#unlessUnknown(async () => {
      const rawBlock = await this.#client.getRawBlock(hash, signal);
      if (bytesEqual(headerHash(decodeHeader(rawBlock).header), hash)) return rawBlock;
      throw new NodeCallError({ code: 'bad-answer', text: 'another block than asked for' });
    });
  }

  async miningAddress(signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#client.miningAddress(signal);
    } catch (error) {
      const known = accessError(this.name, error);
      if (known.detail.code === 'refused') return undefined;
      throw known;
    }
  }

  async setMiningAddress(address: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.setMiningAddress(address, signal);
    } catch (error) {
      throw accessError(this.name, error);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#following;
  }

  async #submitBlock(rawBlock: Uint8Array, signal: AbortSignal): Promise<'accepted' | 'orphan'> {
    try {
      await this.#submitClient.submitBlock(rawBlock, signal);
      this.#follower.askNow();
      return 'accepted';
    } catch (error) {
      if (isOrphanFailure(error)) return 'orphan';
      throw submitError(this.name, error);
    }
  }

  async #unlessUnknown<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (isUnknownBlock(error)) return undefined;
      throw accessError(this.name, error);
    }
  }
}
