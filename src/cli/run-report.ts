/**
 * What the running node tells of itself without being asked: every new tip, once it has caught up, and
 * what somebody should look at. (How far it is while it catches up, syncing tells.) A trouble is told when it begins, again every
 * while as long as it lasts, and when it is over: a log that is quiet is one of a node that is well.
 */

import type { Chain } from '../node/chain.ts';
import type { TipEvent } from '../node/chain-options.ts';
import type { PeersView } from '../node/http/api-parts.ts';
import { bytesToHex } from '../util/bytes.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { durationText } from './progress.ts';

export interface RunReportOptions {
  /** Whether this node is to have peers. */
  readonly hasPeers: boolean;
  /** The network makes blocks all the time: an old tip means that something is wrong. */
  readonly isPublic: boolean;
  /** Where the chain is. */
  readonly data: string;
}

export interface RunReportParts {
  readonly chain: Pick<Chain, 'tip' | 'onTip'>;
  readonly peers: Pick<PeersView, 'syncing' | 'highest' | 'counts'>;
  /** Bytes that are left where the chain is. */
  readonly freeBytes: () => Promise<number>;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}

const CHECK_MS = 30_000;
/** A trouble that lasts is told again so often. */
const REPEAT_MS = 30 * 60_000;
/** How long a node may be without peers before that is worth a line. */
const LONELY_MS = 2 * 60_000;
/** Blocks come every 150 s: an hour without one happens by chance once in a million years. */
const OLD_SECONDS = 3600;
/** How long a node may know of higher blocks without getting any. */
const STUCK_MS = 5 * 60_000;
/** The database grows by some 100 MB a month; a flush and its copies need room at once. */
const LOW_BYTES = 2 ** 30;

export class RunReport {
  readonly #options: RunReportOptions;
  readonly #parts: RunReportParts;
  readonly #troubles = new Map<string, { readonly since: number; toldAt: number }>();
  readonly #stopped = new AbortController();
  readonly #unlisten: () => void;
  readonly #loop: Promise<void>;
  #aloneSince: number | undefined;
  /** When the tip changed last. */
  #movedAt: number;

  /** Begins at once. */
  constructor(options: RunReportOptions, parts: RunReportParts) {
    this.#options = options;
    this.#parts = parts;
    this.#unlisten = parts.chain.onTip((event) => this.#tipChanged(event));
    this.#movedAt = parts.clock.now();
    this.#loop = this.#checking();
  }

  /** Ends it. Idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#unlisten();
    await this.#loop;
  }

  /** Never rejects. */
  async #checking(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopped;
    for (;;) {
      await clock.sleep(CHECK_MS, signal);
      if (signal.aborted) return;
      try {
        this.#checkPeers();
        this.#checkTip();
        this.#checkProgress();
        await this.#checkDisk();
      } catch (error) {
        log.error('report failed', { reason: errorText(error) });
      }
    }
  }

  #tipChanged({ tip }: TipEvent): void {
    const { peers, clock, now, log } = this.#parts;
    this.#movedAt = clock.now();
    // While it catches up, thousands of them a second are no news.
    if (peers.syncing) return;
    const { height, timestamp } = tip.header;
    log.info('tip', {
      height,
      hash: bytesToHex(tip.hash),
      transactions: tip.transactionCount,
      // Where blocks are made at will, their times mean nothing.
      age: this.#options.isPublic ? durationText(now() - timestamp) : undefined,
    });
  }

  #checkPeers(): void {
    if (!this.#options.hasPeers) return;
    const now = this.#parts.clock.now();
    const isAlone = this.#peerCount === 0;
    this.#aloneSince = isAlone ? (this.#aloneSince ?? now) : undefined;
    const tooLong = this.#aloneSince !== undefined && now - this.#aloneSince >= LONELY_MS;
    this.#trouble('no peers', tooLong, {
      hint: 'is this machine online, and does a firewall let it out?',
    });
  }

  #checkTip(): void {
    if (!this.#options.isPublic) return;
    const { chain, peers, now } = this.#parts;
    const { height, timestamp } = chain.tip.header;
    const age = now() - timestamp;
    // Without peers, or while it catches up, it cannot be otherwise, and other lines say so.
    const isOld = age > OLD_SECONDS && !peers.syncing && this.#peerCount > 0;
    this.#trouble('the best block is old', isOld, {
      height,
      age: durationText(age),
      hint: "is this machine's clock right, and do the peers know higher blocks?",
    });
  }

  #checkProgress(): void {
    const { chain, peers, clock } = this.#parts;
    const { height } = chain.tip.header;
    const { highest } = peers;
    const stuckMs = clock.now() - this.#movedAt;
    this.#trouble('blocks do not come', highest > height && stuckMs >= STUCK_MS, {
      height,
      highest,
      hint: 'peers claim to have more; --log-level debug tells what comes of asking them',
    });
  }

  async #checkDisk(): Promise<void> {
    const { data } = this.#options;
    const free = await this.#parts.freeBytes().catch(() => undefined);
    if (free === undefined) return;
    this.#trouble('little space left', free < LOW_BYTES, {
      megabytes: Math.floor(free / 1e6),
      data,
      hint: 'the node stops when there is none',
    });
  }

  #trouble(event: string, isThere: boolean, fields: LogFields): void {
    const { clock, log } = this.#parts;
    const now = clock.now();
    const known = this.#troubles.get(event);
    if (!isThere) {
      if (known === undefined) return;
      this.#troubles.delete(event);
      log.info(`${event}: over`, { after: durationText((now - known.since) / 1000) });
      return;
    }
    if (known !== undefined && now - known.toldAt < REPEAT_MS) return;
    this.#troubles.set(event, { since: known?.since ?? now, toldAt: now });
    log.warn(event, fields);
  }

  get #peerCount(): number {
    const { inbound, outbound } = this.#parts.peers.counts;
    return inbound + outbound;
  }
}
