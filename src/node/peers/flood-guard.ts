/**
 * How fast we read what one peer sends of its own accord, by kind of message. What comes faster is
 * read more slowly, which TCP passes on to the sender. Who keeps that up is at fault, but not for
 * requests: a peer that asks for the next thing as soon as it has the last one is no flooder, and what
 * answers cost is bounded where they are made (`serve.ts`). Answers we asked for are not limited here.
 */
import type { PeerMessage } from '../../p2p/messages.ts';
import type { Clock } from '../../util/clock.ts';
import { type Rate, TokenBucket } from '../../util/token-bucket.ts';

export interface Pace {
  /** How long to wait before the next message is read. */
  readonly waitMs: number;
  /** The peer has kept us waiting for too long: a fault. */
  readonly flooding: boolean;
}

type Kind = 'request' | 'transaction' | 'new-block' | 'filter' | 'control';

interface Allowance {
  readonly messages: Rate;
  readonly bytes: Rate;
  readonly blamed: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

const ALLOWANCES: Readonly<Record<Kind, Allowance>> = {
  request: {
    messages: { perSecond: 200, burst: 1000 },
    bytes: { perSecond: 64 * KIB, burst: MIB },
    blamed: false,
  },
  // The reference sends its whole mempool at the start, as fast as its connection allows.
  transaction: {
    messages: { perSecond: 500, burst: 20_000 },
    bytes: { perSecond: 256 * KIB, burst: 16 * MIB },
    blamed: true,
  },
  'new-block': {
    messages: { perSecond: 4, burst: 256 },
    bytes: { perSecond: 256 * KIB, burst: 32 * MIB },
    blamed: true,
  },
  filter: {
    messages: { perSecond: 20, burst: 4096 },
    bytes: { perSecond: 16 * KIB, burst: 2 * MIB },
    blamed: true,
  },
  control: {
    messages: { perSecond: 2, burst: 64 },
    bytes: { perSecond: 4 * KIB, burst: 64 * KIB },
    blamed: true,
  },
};

/** A wait is no longer than this: answers that we wait for may stand behind it. The debt remains. */
const MAX_WAIT_MS = 5000;
/** Ms of waiting that a peer may cause before it is at fault, and how much of it is forgotten. */
const PATIENCE: Rate = { perSecond: 100, burst: 10_000 };
/** Of a message beside its payload. */
const OVERHEAD_BYTES = 16;

export class FloodGuard {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #buckets = new Map<
    Kind,
    { readonly messages: TokenBucket; readonly bytes: TokenBucket }
  >();
  #patience: TokenBucket;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#patience = new TokenBucket(PATIENCE, clock);
  }

  /** Counts a message that came unasked. */
  count(message: PeerMessage): Pace {
    const kind = kindOf(message);
    const { blamed } = ALLOWANCES[kind];
    const { messages, bytes } = this.#bucketsOf(kind);
    const waitMs = Math.min(
      MAX_WAIT_MS,
      Math.max(messages.take(), bytes.take(OVERHEAD_BYTES + payloadBytes(message))),
    );
    const flooding = blamed && waitMs > 0 && !this.#patience.tryTake(waitMs);
    // Each fault takes as much waiting as the one before.
    if (flooding) this.#patience = new TokenBucket(PATIENCE, this.#clock);
    return { waitMs, flooding };
  }

  #bucketsOf(kind: Kind): { readonly messages: TokenBucket; readonly bytes: TokenBucket } {
    let buckets = this.#buckets.get(kind);
    if (buckets === undefined) {
      const { messages, bytes } = ALLOWANCES[kind];
      buckets = {
        messages: new TokenBucket(messages, this.#clock),
        bytes: new TokenBucket(bytes, this.#clock),
      };
      this.#buckets.set(kind, buckets);
    }
    return buckets;
  }
}

function kindOf({ type }: PeerMessage): Kind {
  switch (type) {
    case 'get-block':
    case 'get-headers':
    case 'get-blocks':
    case 'get-merkle-block':
      return 'request';
    case 'transaction':
      return 'transaction';
    case 'new-block':
      return 'new-block';
    case 'filter-load':
    case 'filter-add':
    case 'filter-clear':
      return 'filter';
    case 'block':
    case 'headers':
    case 'blocks':
    case 'merkle-block':
    case 'status-request':
    case 'status':
      return 'control';
  }
}

function payloadBytes(message: PeerMessage): number {
  switch (message.type) {
    case 'transaction':
      return message.transaction.length;
    case 'block':
    case 'new-block':
      return message.block.length;
    case 'headers':
      return sum(message.headers);
    case 'blocks':
      return sum(message.blocks);
    case 'filter-load':
      return sum(message.programs);
    case 'filter-add':
      return message.program.length;
    case 'get-headers':
    case 'get-blocks':
      return 32 * message.locator.length;
    case 'merkle-block':
      return sum(message.transactions) + sum(message.statuses);
    case 'get-block':
    case 'get-merkle-block':
    case 'status-request':
    case 'status':
    case 'filter-clear':
      return 0;
  }
}

function sum(parts: readonly Uint8Array[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}
